"""What stands beside the pictures of a folder: a JSON file or a caption for one of them, or one table of all."""

import csv
import json
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from byline.catalog.corpora.records import UnreadableRow
from byline.catalog.errors import SourceError
from byline.pipelines.sources.readers.dialects import Dialect, fields_of, quotes_wrap
from byline.pipelines.sources.readers.files import MAX_LINE_BYTES, lines_of
from byline.pipelines.sources.readers.layers import Layer
from byline.pipelines.sources.readers.names import AmbiguousNameError, file_name_of
from byline.pipelines.sources.readers.parquet import BATCH_ROWS, NotHad, rows_of, without_times
from byline.pipelines.sources.readers.parquet_bounds import bounded_batches
from byline.pipelines.sources.readers.tables import told_of

TABLES = ("metadata.csv", "metadata.tsv", "metadata.jsonl", "metadata.json", "metadata.parquet")
SIDECAR = ".json"
CAPTIONS = (".txt", ".caption")
"""Suffixes of files that hold the caption of the picture beside them, and nothing else."""
MAX_SIDECAR_BYTES = 1 << 20
MAX_LIST_BYTES = 1 << 28
"""Largest table that is one list of JSON, which is in memory whole."""
DELIMITERS = {".csv": (",", ";", "\t"), ".tsv": ("\t",)}
"""What may be between columns: the first with which there is a column of file names."""


@dataclass
class Table:
    """The rows of a table by the picture that they are of. It is in memory whole: about 1 KB a row."""

    below: str = ""
    """The folder of the table, from that of the source, with `/` at its end."""
    rows: dict[str, tuple[str, Layer]] = field(default_factory=dict)
    """Path of a picture below the folder of the table, with `/` -> place in the table, and what it says."""
    unreadable: list[UnreadableRow] = field(default_factory=list)

    def take(self, picture: str, beside: Collection[str] = ()) -> tuple[str, Layer] | None:
        """Return the row of a picture, once; one that names it in another case only where it can mean no other.

        `picture` is its path in the source, `beside` are the names of all files in its folder.
        """
        if not picture.startswith(self.below):
            return None
        key = _key(picture.removeprefix(self.below))
        if key in self.rows:
            return self.rows.pop(key)
        folder, slash, name = key.rpartition("/")
        alike = [other for other in beside if _key(other).casefold() == name.casefold()]
        named = self._by_case.get(key.casefold(), ()) if len(alike) == 1 else ()
        wanted = [
            row_key for row_key in named if row_key in self.rows and row_key.rpartition("/")[:2] == (folder, slash)
        ]
        return self.rows.pop(wanted[0]) if len(wanted) == 1 else None

    @cached_property
    def _by_case(self) -> dict[str, list[str]]:
        keys_by_case: dict[str, list[str]] = {}
        for key in self.rows:
            keys_by_case.setdefault(key.casefold(), []).append(key)
        return keys_by_case

    def left(self) -> Iterator[UnreadableRow]:
        """Yield the rows of which there was no picture."""
        for picture, (place, _) in self.rows.items():
            yield UnreadableRow(place=place, problem=f"no picture at {picture!r:.120}")


def called_otherwise(name: str) -> str | None:
    """Return what a file should be called to be the table of its folder; none where it is no table by its name."""
    suffix = PurePosixPath(name).suffix.lower()
    return next((table for table in TABLES if table.endswith(suffix)), None) if suffix and name not in TABLES else None


def tables_of(names: Sequence[str]) -> list[str]:
    """Return which of the files of a folder are tables. `metadata.json` beside a picture `metadata.jpg` is its own."""
    stems = [name.rpartition(".")[0] for name in names if name not in TABLES]
    return [name for name in TABLES if name in names and not (name.endswith(SIDECAR) and "metadata" in stems)]


def captions_beside(names: Sequence[str]) -> dict[str, str]:
    """Return name of a picture without its suffix -> the file that holds its caption."""
    others = [name for name in names if not name.lower().endswith((*CAPTIONS, SIDECAR))]
    stems = {name.rpartition(".")[0] or name for name in others}
    captions = ((name.rpartition(".")[0], name) for name in names if name.lower().endswith(CAPTIONS))
    return {stem: name for stem, name in captions if stem in stems}


def read_table(root: Path, below: str = "") -> Table:
    """Return the table of a folder, empty when there is none. Raises `SourceError` for two, and for one of no use."""
    table = Table(below=below)
    for place, row in table_rows(root / below, table):
        _add(table, place, row)
    return table


def table_rows(folder: Path, table: Table) -> Iterator[tuple[str, Layer]]:
    """Yield place and content of the rows of a folder's table; what is unreadable goes into `table`."""
    paths = [folder / name for name in tables_of([file.name for file in folder.iterdir() if file.is_file()])]
    if len(paths) > 1:
        raise SourceError(f"{folder} has both {' and '.join(path.name for path in paths)}; keep one")
    readers = {".csv": _csv_rows, ".tsv": _csv_rows, ".jsonl": _json_rows, ".json": _list_rows}
    for path in paths:
        if path.is_symlink():
            raise SourceError(f"{path} is a link; put the table itself there")
        yield from readers.get(path.suffix, _parquet_rows)(path, table)


def _add(table: Table, place: str, row: Layer) -> None:
    paths = {name: path for name, value in row.items() if isinstance(path := _path_in(value), str)}
    named = file_name_of(paths)
    name = paths[named].strip() if named is not None else ""
    if not name:
        table.unreadable.append(UnreadableRow(place=place, problem="no file_name"))
        return
    picture = str(PurePosixPath(name.replace("\\", "/")))  # only ever looked up: what leads out finds nothing
    if (key := _key(picture)) in table.rows:
        table.unreadable.append(UnreadableRow(place=place, problem=f"{picture!r:.120} came before"))
        return
    table.rows[key] = (place, {key: value for key, value in row.items() if key != named})


def _path_in(value: Any) -> Any:
    """Return the path of a picture that is an object, as Hugging Face's libraries write it; anything else as it is."""
    return value.get("path") if isinstance(value, Mapping) else value


def _key(picture: str) -> str:
    """Return a path as it is looked up: in one normal form, of which file systems keep several."""
    return unicodedata.normalize("NFC", picture)


def _csv_rows(path: Path, table: Table) -> Iterator[tuple[str, Layer]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            delimiter = _delimiter(file.readline(MAX_LINE_BYTES), DELIMITERS[path.suffix])
            file.seek(0)
            reader = Dialect(delimiter=delimiter, is_quoted=_quotes_wrap(path, delimiter)).reader(_bounded(file))
            header = [name.strip() for name in next(reader, [])]
            _check_header(header, path)
            before = reader.line_num
            for fields in reader:
                place, before = f"{table.below}{path.name} line {before + 1}", reader.line_num  # of its first line
                if len(fields) == len(header):
                    yield place, dict(zip(header, fields, strict=True))
                elif fields:
                    problem = f"{len(fields)} columns; expected {len(header)}"
                    table.unreadable.append(UnreadableRow(place=place, problem=problem))
    except (csv.Error, UnicodeDecodeError) as error:
        raise SourceError(
            f"{path} cannot be read: {str(error).splitlines()[0]:.120}; save it as CSV in UTF-8"
        ) from error


def _bounded(file: TextIO) -> Iterator[str]:
    """Yield the lines of a file. Raises `csv.Error` for one that is not held in memory."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise csv.Error(f"a line is longer than {MAX_LINE_BYTES:,} characters")
        yield line


def _quotes_wrap(path: Path, delimiter: str) -> bool:
    first = next(lines_of(str(path)), b"")
    return quotes_wrap(str(path), delimiter, fields_of(first, delimiter), has_header=True)


def _delimiter(line: str, delimiters: Sequence[str]) -> str:
    fitting = (
        delimiter for delimiter in delimiters if _file_name(name.strip(' "\r\n') for name in line.split(delimiter))
    )
    return next(fitting, delimiters[0])


def _file_name(names: Iterable[str]) -> str | None:
    try:
        return file_name_of(names)
    except AmbiguousNameError:
        return None


def _check_header(header: Sequence[str], path: Path) -> None:
    if _file_name(header) is None or len(set(header)) < len(header):
        raise SourceError(f"{path} needs a column 'file_name', and each name once; {told_of(header)}")


def _parquet_rows(path: Path, table: Table) -> Iterator[tuple[str, Layer]]:
    number = 0
    try:
        with pq.ParquetFile(path) as parquet:
            _check_header(parquet.schema_arrow.names, path)
            for batch in bounded_batches(parquet, str(path), BATCH_ROWS):
                for row in rows_of(without_times(batch, str(path))):
                    number += 1
                    place = f"{table.below}{path.name} row {number}"
                    if isinstance(row, NotHad):
                        table.unreadable.append(UnreadableRow(place=place, problem=row.why))
                    else:
                        yield place, row
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is not a whole Parquet file ({str(error).splitlines()[0]:.120})") from error


def _list_rows(path: Path, table: Table) -> Iterator[tuple[str, Layer]]:
    if path.stat().st_size > MAX_LIST_BYTES:
        raise SourceError(f"{path} has more than {MAX_LIST_BYTES:,} bytes; save it as metadata.jsonl, an object a line")
    try:
        rows = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} is not JSON: {str(error).splitlines()[0]:.120}") from error
    if not isinstance(rows, list):  # as of an album of Google Takeout
        problem = "no list of objects, each with a file_name"
        table.unreadable.append(UnreadableRow(place=f"{table.below}{path.name}", problem=problem))
        return
    for number, row in enumerate(rows, start=1):
        place = f"{table.below}{path.name} row {number}"
        if isinstance(row, dict):
            yield place, row
        else:
            table.unreadable.append(UnreadableRow(place=place, problem="no JSON object"))


def _json_rows(path: Path, table: Table) -> Iterator[tuple[str, Layer]]:
    for number, line in enumerate(lines_of(str(path)), start=1):
        place = f"{table.below}{path.name} line {number}"
        if not line.strip():
            continue
        try:
            if len(line) >= MAX_LINE_BYTES:
                raise ValueError(f"longer than {MAX_LINE_BYTES} bytes")
            yield place, _object_in(line)
        except ValueError as error:
            table.unreadable.append(UnreadableRow(place=place, problem=str(error)[:200]))


def read_sidecar(data: bytes) -> Layer:
    """Return what a sidecar says. Raises `ValueError` when it is no JSON object."""
    if len(data) > MAX_SIDECAR_BYTES:
        raise ValueError(f"it has more than {MAX_SIDECAR_BYTES:,} bytes")
    return _object_in(data)


def read_caption(data: bytes) -> Layer:
    """Return what a file that holds a caption says. Raises `ValueError` when it is no text."""
    if len(data) > MAX_SIDECAR_BYTES:
        raise ValueError(f"it has more than {MAX_SIDECAR_BYTES:,} bytes")
    try:
        return {"caption": data.decode("utf-8-sig").strip()}
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error


def _object_in(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise ValueError(f"no JSON: {why:.120}") from error
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    return value
