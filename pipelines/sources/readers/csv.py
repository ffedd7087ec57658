"""Tables of text with a header row: CSV and TSV, plain, gzip or bzip2."""

import csv
from collections.abc import Iterator
from pathlib import Path

from byline.catalog.corpora.records import Evidence, ImageRecord, Row, UnreadableRow
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import SourceError
from byline.pipelines.sources.readers.files import MAX_LINE_BYTES, lines_of
from byline.pipelines.sources.readers.names import field_of
from byline.pipelines.sources.readers.options import AS_IT_IS, ReadOptions
from byline.pipelines.sources.readers.rows import in_file, read_row
from byline.pipelines.sources.readers.tables import Columns, columns_of, record_of, tables_at

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
PACKED = ("", ".gz", ".bz2")
SUFFIXES = tuple(f"{name}{packed}" for name in DELIMITERS for packed in PACKED)
OTHER_MARKS = (";", "\t", ",", "|")
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_csv(path: str, source: str, options: ReadOptions = AS_IT_IS) -> Iterator[Row]:
    """Yield a record for every row, in the file's order; empty lines are no rows.

    A row's place is its first line: a quoted text may have several. A row that is not UTF-8 is unreadable.
    """
    for file in tables_at(path, SUFFIXES):
        yield from in_file(_read_file(file, source, options), file, of=path)


def names_in(path: str, options: ReadOptions = AS_IT_IS) -> list[str]:
    """Return the names of the columns of a file. Raises `SourceError` when they cannot be read."""
    lines = _Lines(path)
    return _header(csv.reader(lines, delimiter=_delimiter(path), strict=True), lines, path, options)


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
        return line.decode("utf-8-sig" if self.number == 1 else "utf-8", errors="surrogateescape")

    def start(self) -> int:
        """Begin a row, and return the number of its first line."""
        self.taken.clear()
        self._taken_bytes = 0
        return self.number + 1


def _read_file(path: str, source: str, options: ReadOptions) -> Iterator[Row]:
    lines = _Lines(path)
    reader = csv.reader(lines, delimiter=_delimiter(path), strict=True)
    header = _header(reader, lines, path, options)
    columns = columns_of(header, options, path)
    while True:
        first = lines.start()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # of a text whose quotes do not end, it has all the lines
            place = f"line {first}" if first == lines.number else f"lines {first} to {lines.number}"
            yield UnreadableRow(place=place, problem=str(error))
            continue
        if fields:
            row = b"".join(lines.taken).rstrip(b"\r\n")
            yield _read_row(fields, row, header, columns, path, source, f"line {first}")


def _delimiter(path: str) -> str:
    name = Path(path).name.lower().removesuffix(".gz").removesuffix(".bz2")
    delimiter = DELIMITERS.get(Path(name).suffix)
    if delimiter is None:
        raise SourceError(f"{path} ends in none of {', '.join(SUFFIXES)}, so what is between its columns is not known")
    return delimiter


def _header(reader: Iterator[list[str]], lines: _Lines, path: str, options: ReadOptions) -> list[str]:
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
    if mark := _other_mark(header, lines.taken[0], options):
        raise SourceError(
            f"{path} has {mark!r} between its columns, its name says {_delimiter(path)!r}; save it with that, "
            "or give it the name of what it is (.csv, .tsv)"
        )
    return [name.strip() for name in header]


def _other_mark(header: list[str], line: bytes, options: ReadOptions) -> str | None:
    """Return what is between the columns of a header instead: where it is one name, or where only so it has URLs."""
    marks = [mark for mark in OTHER_MARKS if mark.encode() in line]
    if len(header) == 1 and header[0] not in options.columns.values():
        return next(iter(mark for mark in marks if mark in header[0]), None)
    if options.columns.get("url") in header or "url" in map(field_of, header):
        return None
    names = {mark: line.decode(errors="replace").split(mark) for mark in marks}
    return next((mark for mark in marks if "url" in (field_of(name.strip(' "\r\n')) for name in names[mark])), None)


def _read_row(
    fields: list[str], row: bytes, header: list[str], columns: Columns, path: str, source: str, place: str
) -> Row:
    if len(fields) != len(header):
        return UnreadableRow(place=place, problem=f"{len(fields)} columns; expected {len(header)}")

    def read() -> ImageRecord:
        try:
            row.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"not UTF-8: {error}") from error
        said = dict(zip(header, fields, strict=True))
        retrieved_at = said[columns.fields["retrieved_at"]] if "retrieved_at" in columns.fields else None
        evidence = Evidence(file=path, place=place, sha256=sha256_hex(row), retrieved_at=retrieved_at or None)
        return record_of(said, columns, source, evidence)

    return read_row(read, place=place)
