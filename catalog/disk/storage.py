"""A corpus root on any fsspec URL, where a file that exists is complete.

On a local disk a file is written beside its place under `.partial/` and renamed; on an object store a single PUT is
what is atomic, and there is no rename. Every path given to a `Store` is relative to its root, with `/`.
"""

import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from io import BufferedRandom, BytesIO, RawIOBase
from itertools import count, takewhile
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from fsspec.registry import known_implementations

from byline.catalog.configs.extras import extra_with, missing
from byline.catalog.disk import seals
from byline.catalog.disk.mending import how_to_mend
from byline.catalog.disk.seals import Chunk, DamagedError, Footer, TableWriter
from byline.catalog.disk.storage_errors import damaged_parquet, explained, is_of_object_store
from byline.catalog.errors import BylineError, StorageError

T = TypeVar("T")
PARTIAL = ".partial"
"""Folder of a local root with what is being written, one folder a process."""
DIGESTS = frozenset(
    "key sha256 stored_sha256 text_sha256 shown_sha256 caption_sha256 phash256 pixels colors keyed".split()
)
"""Columns in which no two values have much in common: stored plain, which is read several times faster."""
IDS = frozenset(("record_id", "keeper_record_id", "keeper_sha256"))
"""Columns in which no two values are equal: a dictionary of them would be made in vain."""
SCRATCH_DIGEST_BYTES = 16
"""What follows an Arrow file of scratch: XXH3 of its path and its bytes."""
ARROW = b"ARROW1"
"""How an Arrow file ends; so does what an older byline wrote, which is read unchecked."""


@dataclass(frozen=True)
class Store:
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
        return bool(self._call(lambda fs, full: fs.exists(full), path))

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
        """Put `data` at `path` unless something is there already, and tell which. Of several writers one wins."""
        try:
            if not self.is_local:
                self._call(lambda fs, full: fs.pipe_file(full, data, mode="create"), path, writing=True)
                return True
            with self._temporary(path) as (name, file):
                file.write(data)
                self._sync(file)
                self._place(path).hardlink_to(name)
            return True
        except FileExistsError:
            return False

    @contextmanager
    def writing(self, path: str, *, is_scratch: bool = False) -> Iterator[BufferedRandom]:
        """Open a local temporary file that becomes `path` when the block ends, and vanishes if the block raises."""
        with self._temporary(path) as (name, file):
            yield file
            self._sync(file, is_scratch=is_scratch)
            if self.is_local:
                Path(name).replace(self._place(path))
            else:
                self._call(lambda fs, full: fs.put_file(name, full), path, writing=True)

    def read_table(
        self, path: str, columns: list[str] | None = None, *, words: Collection[str] = (), xxh3: str | None = None
    ) -> pa.Table:
        """Read a Parquet file, the columns in `words` as dictionaries; `xxh3` is of all its bytes, where that is known.

        Raises `StorageError` when it is damaged, or is another one that was put in its place (`catalog.disk.seals`).
        """
        with self._told_if_damaged(path):
            data = self._buffered(path)
            if xxh3 is not None and xxhash.xxh3_64_hexdigest(data.read_buffer()) != xxh3:
                raise DamagedError("it has other bytes than were written")
            footer = seals.read_footer(data, path)
            if footer.is_sealed:
                for chunk in footer.chunks(range(footer.metadata.num_row_groups), columns):
                    data.seek(chunk.start)
                    chunk.check(data.read_buffer(chunk.size))
            # Arrow's own threads, which buffering ahead starts too, can outlive a short process and abort it at its
            # end; packs are our parallelism.
            parquet = pq.ParquetFile(
                data, metadata=footer.metadata, read_dictionary=list(words) or None, pre_buffer=False
            )
            return parquet.read(columns=columns, use_threads=False)

    def read_footer(self, path: str) -> Footer:
        """Return what a Parquet file says of itself, for `read_row_group`. Raises `StorageError` when it is damaged."""
        with self._told_if_damaged(path), self.open(path) as file:
            return seals.read_footer(file, path)

    def read_row_group(
        self, path: str, number: int, footer: Footer, columns: list[str] | None = None, *, words: Collection[str] = ()
    ) -> pa.Table:
        """Read one row group of a Parquet file, and check what is read. Raises `StorageError` when it is damaged."""
        with self._told_if_damaged(path):
            chunks = list(footer.chunks([number], columns))
            is_empty = footer.metadata.row_group(number).num_rows == 0  # then Arrow looks beside the chunks
            data = self._mapped(path, chunks) if self.is_local or is_empty else self._downloaded(path, chunks)
            parquet = pq.ParquetFile(
                data, metadata=footer.metadata, read_dictionary=list(words) or None, pre_buffer=False
            )
            return parquet.read_row_group(number, columns=columns, use_threads=False)

    def _mapped(self, path: str, chunks: list[Chunk]) -> pa.NativeFile:
        data = self._buffered(path)
        for chunk in chunks:
            data.seek(chunk.start)
            chunk.check(data.read_buffer(chunk.size))
        return data

    def _downloaded(self, path: str, chunks: list[Chunk]) -> pa.NativeFile:
        """Return a file that has these chunks of `path`, which are asked for at once."""
        starts, ends = [chunk.start for chunk in chunks], [chunk.start + chunk.size for chunk in chunks]
        pieces = self._call(lambda fs, full: fs.cat_ranges([full] * len(chunks), starts, ends), path)
        for chunk, piece in zip(chunks, pieces, strict=True):
            chunk.check(piece)
        return pa.PythonFile(_Pieces(dict(zip(starts, pieces, strict=True)), self.size_bytes(path)), mode="r")

    @contextmanager
    def _told_if_damaged(self, path: str) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, DamagedError) as error:
            raise damaged_parquet(self.url(path), error, how_to_mend(path)) from error

    def _buffered(self, path: str) -> pa.NativeFile:
        """Return the bytes of `path`, on a disk without reading those that nobody asks for."""
        if self.is_local:
            return self._call(lambda _, full: pa.memory_map(full), path)
        return pa.BufferReader(self.read_bytes(path))

    def write_scratch(self, path: str, table: pa.Table) -> None:
        """Write a table that can be made again as an Arrow file, which is read without decoding. Its digest follows."""
        with self.writing(path, is_scratch=True) as file:
            with pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table.combine_chunks())
            file.flush()
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as written:
                digest = _scratch_digest(path, written)
            file.seek(0, os.SEEK_END)
            file.write(digest)

    def read_scratch(self, path: str, columns: list[str] | None = None) -> pa.Table:
        """Read what `write_scratch` wrote, on a disk without copying it. Raises `StorageError` when it is damaged."""
        try:
            data = self._buffered(path).read_buffer()
            is_old = data.size >= len(ARROW) and data.slice(data.size - len(ARROW)).to_pybytes() == ARROW
            size = data.size if is_old else max(0, data.size - SCRATCH_DIGEST_BYTES)
            if not is_old and _scratch_digest(path, data.slice(0, size)) != data.slice(size).to_pybytes():
                raise DamagedError("it is not what was written there")
            table = pa.ipc.open_file(pa.BufferReader(data.slice(0, size))).read_all()
        except (pa.ArrowException, DamagedError) as error:
            raise StorageError(f"{self.url(path)} is damaged ({error}); {how_to_mend(path)}") from error
        return table if columns is None else table.select(columns)

    def write_table(self, path: str, table: pa.Table) -> None:
        """Write a sealed Parquet file; equal tables give equal bytes at an equal path."""
        self.write_bytes(path, _sealed(path, table))

    def write_new_table(self, path: str, table: pa.Table) -> bool:
        """The same unless something is there already, and tell which. Of several writers one wins."""
        return self.write_new(path, _sealed(path, table))

    @contextmanager
    def writing_groups(self, path: str, schema: pa.Schema, **options: Any) -> Iterator[TableWriter]:
        """Give what writes a sealed Parquet file, a row group after the other; it is there when the block ends."""
        with self.writing(path) as file, seals.sealing(file, path, schema, **options) as writer:
            yield writer

    def remove(self, path: str) -> None:
        """Delete a file; nothing happens when it is not there."""
        with suppress(FileNotFoundError):
            self._call(lambda fs, full: fs.rm_file(full) if fs.exists(full) else None, path, writing=True)

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

    def _place(self, path: str) -> Path:
        place = self.local_path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

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
        except Exception as error:
            if not is_of_object_store(error):
                raise
            raise StorageError(f"cannot reach {self.url(path)}: {error}") from error


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


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table as a Parquet file; equal tables give equal bytes. Dictionary columns come back as plain ones."""
    sink = BytesIO()
    pq.write_table(table, sink, **_options(table))
    return sink.getvalue()


def _sealed(path: str, table: pa.Table) -> bytes:
    return seals.sealed_bytes(table, path, **_options(table))


def _options(table: pa.Table) -> dict[str, Any]:
    words = [name for name in table.column_names if name not in DIGESTS | IDS]
    compression = {name: "NONE" if name in DIGESTS else "ZSTD" for name in _leaves(table.schema)}
    return {"compression": compression, "use_dictionary": words, "store_schema": False}


def _scratch_digest(path: str, data: mmap.mmap | pa.Buffer) -> bytes:
    digest = xxhash.xxh3_128(path.encode() + b"\0")
    digest.update(data)
    return digest.digest()


class _Pieces(RawIOBase):
    """A file of which only some pieces are there: start -> bytes."""

    def __init__(self, pieces: dict[int, bytes], size: int) -> None:
        self._pieces, self._size, self._place = pieces, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def read(self, size: int = -1) -> bytes:
        start = max((start for start in self._pieces if start <= self._place), default=0)
        piece = self._pieces.get(start, b"")[self._place - start :]
        data = piece if size < 0 else piece[:size]
        self._place += len(data)
        return data


def _leaves(schema: pa.Schema) -> list[str]:
    """Return the names that Parquet gives to the columns: a list's values are a column of their own."""
    return [f"{f.name}.list.element" if pa.types.is_list(f.type) else f.name for f in schema]
