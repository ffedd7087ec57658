"""Files under a root on any fsspec URL, where a file that exists is complete.

On a local disk a file is written beside its place under `.partial/` and renamed; on an object store a single PUT is
what is atomic, and there is no rename. Every path given to `Files` is relative to its root, with `/`.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from io import BufferedRandom
from itertools import count, islice, takewhile
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import fsspec
from fsspec.registry import known_implementations

from byline.catalog.configs.extras import extra_with, missing
from byline.catalog.disk import s3
from byline.catalog.disk.mending import how_to_mend
from byline.catalog.disk.storage_errors import explained, is_of_object_store
from byline.catalog.errors import BylineError, StorageError

T = TypeVar("T")
_STATE = ("size", "ETag", "etag", "LastModified", "last_modified", "mtime", "updated", "generation")
"""What listings of one store or another say of a file, and of no other state of it."""
ASKED_FIRST = 2
"""Numbered files that an object store is asked for one after the other: most packs have no more segments than one."""
PARTIAL = ".partial"
"""Folder of a local root with what is being written, one folder a process."""


@dataclass(frozen=True)
class Files:
    """Files under one root. Cheap to make, safe to send to a worker (it holds only the URL)."""

    root: str

    @cached_property
    def _located(self) -> tuple[fsspec.AbstractFileSystem, str]:
        try:
            # Without the cache: other processes write here too.
            filesystem, path = fsspec.core.url_to_fs(self.root, use_listings_cache=False)
        except ImportError as error:
            raise _no_library(self.root, error) from error
        except ValueError as error:
            raise StorageError(f"cannot open {self.root}: {error}") from error
        if "s3" in filesystem.protocol:
            s3.wait_while_busy()
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
        if self.is_local:
            return os.path.exists(f"{self._located[1]}/{path}")  # noqa: PTH110 - asked tens of times for each pack
        return self._call(s3.is_there, path)

    def size_bytes(self, path: str) -> int:
        """Return the size of `path`."""
        return int(self._call(lambda fs, full: fs.size(full), path))

    def state(self, path: str) -> str:
        """Return a word that changes when the bytes of `path` do: its time and size, or the object store's tag."""
        return str(self._call(lambda fs, full: fs.ukey(full), path))

    def files(self, folder: str, *, suffix: str = "", hidden: bool = False) -> list[str]:
        """Return the sorted names (not paths) of the files directly in `folder`; none when it does not exist.

        What begins with a dot is of file managers and tools, not of a corpus: it is named with `hidden` only.
        """

        def names(fs: fsspec.AbstractFileSystem, full: str) -> list[str]:
            try:
                entries = fs.ls(full, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
            files = (entry["name"].rsplit("/", 1)[-1] for entry in entries if entry["type"] == "file")
            return sorted(name for name in files if name.endswith(suffix) and (hidden or not name.startswith(".")))

        return self._call(names, folder)

    def folders(self, folder: str, *, hidden: bool = False) -> list[str]:
        """The same of the folders directly in `folder`."""

        def names(fs: fsspec.AbstractFileSystem, full: str) -> list[str]:
            try:
                entries = fs.ls(full, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
            folders = (e["name"].rstrip("/").rsplit("/", 1)[-1] for e in entries if e["type"] == "directory")
            return sorted(name for name in folders if hidden or not name.startswith("."))

        return self._call(names, folder)

    def find(self, pattern: str = "") -> dict[str, str]:
        """Return what lies below the root, as path -> a word that changes when the bytes do: all, or what a pattern
        names. Where the root is a file its path is empty. What begins with a dot is left out.
        """

        def below(fs: fsspec.AbstractFileSystem, full: str) -> dict[str, str]:
            listed = fs.glob(full, detail=True) if pattern else fs.find(full, detail=True)
            root = self._located[1]
            files = {name.removeprefix(root).lstrip("/"): entry for name, entry in listed.items()}
            states = {
                path: str(sorted((key, str(entry.get(key))) for key in _STATE))
                for path, entry in files.items()
                if entry["type"] == "file"
            }
            return {
                path: state for path, state in states.items() if not any(p.startswith(".") for p in path.split("/"))
            }

        return self._call(below, pattern)

    def numbered(self, prefix: str, suffix: str) -> list[str]:
        """Return `<prefix>000`, `<prefix>001`, ... as far as `<prefix>NNN<suffix>` exist.

        An object store is asked for the first two; if both are there, what begins with `prefix` is listed: one request
        for a thousand, at the price of a dozen questions.
        """
        stems = (f"{prefix}{number:03d}" for number in count())
        if self.is_local:
            return list(takewhile(lambda stem: self.exists(stem + suffix), stems))
        first = list(takewhile(lambda stem: self.exists(stem + suffix), islice(stems, ASKED_FIRST)))
        if len(first) < ASKED_FIRST:
            return first
        listed = self._beginning_with(prefix)
        return [*first, *takewhile(lambda stem: stem + suffix in listed, stems)]

    def _beginning_with(self, prefix: str) -> set[str]:
        """Return the paths below the folder of `prefix` that begin with it: of an object store, without the others."""
        folder, _, name = prefix.rpartition("/")

        def paths(fs: fsspec.AbstractFileSystem, full: str) -> set[str]:
            return {path.removeprefix(f"{self._located[1]}/") for path in fs.find(full, prefix=name)}

        return self._call(paths, folder)

    def read_bytes(self, path: str, *, start: int | None = None, end: int | None = None) -> bytes:
        """Return the bytes `[start, end)` of `path`, all of them by default."""
        if start is None and end is None:
            return self._call(s3.read_whole, path)
        return cast(bytes, self._call(lambda fs, full: fs.cat_file(full, start=start, end=end), path))

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """Open `path` for reading with seeks; an object store is read by ranges."""
        file = self._call(lambda fs, full: fs.open(full, "rb"), path)
        with file:
            try:
                yield file
            except Exception as error:
                if not is_of_object_store(error):
                    raise
                raise explained(error, self.url(path), writing=False) from error

    def read_text(self, path: str) -> str:
        """Return `path` as UTF-8 text. Raises `StorageError` when it is none."""
        try:
            return self.read_bytes(path).decode()
        except UnicodeDecodeError as error:
            raise StorageError(f"{self.url(path)} is damaged ({error}); {how_to_mend(path)}") from error

    def write_bytes(self, path: str, data: bytes, *, is_scratch: bool = False) -> None:
        """Put `data` at `path`, whole or not at all. Scratch, which can be made again, may be lost when power fails."""
        if not self.is_local:
            self._call(lambda fs, full: fs.pipe_file(full, data), path, writing=True)
            return
        with self.writing(path, is_scratch=is_scratch) as file:
            file.write(data)

    def write_new(self, path: str, data: bytes) -> bool:
        """Put `data` at `path` unless something is there already; tell whether `data` is there now.

        Of several writers one wins, with all that wrote the same: a client that asks again because an answer was lost
        hears that something is there, and it is its own.
        """
        try:
            if not self.is_local:
                self._call(lambda fs, full: fs.pipe_file(full, data, mode="create"), path, writing=True)
                return True
            with self._temporary(path) as (name, file):
                file.write(data)
                self._sync(file)
                self._writable_path(path).hardlink_to(name)
            return True
        except FileExistsError:
            return self.size_bytes(path) == len(data) and self.read_bytes(path) == data

    @contextmanager
    def writing(self, path: str, *, is_scratch: bool = False) -> Iterator[BufferedRandom]:
        """Open a local temporary file that becomes `path` when the block ends, and vanishes if the block raises."""
        with self._temporary(path) as (name, file):
            yield file
            self._sync(file, is_scratch=is_scratch)
            if self.is_local:
                Path(name).replace(self._writable_path(path))
            else:
                self._call(lambda fs, full: fs.put_file(name, full), path, writing=True)

    def download(self, path: str, local_file: Path) -> None:
        """Copy `path` to a file of this machine, which is not whole if this raises."""
        self._call(lambda fs, full: fs.get_file(full, str(local_file)), path)

    def upload(self, local_file: Path, path: str) -> None:
        """Copy a file of this machine to `path`, whole or not at all."""
        if not self.is_local:
            self._call(lambda fs, full: fs.put_file(str(local_file), full), path, writing=True)
            return
        with self.writing(path) as file, local_file.open("rb") as source:
            shutil.copyfileobj(source, file)

    def remove(self, path: str) -> None:
        """Delete a file; nothing happens when it is not there."""

        def delete(fs: fsspec.AbstractFileSystem, full: str) -> None:
            with suppress(FileNotFoundError):
                fs.rm_file(full)

        self._call(delete, path, writing=True)

    def remove_partial(self, *, with_own: bool = False) -> None:
        """Delete what processes that are gone left half written.

        `with_own` also what lies under this process' id, which one that is gone may have had: before this one writes.
        """
        if not self.is_local:
            return
        for folder in self.local_path(PARTIAL).glob("[0-9]*"):
            number = int(folder.name) if folder.name.isdecimal() else 0
            if (number and not is_running(number)) or (with_own and number == os.getpid()):
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def scratch_folder(self) -> Iterator[Path]:
        """Give an empty folder that vanishes when the block ends: on the root's own disk, or on this machine's for an
        object store (`TMPDIR` says where). What a killed process left on the root's disk goes with `remove_partial`.
        """
        with tempfile.TemporaryDirectory(prefix="byline-", dir=self._partial_folder()) as folder:
            yield Path(folder)

    @contextmanager
    def _temporary(self, path: str) -> Iterator[tuple[str, BufferedRandom]]:
        """Open a file on the disk that `path` is on, or on this machine's for an object store, for a time."""
        try:
            handle, name = tempfile.mkstemp(dir=self._partial_folder())
        except OSError as error:
            raise explained(error, self.url(path), writing=True) from error
        try:
            with os.fdopen(handle, "w+b") as file:
                yield name, file
        except FileExistsError:
            raise
        except OSError as error:
            raise explained(error, self.url(path), writing=True) from error
        finally:
            Path(name).unlink(missing_ok=True)

    def _sync(self, file: BufferedRandom, *, is_scratch: bool = False) -> None:
        file.flush()
        if self.is_local:
            os.fchmod(file.fileno(), 0o644)
            if not is_scratch:
                os.fsync(file.fileno())

    def _writable_path(self, path: str) -> Path:
        file_path = self.local_path(path)
        file_path.parent.mkdir(parents=True, exist_ok=True)
        return file_path

    def _partial_folder(self) -> str | None:
        if not self.is_local:
            return None
        folder = self.local_path(f"{PARTIAL}/{os.getpid()}")
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    def _call(self, action: Callable[[fsspec.AbstractFileSystem, str], T], path: str, *, writing: bool = False) -> T:
        filesystem, root = self._located
        try:
            return action(filesystem, f"{root}/{path}" if path else root)
        except FileExistsError:
            raise
        except OSError as error:
            raise explained(error, self.url(path), writing=writing) from error
        except Exception as error:  # client libraries have errors of their own, which are no OSError
            if not is_of_object_store(error):
                raise
            raise explained(error, self.url(path), writing=writing) from error


def _no_library(root: str, error: ImportError) -> BylineError:
    """Return the error to raise for a kind of URL whose library is not installed, which fsspec knows the name of."""
    known = known_implementations.get(root.split("://")[0], {}).get("class", "").split(".")[0]
    extra = extra_with(known)
    return StorageError(f"cannot open {root}: {error}") if extra is None else missing(extra, root, known)


def is_running(process_id: int) -> bool:
    """Tell whether a process of this machine has this number."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
