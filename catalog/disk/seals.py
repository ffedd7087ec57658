"""Digests inside the Parquet files of a corpus, with the path that each belongs to. Readers check what they read.

The footer's metadata have one value, `byline.seal`: a digest of the footer itself, one of each column chunk in the
order of row groups and columns (XXH3, 64 bits, in hex each), and the path in the corpus. So a reader of one column of
one row group checks these bytes and the footer, and pays for no others; together they are every byte of the file. It
guards against damage and files put in each other's place, not against people. A file without a seal is of an older
byline, or of somebody else's making, and is read unchecked.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from xxhash import xxh3_64_hexdigest

KEY = "byline.seal"
MAGIC = b"PAR1"
DIGITS = 16
"""Hexadecimal digits of a digest."""
TAIL_BYTES = 8
"""What follows a footer: its length and the magic."""


class DamagedError(ValueError):
    """The bytes of a file are not those that were written there: what is wrong, without the file's name."""


class TableWriter(Protocol):
    """What writes the row groups of a file one after the other."""

    schema: pa.Schema

    def write_table(self, table: pa.Table, row_group_size: int | None = None) -> None: ...


class _Counting:
    """A writer of Parquet that knows how many row groups it wrote."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self.schema = writer.schema
        self.num_groups = 0
        self._writer = writer

    def write_table(self, table: pa.Table, row_group_size: int | None = None) -> None:
        """Write a table as one row group, or as several of that size."""
        size = row_group_size or max(1, len(table))
        self._writer.write_table(table, row_group_size=size)
        self.num_groups += max(1, -(-len(table) // size))


@contextmanager
def sealing(file: IO[bytes], path: str, schema: pa.Schema, **options: Any) -> Iterator[TableWriter]:
    """Give a writer of the Parquet file `path`, into a file that can be read back; it is sealed when the block ends.

    Equal tables at an equal path give equal bytes.
    """
    with pq.ParquetWriter(file, schema, **options) as writer:
        counting = _Counting(writer)
        yield counting
        num_chunks = counting.num_groups * sum(_num_leaves(field.type) for field in schema)
        writer.add_key_value_metadata({KEY: _text("0" * DIGITS, ["0" * DIGITS] * num_chunks, path)})
    file.flush()
    _fill(file)


def sealed_bytes(table: pa.Table, path: str, **options: Any) -> bytes:
    """Return the sealed Parquet file of a table, in one row group."""
    sink = BytesIO()
    with sealing(sink, path, table.schema, **options) as writer:
        writer.write_table(table)
    return sink.getvalue()


@dataclass(frozen=True, kw_only=True)
class Footer:
    """What a Parquet file says of itself, checked; with the digests of its column chunks, none where it has no seal."""

    metadata: pq.FileMetaData
    digests: tuple[str, ...]
    num_bytes: int
    """The length of the file."""

    @property
    def is_sealed(self) -> bool:
        """Whether what is read can be checked."""
        return bool(self.digests)

    def chunks(self, groups: Iterable[int], columns: Collection[str] | None = None) -> Iterator["Chunk"]:
        """Yield where the chunks of these columns lie in these row groups, in the order of their bytes."""
        names = [self.metadata.schema.column(number).path for number in range(self.metadata.num_columns)]
        wanted = [n for n, name in enumerate(names) if columns is None or name.partition(".")[0] in columns]
        for number in groups:
            group = self.metadata.row_group(number)
            for index in wanted:
                column = group.column(index)
                starts = [column.data_page_offset, column.dictionary_page_offset or 0]
                digest = self.digests[number * len(names) + index] if self.digests else ""
                yield Chunk(
                    start=min((start for start in starts if start > 0), default=0),  # of no rows it may have no page
                    size=column.total_compressed_size,
                    digest=digest,
                    what=f"column {names[index]} of row group {number}",
                )


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """The bytes of one column in one row group."""

    start: int
    size: int
    digest: str
    what: str

    def check(self, data: bytes | pa.Buffer) -> None:
        """Raise `DamagedError` unless these are the bytes that were written; without a seal nobody knows."""
        if self.digest and (len(data) != self.size or xxh3_64_hexdigest(data) != self.digest):
            raise DamagedError(f"{self.what} has other bytes than were written")


def read_footer(file: IO[bytes] | pa.NativeFile, path: str) -> Footer:
    """Return the footer of the Parquet file that lies at `path` in the corpus.

    Raises `DamagedError` where it was changed, or was written for another path, and Arrow's errors where it is none.
    """
    try:
        metadata = pq.ParquetFile(file, pre_buffer=False).metadata
    except UnicodeDecodeError as error:
        raise DamagedError(f"a column's name is no text: {error}") from error
    value = (metadata.metadata or {}).get(KEY.encode())
    num_bytes = file.seek(0, os.SEEK_END)
    if value is None:
        return Footer(metadata=metadata, digests=(), num_bytes=num_bytes)
    start, whole = _footer_of(file)
    position = whole.find(value)
    digest, digests, written_for = _taken_apart(value)
    zeroed = whole[:position] + b"0" * DIGITS + whole[position + DIGITS :]
    file.seek(0)
    if position < 0 or xxh3_64_hexdigest(_bytes(file.read(len(MAGIC))) + zeroed) != digest:
        raise DamagedError("its footer has other bytes than were written")
    if written_for != path:
        raise DamagedError(f"it is what was written as {written_for}")
    footer = Footer(metadata=metadata, digests=digests, num_bytes=num_bytes)
    if len(MAGIC) + sum(chunk.size for chunk in footer.chunks(range(metadata.num_row_groups))) != start:
        raise DamagedError("it has bytes that belong to no column")
    return footer


def _fill(file: IO[bytes]) -> None:
    """Write the digests into the place that was left for them."""
    file.seek(0)
    metadata = pq.ParquetFile(file, pre_buffer=False).metadata
    value = metadata.metadata[KEY.encode()]
    *_, path = _taken_apart(value)
    digests = []
    unsealed = Footer(metadata=metadata, digests=(), num_bytes=file.seek(0, os.SEEK_END))
    for chunk in unsealed.chunks(range(metadata.num_row_groups)):
        file.seek(chunk.start)
        digests.append(xxh3_64_hexdigest(file.read(chunk.size)))
    start, whole = _footer_of(file)
    unsigned = _text("0" * DIGITS, digests, path).encode()
    assert len(unsigned) == len(value), "row groups or columns were counted wrong"
    digest = xxh3_64_hexdigest(MAGIC + whole.replace(value, unsigned))
    file.seek(start + whole.index(value))
    file.write(_text(digest, digests, path).encode())
    file.seek(0, 2)


def _footer_of(file: IO[bytes] | pa.NativeFile) -> tuple[int, bytes]:
    """Return where the footer of a Parquet file starts, and it to the file's end."""
    size = file.seek(0, 2)
    file.seek(size - TAIL_BYTES)
    start = size - TAIL_BYTES - int.from_bytes(_bytes(file.read(4)), "little")
    file.seek(start)
    return start, _bytes(file.read())


def _bytes(data: bytes | pa.Buffer) -> bytes:
    return data if isinstance(data, bytes) else data.to_pybytes()


def _text(footer: str, chunks: Iterable[str], path: str) -> str:
    return f"{footer} {''.join(chunks)} {path}"


def _taken_apart(value: bytes) -> tuple[str, tuple[str, ...], str]:
    try:
        footer, chunks, path = value.decode().split(" ", 2)
    except ValueError as error:
        raise DamagedError("its seal cannot be read") from error
    return footer, tuple(chunks[start : start + DIGITS] for start in range(0, len(chunks), DIGITS)), path


def _num_leaves(kind: pa.DataType) -> int:
    """Return how many columns Parquet makes of a type."""
    if pa.types.is_dictionary(kind) or kind.num_fields == 0:
        return 1
    return sum(_num_leaves(kind.field(number).type) for number in range(kind.num_fields))
