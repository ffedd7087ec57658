"""Tables in Parquet, as LAION, DataComp and Hugging Face publish them: one file, or the parts in a folder or of a glob.

A table has URLs, or the pictures themselves (`cells`). Folders called `license=CC0` are columns (`partitions`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import has_magic
from pathlib import PurePath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from byline.catalog.corpora.records import Evidence, ImageRecord, Row, UnreadableRow
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import ColumnError, SourceError
from byline.pictures.cells import PictureColumn, rows_at_once
from byline.pipelines.sources.readers.cells import bytes_in, picture_column, told_of_picture
from byline.pipelines.sources.readers.ids import IdCheck
from byline.pipelines.sources.readers.layers import with_picture
from byline.pipelines.sources.readers.names import field_of
from byline.pipelines.sources.readers.nested import names_of, with_nested
from byline.pipelines.sources.readers.options import AS_IT_IS, ReadOptions
from byline.pipelines.sources.readers.parquet_bounds import MAX_ROW_BYTES, bounded_batches, bytes_of, spelled_out
from byline.pipelines.sources.readers.partitions import partition_of, with_partition
from byline.pipelines.sources.readers.rows import in_file, read_row
from byline.pipelines.sources.readers.tables import Columns, Held, columns_of, record_of, tables_at
from byline.pipelines.sources.readers.values import is_empty, row_json

BATCH_ROWS = 4096
BUFFER_BYTES = 1 << 20
"""Bytes that are read ahead of each column: a row group may be larger than the memory."""


def read_parquet(path: str, source: str, options: ReadOptions = AS_IT_IS) -> Iterator[Row]:
    """Yield a record for every row, file after file in the order of their names."""
    check = IdCheck(path)
    for file in tables_at(path, (".parquet",)):
        yield from in_file(_read_file(file, source, options, check, _name_in(path, file)), file, of=path)
    check.end()


def _name_in(path: str, file: str) -> str:
    """Return a name of a file that does not depend on where the source lies."""
    root = PurePath(path)
    while has_magic(str(root)):
        root = root.parent
    return PurePath(file).name if PurePath(file) == root else PurePath(file).relative_to(root).as_posix()


def names_in(path: str) -> list[str]:
    """Return the names of the columns of a file. Raises `SourceError` when they cannot be read."""
    with _readable(path, lambda: 0), pq.ParquetFile(path) as parquet:
        return list(parquet.schema_arrow.names)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What the columns of one file are."""

    names: list[str]
    """Names of all that a row says: of columns, of what lies in them, and of the folders above."""
    columns: Columns
    pictures: PictureColumn | None
    has_nested: bool
    """Whether any column has names in it."""


def layout_in(path: str, options: ReadOptions) -> Layout:
    """Return what the columns of a file are. Raises `SourceError` as reading it would."""
    with _readable(path, lambda: 0), pq.ParquetFile(path) as parquet:
        return _layout(parquet.schema_arrow, options, path)


def _layout(schema: pa.Schema, options: ReadOptions, path: str) -> Layout:
    partition = [name for name in partition_of(path) if name not in schema.names]
    names = [*names_of(schema), *partition]
    kept = set(names) - set(options.ignore_columns)
    has_urls = "url" in options.columns or any(field_of(name) == "url" for name in schema.names if name in kept)
    pictures = picture_column(schema, options, path, has_urls=has_urls)
    columns = columns_of(names, options, path, has_pictures=pictures is not None)
    if (url := columns.fields.get("url")) in schema.names:
        _check_urls(schema.field(url), path)
    has_nested = any(pa.types.is_struct(field.type) for field in schema)
    return Layout(names=names, columns=columns, pictures=pictures, has_nested=has_nested)


@contextmanager
def _readable(path: str, rows_read: Callable[[], int]) -> Iterator[None]:
    """Raise `SourceError` for what is wrong with a file."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} has a column whose name is not UTF-8; give it another") from error
    except (pa.ArrowException, OSError) as error:
        problem, number = str(error).split("\n")[0][:200], rows_read()
        where = f"is damaged after row {number}" if number else "is not a whole Parquet file"
        raise SourceError(f"{path} {where} ({problem}); get the file again") from error


def _read_file(path: str, source: str, options: ReadOptions, check: IdCheck, name: str) -> Iterator[Row]:
    number = 0
    partition = partition_of(path)
    with (
        _readable(path, lambda: number),
        pq.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False) as parquet,
    ):
        layout = _layout(parquet.schema_arrow, options, path)
        reading = _Reading(
            layout=layout, path=path, name=name, source=source, partition=partition, check=check, options=options
        )
        for batch in bounded_batches(parquet, path, rows_at_once(parquet.metadata, layout.pictures)):
            for row in rows_of(without_times(batch, path)):
                number += 1
                yield from reading.rows(row, number)


def _check_urls(field: pa.Field, path: str) -> None:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise ColumnError(f"{path}: column {field.name!r} holds no URLs but {field.type}", "url", "...")


def without_times(batch: pa.RecordBatch, path: str) -> pa.RecordBatch:
    """Return times and dates as text in ISO 8601: Python's own cannot hold all that Arrow's can.

    Raises `SourceError` for those that have no such text.
    """
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            is_time = pa.types.is_temporal(column.type)
            columns.append(pc.replace_substring(column.cast(pa.string()), " ", "T") if is_time else column)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:  # of a time zone that this machine has not
            why = str(error).split("\n")[0]
            raise SourceError(
                f"{path}: column {name!r} of {column.type} cannot be written as text ({why:.120})"
            ) from error
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


@dataclass(frozen=True)
class NotHad:
    """A row that cannot be had, and why: too much of it, text that is not UTF-8, a number that Python has not."""

    why: str


def rows_of(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | NotHad]:
    """Yield each row, or why it cannot be had: too much of it, text that is not UTF-8, a number that Python has not."""
    num_bytes = bytes_of(batch)
    if num_bytes > MAX_ROW_BYTES:
        if len(batch) == 1:
            yield NotHad(f"{num_bytes:,} bytes; a row has at most {MAX_ROW_BYTES:,}")
        else:
            for half in (batch.slice(0, len(batch) // 2), batch.slice(len(batch) // 2)):
                yield from rows_of(half)
        return
    try:
        yield from spelled_out(batch).to_pylist()
    except (ValueError, OverflowError, ArithmeticError) as error:
        if len(batch) == 1:
            yield NotHad(str(error).split("\n")[0][:200])
        else:
            for index in range(len(batch)):
                yield from rows_of(batch.slice(index, 1))


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """One file that is being read."""

    layout: Layout
    path: str
    name: str
    source: str
    partition: dict[str, str]
    check: IdCheck
    options: ReadOptions

    def rows(self, row: dict[str, Any] | NotHad, number: int) -> Iterator[Row]:
        """Yield what a row makes, and what its picture says of itself and cannot be read."""
        place = f"row {number}"
        if isinstance(row, NotHad):
            yield UnreadableRow(place=place, problem=row.why)
            return
        pictures, held, data = self.layout.pictures, None, None
        if pictures is not None:
            data = bytes_in(row[pictures.name])
            stated_picture = told_of_picture(row[pictures.name])
            held = (
                Held(name=f"{self.name}#{number}", place=pictures.held(self.path, number - 1))
                if stated_picture
                else None
            )
            row = {**row, pictures.name: stated_picture}
        values = with_nested(row) if self.layout.has_nested else row
        self.check.add(values, self.layout.columns)
        record = read_row(lambda: self._record(row, values, held, place), place=place)
        yield from with_picture(record, data, self.options, place)

    def _record(self, row: dict[str, Any], values: dict[str, Any], held: Held | None, place: str) -> ImageRecord:
        values, columns = with_partition(values, self.partition), self.layout.columns
        if held is None and is_empty(values.get(columns.fields.get("url", ""))) and self.layout.pictures is not None:
            raise ValueError(f"no picture in {self.layout.pictures.name!r:.60}: its bytes are not in the file")
        at = _retrieved(values, columns)
        evidence = Evidence(file=self.path, place=place, sha256=row_digest(row), retrieved_at=at)
        return record_of(values, columns, self.source, evidence, held=held)


def _retrieved(row: dict[str, Any], columns: Columns) -> str | None:
    return str(row[columns.fields["retrieved_at"]] or "") or None if "retrieved_at" in columns.fields else None


def row_digest(row: dict[str, Any]) -> str:
    """Return the SHA-256 of all columns of a row as JSON with sorted keys and no spaces, bytes in hex.

    A picture is not among them as bytes: `cells.told_of_picture` stands for it.
    """
    return sha256_hex(row_json(row).encode(errors="surrogatepass"))
