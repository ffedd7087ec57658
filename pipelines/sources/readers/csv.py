"""Tables of text: CSV and TSV, plain, gzip or bzip2. How one is written `dialects` tells, or the config says."""

import csv
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from byline.catalog.corpora.records import Evidence, ImageRecord, Row, UnreadableRow
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import HeaderError, SourceError
from byline.pipelines.sources.readers.dialects import (
    MARKS,
    SUFFIXES,
    UTF_16,
    Dialect,
    dialect_of,
    fields_of,
    text_of_line,
)
from byline.pipelines.sources.readers.files import MAX_LINE_BYTES, lines_of
from byline.pipelines.sources.readers.ids import IdCheck
from byline.pipelines.sources.readers.options import AS_IT_IS, ReadOptions
from byline.pipelines.sources.readers.partitions import partition_of, with_partition
from byline.pipelines.sources.readers.rows import in_file, read_row
from byline.pipelines.sources.readers.tables import Columns, columns_of, record_of, tables_at

__all__ = ["SUFFIXES", "names_in", "read_csv"]
_URL = re.compile(r"(?i)https?://")


def read_csv(path: str, source: str, options: ReadOptions = AS_IT_IS) -> Iterator[Row]:
    """Yield a record for every row, in the file's order; empty lines are no rows.

    A row's place is its first line: a quoted text may have several. A row that is not UTF-8 is unreadable.
    """
    check = IdCheck(path)
    for file in tables_at(path, SUFFIXES):
        yield from in_file(_read_file(file, source, options, check), file, of=path)
    check.end()


def names_in(path: str, options: ReadOptions = AS_IT_IS) -> list[str]:
    """Return the names of the columns of a file, and of folders. Raises `SourceError` when they cannot be read."""
    lines = _Lines(path)
    dialect = dialect_of(path, options)
    return [*_header(dialect.reader(lines), lines, path, dialect), *partition_of(path)]


class _Lines:
    """The lines of a file as text, and those that were taken since the last `start`."""

    def __init__(self, path: str) -> None:
        self.number = 0
        self.taken: list[bytes] = []
        self._taken_bytes = 0
        self._lines = lines_of(path)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        self.taken.append(line)
        self._taken_bytes += len(line)
        if self._taken_bytes > MAX_LINE_BYTES:
            raise csv.Error(f"longer than {MAX_LINE_BYTES} bytes")
        return text_of_line(line, is_first=self.number == 1)

    def start(self) -> int:
        """Begin a row, and return the number of its first line."""
        self.taken.clear()
        self._taken_bytes = 0
        return self.number + 1


def _read_file(path: str, source: str, options: ReadOptions, check: IdCheck) -> Iterator[Row]:
    lines, dialect, partition = _Lines(path), dialect_of(path, options), partition_of(path)
    reader = dialect.reader(lines)
    header = _header(reader, lines, path, dialect)
    columns = columns_of([*header, *(name for name in partition if name not in header)], options, path)
    while True:
        first = lines.start()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # of a text whose quotes do not end, it has all the lines
            place = f"line {first}" if first == lines.number else f"lines {first} to {lines.number}"
            yield UnreadableRow(place=place, problem=f'{error}; if quotes are letters here, say quoting = "none"')
            continue
        if not fields:
            continue
        place, line = f"line {first}", b"".join(lines.taken).rstrip(b"\r\n")
        if len(fields) != len(header):
            yield UnreadableRow(place=place, problem=f"{len(fields)} columns; expected {len(header)}")
            continue
        row = dict(zip(header, fields, strict=True))
        check.add(row, columns)
        yield read_row(partial(_record, row, line, columns, path, source, place, partition), place=place)


def _header(reader: Iterator[list[str]], lines: _Lines, path: str, dialect: Dialect) -> list[str]:
    if dialect.header is not None:
        return dialect.header
    try:
        header = next(reader, [])
        "".join(header).encode()
    except (csv.Error, UnicodeEncodeError) as error:
        if isinstance(error, csv.Error) and b"\r" in lines.taken[0].rstrip(b"\r\n"):
            raise SourceError(f"the lines of {path} end in CR alone; save it with LF or CR LF") from error
        hint = "save it as UTF-8" if lines.taken[0].startswith(UTF_16) or isinstance(error, ValueError) else str(error)
        raise SourceError(f"the header row of {path} cannot be read: {hint}") from error
    if not header:
        raise SourceError(f"{path} has no header row; its first line must name the columns")
    if wanted := _names_wanted(lines.taken[0], dialect.delimiter):
        raise HeaderError(f"{path} has no header row, its first line holds a URL", wanted)
    return [name.strip() for name in header]


def _names_wanted(line: bytes, delimiter: str) -> list[str]:
    """Return the names that a config should give to columns whose first line is a row already, none of a header."""
    for mark in (delimiter, *MARKS):
        is_url = [_URL.match(field.strip()) is not None for field in fields_of(line, mark)]
        if any(is_url):
            return ["url" if matches else "..." for matches in is_url[:20]]
    return []


def _record(
    row: dict[str, Any], line: bytes, columns: Columns, path: str, source: str, place: str, partition: dict[str, str]
) -> ImageRecord:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: {error}") from error
    values = with_partition(row, partition)
    retrieved_at = values[columns.fields["retrieved_at"]] if "retrieved_at" in columns.fields else None
    evidence = Evidence(file=path, place=place, sha256=sha256_hex(line), retrieved_at=retrieved_at or None)
    return record_of(values, columns, source, evidence)
