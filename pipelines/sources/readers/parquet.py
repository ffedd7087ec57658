"""Tables in Parquet, as LAION and DataComp publish them: one file, or the parts in a folder or of a glob."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from byline.catalog.corpora.records import Evidence, ImageRecord, Row, UnreadableRow
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import ColumnError, SourceError
from byline.pipelines.sources.readers.options import AS_IT_IS, ReadOptions
from byline.pipelines.sources.readers.parquet_bounds import MAX_ROW_BYTES, bounded_batches, bytes_of, spelled_out
from byline.pipelines.sources.readers.rows import in_file, read_row
from byline.pipelines.sources.readers.tables import Columns, columns_of, record_of, tables_at
from byline.pipelines.sources.readers.values import row_json

BATCH_ROWS = 4096
BUFFER_BYTES = 1 << 20
"""Read ahead of each column: a row group may be larger than the memory."""


def read_parquet(path: str, source: str, options: ReadOptions = AS_IT_IS) -> Iterator[Row]:
    """Yield a record for every row, file after file in the order of their names."""
    for file in tables_at(path, (".parquet",)):
        yield from in_file(_read_file(file, source, options), file, of=path)


def names_in(path: str) -> list[str]:
    """Return the names of the columns of a file. Raises `SourceError` when they cannot be read."""
    with _readable(path, lambda: 0), pq.ParquetFile(path) as parquet:
        return list(parquet.schema_arrow.names)


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


def _read_file(path: str, source: str, options: ReadOptions) -> Iterator[Row]:
    number = 0
    with (
        _readable(path, lambda: number),
        pq.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False) as parquet,
    ):
        columns = columns_of(parquet.schema_arrow.names, options, path)
        _check_urls(parquet.schema_arrow.field(columns.fields["url"]), path)
        for batch in bounded_batches(parquet, path, BATCH_ROWS):
            for row in rows_of(without_times(batch, path)):
                number += 1
                yield _read_row(row, columns, path, source, f"row {number}")


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


def rows_of(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | str]:
    """Yield each row, or why it cannot be had: too much of it, text that is not UTF-8, a number that Python has not."""
    num_bytes = bytes_of(batch)
    if num_bytes > MAX_ROW_BYTES:
        if len(batch) == 1:
            yield f"{num_bytes:,} bytes; a row has at most {MAX_ROW_BYTES:,}"
        else:
            for half in (batch.slice(0, len(batch) // 2), batch.slice(len(batch) // 2)):
                yield from rows_of(half)
        return
    try:
        yield from spelled_out(batch).to_pylist()
    except (ValueError, OverflowError, ArithmeticError) as error:
        if len(batch) == 1:
            yield str(error).split("\n")[0][:200]
        else:
            for index in range(len(batch)):
                yield from rows_of(batch.slice(index, 1))


def _read_row(row: dict[str, Any] | str, columns: Columns, path: str, source: str, place: str) -> Row:
    if isinstance(row, str):
        return UnreadableRow(place=place, problem=row)

    def read() -> ImageRecord:
        evidence = Evidence(file=path, place=place, sha256=row_digest(row), retrieved_at=_retrieved(row, columns))
        return record_of(row, columns, source, evidence)

    return read_row(read, place=place)


def _retrieved(row: dict[str, Any], columns: Columns) -> str | None:
    return str(row[columns.fields["retrieved_at"]] or "") or None if "retrieved_at" in columns.fields else None


def row_digest(row: dict[str, Any]) -> str:
    """Return the SHA-256 of all columns of a row as JSON with sorted keys and no spaces, bytes in hex."""
    return sha256_hex(row_json(row).encode(errors="surrogatepass"))
