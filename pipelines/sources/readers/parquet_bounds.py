"""Parquet files in bounded memory, whatever they claim: a file of a kilobyte may hold a gigabyte in one cell.

A page is in memory whole, so the sizes in the headers of all pages are looked at before any is unpacked. Text that
recurs is read as a dictionary, in lists too, so that a thousand rows of one long text, or a row that lists it so often,
are it once, until `bytes_of` has told how much they would be.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from byline.catalog.errors import SourceError

MAX_PAGES_BYTES = 1 << 27
"""Size of the largest page of every column of a row group together: they are in memory at once, and several times while
text is made of them. A page has a megabyte with most writers, a few dozen with some."""
MAX_ROW_BYTES = 1 << 25
"""Largest row; pictures may be in it."""
MAX_INSIDE_BYTES = 1 << 30
"""Most text in lists and objects that is read at once, if every value were as long as all distinct ones together."""
MAX_LISTED_VALUES = 1 << 26
"""Most values of a column of lists in a row group, since all of them may be of one row: a few bytes can stand for
billions."""
MAX_HEADER_BYTES = 1 << 20
_FIRST_BYTES = 1 << 9
_UNPACKED, _PACKED, _DATA, _DATA_2 = 2, 3, 5, 8
"""Fields of a page's header: its size in memory, and in the file after the header; what begins with how many values a
page of data has, in either of its versions."""


def bounded_batches(
    parquet: pq.ParquetFile, path: str, batch_rows: int, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file in order, text as dictionaries. Raises `SourceError` for pages that are too large."""
    with open(path, "rb") as file:
        batch_rows = _rows_at_once(file, parquet, path, batch_rows)
    texts = _texts(parquet.schema)
    groups: list[int] = list(range(parquet.num_row_groups))
    # of a list's texts pyarrow makes dictionaries in one row group only
    together = [[group] for group in groups] if any("." in text for text in texts) else [groups]
    with pq.ParquetFile(path, read_dictionary=texts, buffer_size=1 << 20, pre_buffer=False) as dictionaries:
        for read in together:
            yield from dictionaries.iter_batches(batch_rows, row_groups=read, columns=columns, use_threads=False)


def bytes_of(array: pa.Array | pa.RecordBatch) -> int:
    """Return how much the values of rows are when each is spelled out."""
    if isinstance(array, pa.RecordBatch):
        return sum(map(bytes_of, array.columns))
    kind = array.type
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):  # of which `nbytes` counts what others share
        return bytes_of(array.cast(pa.large_binary()))
    if pa.types.is_dictionary(kind):
        sizes = pc.binary_length(array.dictionary) if _is_text(kind.value_type) else None
        return array.nbytes if sizes is None else pc.sum(sizes.take(array.indices).cast(pa.int64())).as_py() or 0
    if _is_text(kind):
        return pc.sum(pc.binary_length(array).cast(pa.int64())).as_py() or 0
    if pa.types.is_struct(kind):
        return sum(map(bytes_of, array.flatten()))
    if pa.types.is_map(kind):
        return sum(bytes_of(child.slice(*_span(array))) for child in (array.keys, array.items))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return bytes_of(array.flatten()) + 8 * len(array)
    return int(array.nbytes)


def spelled_out(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows without dictionaries, of which Python's values are made slowly."""
    columns = [
        column.cast(plain) if (plain := _plain(column.type)) != column.type else column for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return a type without dictionaries, in it neither."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(
            kind.key_field.with_type(_plain(kind.key_type)), kind.item_field.with_type(_plain(kind.item_type))
        )
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_plain(kind.value_type)))
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_plain(kind.value_type)))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_plain(kind.value_type)), kind.list_size)
    return kind


def _span(array: pa.MapArray) -> tuple[int, int]:
    offsets = array.offsets
    start, stop = offsets[0].as_py(), offsets[len(array)].as_py()
    return start, stop - start


def _is_text(kind: pa.DataType) -> bool:
    is_binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return bool(is_binary or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _texts(schema: pq.ParquetSchema) -> list[str]:
    """Return the columns of text of which a row, or many rows, may have one value many times.

    Not what lies in objects alone, which may be pictures: of that a row has one value.
    """
    columns = (schema.column(number) for number in range(len(schema)))
    texts = (
        column for column in columns if column.physical_type == "BYTE_ARRAY" and column.logical_type.type != "DECIMAL"
    )
    return [column.path for column in texts if "." not in column.path or column.max_repetition_level]


def _rows_at_once(file: IO[bytes], parquet: pq.ParquetFile, path: str, batch_rows: int) -> int:
    """Return how many rows to read at once. Raises `SourceError` for pages, or lists, that are too large."""
    end = os.fstat(file.fileno()).st_size
    for number in range(parquet.metadata.num_row_groups):
        group, num_bytes = parquet.metadata.row_group(number), 0
        for index in range(group.num_columns):
            column, is_list = group.column(index), parquet.schema.column(index).max_repetition_level > 0
            pages = list(_pages(file, column, end))
            first, largest = (pages[0].num_bytes, max(page.num_bytes for page in pages)) if pages else (0, 0)
            num_bytes += largest
            name = f"column {column.path_in_schema!r:.60}"
            if num_bytes > MAX_PAGES_BYTES:
                raise SourceError(
                    f"{path}: a page of {name} becomes {largest:,} bytes, and at most "
                    f"{MAX_PAGES_BYTES:,} of a row group are in memory; write it anew with smaller pages or values"
                )
            if is_list and (num_values := sum(page.num_values for page in pages)) > MAX_LISTED_VALUES:
                raise SourceError(
                    f"{path}: {name} lists {num_values:,} values in a row group, and at most "
                    f"{MAX_LISTED_VALUES:,} are in memory; write it anew with smaller row groups"
                )
            if not is_list and "." in column.path_in_schema and column.dictionary_page_offset and first:
                most = MAX_INSIDE_BYTES // first
                batch_rows = max(1, min(batch_rows, most))
    return batch_rows


@dataclass(frozen=True, slots=True)
class _Page:
    num_bytes: int
    """Size of the page once it is unpacked, in bytes."""
    num_values: int
    """Number of its values; nulls and empty lists count."""


def _pages(file: IO[bytes], column: pq.ColumnChunkMetaData, end: int) -> Iterator[_Page]:
    """Yield the pages of a column, until its end or one that cannot be read; that is told when it is unpacked."""
    offsets = (column.dictionary_page_offset, column.data_page_offset)
    at = min((offset for offset in offsets if offset and offset > 0), default=end)
    stop = min(at + column.total_compressed_size, end)
    while at < stop:
        header = _header_at(file, at)
        if header is None:
            yield _Page(column.total_uncompressed_size, column.num_values)  # as if it were one
            return
        length, packed, page = header
        yield page
        at += length + packed


def _header_at(file: IO[bytes], at: int) -> tuple[int, int, _Page] | None:
    """Return the length of a page's header, that of the page in the file, and the page; none where there is none."""
    num_bytes = _FIRST_BYTES
    while num_bytes <= MAX_HEADER_BYTES:
        file.seek(at)
        reader = _Thrift(file.read(num_bytes))
        try:
            sizes = reader.numbers_of_struct()
        except IndexError:  # longer than what was read
            num_bytes *= 8
            continue
        except ValueError:
            return None
        unpacked, packed = sizes.get(_UNPACKED, -1), sizes.get(_PACKED, -1)
        num_values = max(sizes.get(_DATA, 0), sizes.get(_DATA_2, 0))
        return (reader.at, packed, _Page(unpacked, num_values)) if unpacked >= 0 and packed >= 0 else None
    return None


class _Thrift:
    """Reads Thrift's compact protocol as far as headers of pages need: numbers, the rest passed over."""

    MAX_DEPTH = 8

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def numbers_of_struct(self, depth: int = 0) -> dict[int, int]:
        """Return field -> number of the struct that comes next; of a struct in it the number that it begins with.

        Raises `ValueError`, or `IndexError` at the end.
        """
        if depth > self.MAX_DEPTH:
            raise ValueError("nested too deep")
        numbers, field = {}, 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            field = field + step if step else self._number()
            if kind in (4, 5, 6):
                numbers[field] = self._number()
            elif kind == 12:
                numbers[field] = self.numbers_of_struct(depth + 1).get(1, 0)
            else:
                self._pass(kind)
        return numbers

    def _pass(self, kind: int) -> None:
        if kind == 3:
            self._skip(1)
        elif kind == 7:
            self._skip(8)
        elif kind == 8:
            self._skip(self._varint())
        elif kind not in (1, 2):  # no header of a page has lists or maps
            raise ValueError(f"a field of kind {kind}")

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _varint(self) -> int:
        number = shift = 0
        while (byte := self._byte()) & 128:
            number |= (byte & 127) << shift
            shift += 7
            if shift > 63:
                raise ValueError("a number without end")
        return number | byte << shift

    def _number(self) -> int:
        coded = self._varint()
        return coded >> 1 ^ -(coded & 1)

    def _skip(self, num_bytes: int) -> None:
        self.at += num_bytes
        if self.at > len(self.data):
            raise IndexError
