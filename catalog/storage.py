"""A corpus root on any fsspec URL, where a file that exists is complete.

On a local disk a file is written beside its place under `.partial/` and renamed; on an object store a single PUT is
what is atomic, and there is no rename. Every path given to a `Store` is relative to its root, with `/`.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from itertools import count, takewhile
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from catalog.errors import StorageError

T = TypeVar("T")
PARTIAL = ".partial"


@dataclass(frozen=True)
class Store:
    """Files under one root. Cheap to make, safe to send to a worker (it holds only the URL)."""

    root: str

    @cached_property
    def _located(self) -> tuple[fsspec.AbstractFileSystem, str]:
        try:
            filesystem, path = fsspec.core.url_to_fs(self.root)
        except (ValueError, ImportError) as error:
            raise StorageError(f"cannot open {self.root}: {error}") from error
        filesystem.use_listings_cache = False
        return filesystem, path.rstrip("/")

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root}

    @property
    def is_local(self) -> bool:
        """Whether the root is a folder of this machine."""
        return "file" in self._located[0].protocol

    def url(self, path: str) -> str:
        """Return the full URL of `path`, for messages."""
        return f"{self.root.rstrip('/')}/{path}"

    def local_path(self, path: str) -> Path:
        """Return the place of `path` on this machine. Only for a local root."""
        assert self.is_local
        return Path(self._located[1]) / path

    def exists(self, path: str) -> bool:
        """Tell whether `path` is there, and so is complete."""
        return bool(self._call(lambda fs, full: fs.exists(full), path))

    def size_bytes(self, path: str) -> int:
        """Return the size of `path`."""
        return int(self._call(lambda fs, full: fs.size(full), path))

    def files(self, folder: str, *, suffix: str = "") -> list[str]:
        """Return the sorted names (not paths) of the files directly in `folder`; none when it does not exist."""

        def names(fs: fsspec.AbstractFileSystem, full: str) -> list[str]:
            fs.invalidate_cache(full)
            try:
                entries = fs.ls(full, detail=True)
            except FileNotFoundError:
                return []
            files = (entry["name"].rsplit("/", 1)[-1] for entry in entries if entry["type"] == "file")
            return sorted(name for name in files if name.endswith(suffix))

        return self._call(names, folder)

    def folders(self, folder: str) -> list[str]:
        """Return the sorted names of the folders directly in `folder`."""

        def names(fs: fsspec.AbstractFileSystem, full: str) -> list[str]:
            fs.invalidate_cache(full)
            try:
                entries = fs.ls(full, detail=True)
            except FileNotFoundError:
                return []
            return sorted(e["name"].rstrip("/").rsplit("/", 1)[-1] for e in entries if e["type"] == "directory")

        return self._call(names, folder)

    def numbered(self, prefix: str, suffix: str) -> list[str]:
        """Return `<prefix>000`, `<prefix>001`, ... as far as `<prefix>NNN<suffix>` exist, without listing a folder."""
        stems = (f"{prefix}{number:03d}" for number in count())
        return list(takewhile(lambda stem: self.exists(stem + suffix), stems))

    def read_bytes(self, path: str, *, start: int | None = None, end: int | None = None) -> bytes:
        """Return the bytes `[start, end)` of `path`, all of them by default."""
        return cast(bytes, self._call(lambda fs, full: fs.cat_file(full, start=start, end=end), path))

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """Open `path` for reading with seeks; an object store is read by ranges."""
        file = self._call(lambda fs, full: fs.open(full, "rb"), path)
        with file:
            yield file

    def read_text(self, path: str) -> str:
        """Return `path` as UTF-8 text."""
        return self.read_bytes(path).decode()

    def write_bytes(self, path: str, data: bytes) -> None:
        """Put `data` at `path`, whole or not at all."""
        if not self.is_local:
            self._call(lambda fs, full: fs.pipe_file(full, data), path)
            return
        with self.writing(path) as file:
            file.write(data)

    @contextmanager
    def writing(self, path: str) -> Iterator[IO[bytes]]:
        """Open a local temporary file that becomes `path` when the block ends, and vanishes if the block raises."""
        try:
            folder = self._partial_folder()
            handle, name = tempfile.mkstemp(dir=folder)
        except OSError as error:
            raise self._explained(error, path) from error
        try:
            with os.fdopen(handle, "w+b") as file:
                yield file
                file.flush()
                if self.is_local:
                    os.fsync(file.fileno())
            self._publish(name, path)
        except OSError as error:
            raise self._explained(error, path) from error
        finally:
            Path(name).unlink(missing_ok=True)

    def read_table(self, path: str, columns: list[str] | None = None) -> pa.Table:
        """Read a Parquet file. Raises `StorageError` when it is damaged."""
        try:
            return pq.read_table(BytesIO(self.read_bytes(path)), columns=columns)
        except pa.ArrowInvalid as error:
            raise StorageError(
                f"{self.url(path)} is not a whole Parquet file ({error}); delete it, build again"
            ) from error

    def write_table(self, path: str, table: pa.Table, *, row_group_size: int | None = None) -> None:
        """Write a Parquet file; equal tables give equal bytes."""
        sink = BytesIO()
        pq.write_table(table, sink, compression="zstd", row_group_size=row_group_size)
        self.write_bytes(path, sink.getvalue())

    def remove_partial(self) -> None:
        """Delete what a killed run left half written. Only for the one process that owns the corpus."""
        if self.is_local:
            shutil.rmtree(self.local_path(PARTIAL), ignore_errors=True)

    def _partial_folder(self) -> str | None:
        if not self.is_local:
            return None
        folder = self.local_path(PARTIAL)
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    def _publish(self, name: str, path: str) -> None:
        if self.is_local:
            target = self.local_path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            Path(name).chmod(0o644)
            Path(name).replace(target)
        else:
            self._call(lambda fs, full: fs.put_file(name, full), path)

    def _call(self, action: Callable[[fsspec.AbstractFileSystem, str], T], path: str) -> T:
        filesystem, root = self._located
        try:
            return action(filesystem, f"{root}/{path}" if path else root)
        except OSError as error:
            raise self._explained(error, path) from error

    def _explained(self, error: OSError, path: str) -> StorageError:
        where = self.url(path)
        if error.errno == errno.ENOSPC:
            return StorageError(
                f"no space left to write {where}; free some and run the same command again, nothing is lost"
            )
        if isinstance(error, FileNotFoundError):
            return StorageError(f"nothing at {where}")
        return StorageError(f"cannot reach {where}: {error}")
