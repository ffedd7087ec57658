"""How a table of text is written: what is between its columns, and whether `"` wraps texts. Told, or as a config says.

What is between columns is told by the header: with it there is a column of URLs. A quote wraps texts, as in RFC 4180,
unless more lines would be lost by that than by taking it for a letter, as Conceptual Captions and others write it.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from byline.catalog.errors import SourceError
from byline.pipelines.sources.readers.files import lines_of
from byline.pipelines.sources.readers.names import field_of
from byline.pipelines.sources.readers.options import ReadOptions

if TYPE_CHECKING:
    import _csv

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
PACKED = ("", ".gz", ".bz2")
SUFFIXES = tuple(f"{name}{packed}" for name in DELIMITERS for packed in PACKED)
MARKS = (";", "\t", ",", "|")
LINES_TOLD_BY = 1_000_000
"""Lines from which it is told how quotes are meant. A quote that comes later, and only there, is one that wraps."""
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How one file is written."""

    delimiter: str
    is_quoted: bool
    header: list[str] | None = None
    """Names that the config gives to the columns of a file without a header row."""

    def reader(self, lines: Iterable[str]) -> "_csv.Reader":
        """Yield the fields of each row. Raises `csv.Error` for one that is not written so."""
        if self.is_quoted:
            return csv.reader(lines, delimiter=self.delimiter, strict=True)
        return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, strict=True)


def dialect_of(path: str, options: ReadOptions) -> Dialect:
    """Return how a file is written. Raises `SourceError` where nothing tells what is between its columns."""
    first = next(lines_of(path), b"")
    delimiter = _delimiter(path, first, options) if options.delimiter == "told" else options.delimiter
    header = list(options.column_names) if options.column_names else None
    if options.quoting == "told":
        is_quoted = quotes_wrap(path, delimiter, header or fields_of(first, delimiter), has_header=header is None)
    else:
        is_quoted = options.quoting == "double"
    return Dialect(delimiter=delimiter, is_quoted=is_quoted, header=header)


def text_of_line(line: bytes, *, is_first: bool) -> str:
    """Return a line as text; bytes that are no UTF-8 come back when it is encoded again."""
    return line.decode("utf-8-sig" if is_first else "utf-8", errors="surrogateescape")


def _delimiter(path: str, first: bytes, options: ReadOptions) -> str:
    """Return the mark that the name of a file says, or another one with which alone its header has URLs."""
    name = Path(path).name.lower().removesuffix(".gz").removesuffix(".bz2")
    named = DELIMITERS.get(Path(name).suffix)
    if named is None:
        raise SourceError(
            f"{path} ends in none of {', '.join(SUFFIXES)}, so what is between its columns is not known; "
            'give it such a name, or say delimiter = "," in the config'
        )
    if options.column_names:
        width = len(options.column_names)
        fits = [mark for mark in (named, *MARKS) if len(fields_of(first, mark)) == width]
        return next(iter(fits), named)
    return next((mark for mark in (named, *MARKS) if _has_urls(fields_of(first, mark), options)), named)


def fields_of(line: bytes, mark: str) -> list[str]:
    """Return what is between the marks of the first line of a file."""
    try:
        return next(csv.reader([text_of_line(line, is_first=True)], delimiter=mark, strict=True), [])
    except csv.Error:
        return text_of_line(line, is_first=True).rstrip("\r\n").split(mark)


def _has_urls(names: Sequence[str], options: ReadOptions) -> bool:
    header = [name.strip() for name in names]
    return options.columns["url"] in header if "url" in options.columns else "url" in map(field_of, header)


def quotes_wrap(path: str, delimiter: str, names: Sequence[str], *, has_header: bool) -> bool:
    """Tell whether quotes wrap texts: unless the rows that are lost so are more than those that would be otherwise."""
    if has_header and b'"' in next(lines_of(path), b""):
        return True
    lines = _Counted(islice(lines_of(path), LINES_TOLD_BY))
    width, mark, lost_plain, lost_quoted = len(names), delimiter.encode(), 0, 0
    fields: list[str] | None
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.taken.clear()
        try:
            fields = next(reader)
        except StopIteration:
            return lost_quoted <= lost_plain
        except csv.Error:
            fields = None
        rows = [line for line in lines.taken if line.strip()]
        wrong = sum(line.count(mark) + 1 != width for line in rows)
        if fields is None:
            lost_quoted, lost_plain = lost_quoted + len(rows), lost_plain + wrong
        else:  # what is wrapped as it should be, and would be read otherwise without
            is_meant = len(rows) > 1 or any(b'""' in line for line in rows)
            lost_quoted += len(fields) not in (0, width)
            lost_plain += max(wrong, len(rows) if is_meant else 0)


class _Counted:
    """Lines as text, and those that were taken as bytes."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self.taken: list[bytes] = []
        self._lines = lines
        self._is_first = True

    def __iter__(self) -> "_Counted":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.taken.append(line)
        is_first, self._is_first = self._is_first, False
        return text_of_line(line, is_first=is_first)
