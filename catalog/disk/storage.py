"""A corpus root on any fsspec URL: its files, and the tables in them, which are checked as they are read."""

import mmap
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO, RawIOBase
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from byline.catalog.disk import seals
from byline.catalog.disk.files import Files
from byline.catalog.disk.mending import how_to_mend
from byline.catalog.disk.seals import Chunk, DamagedError, Footer, TableWriter
from byline.catalog.disk.storage_errors import damaged_parquet
from byline.catalog.errors import StorageError

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
class Store(Files):
    """Files under one root, and tables in them: Parquet with digests (`catalog.disk.seals`), and Arrow for scratch."""

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
            is_mapped = self.is_local or is_empty
            data = self._mapped(path, chunks) if is_mapped else self._downloaded(path, chunks, footer.num_bytes)
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

    def _downloaded(self, path: str, chunks: list[Chunk], num_bytes: int) -> pa.NativeFile:
        """Return a file of that length that has these chunks of `path`, which are asked for at once."""
        starts, ends = [chunk.start for chunk in chunks], [chunk.start + chunk.size for chunk in chunks]
        pieces = self._call(lambda fs, full: fs.cat_ranges([full] * len(chunks), starts, ends, on_error="raise"), path)
        for chunk, piece in zip(chunks, pieces, strict=True):
            chunk.check(piece)
        return pa.PythonFile(_Pieces(dict(zip(starts, pieces, strict=True)), num_bytes), mode="r")

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
