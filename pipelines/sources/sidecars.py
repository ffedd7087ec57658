"""What stands beside the pictures of a folder: a JSON file for one of them, or one table of all."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from byline.catalog.errors import SourceError
from byline.catalog.records import UnreadableRow
from byline.pipelines.sources.files import MAX_LINE_BYTES, lines_of
from byline.pipelines.sources.tables import told_of

TABLES = ("metadata.csv", "metadata.jsonl")
FILE_NAME = "file_name"
"""The column that names a picture, by its path below the folder: as Hugging Face's image folders have it."""
MAX_SIDECAR_BYTES = 1 << 20

Said = Mapping[str, Any]
"""Name -> value."""


@dataclass
class Table:
    """The rows of a table by the picture that they are of. It is in memory whole: about 1 KB a row."""

    rows: dict[str, tuple[str, Said]] = field(default_factory=dict)
    """Path of a picture below the folder, with `/` -> place in the table, and what it says."""
    unreadable: list[UnreadableRow] = field(default_factory=list)

    def take(self, picture: str) -> tuple[str, Said] | None:
        """Return the row of a picture, once."""
        return self.rows.pop(picture, None)

    def left(self) -> Iterator[UnreadableRow]:
        """Yield the rows of which there was no picture."""
        for picture, (place, _) in self.rows.items():
            yield UnreadableRow(place=place, problem=f"no picture at {picture!r:.120}")


def read_table(folder: Path) -> Table:
    """Return the table of a folder, empty when there is none. Raises `SourceError` for two, and for one of no use."""
    paths = [folder / name for name in TABLES if (folder / name).is_file()]
    if len(paths) > 1:
        raise SourceError(f"{folder} has both {' and '.join(TABLES)}; keep one")
    table = Table()
    for path in paths:
        if path.is_symlink():
            raise SourceError(f"{path} is a link; put the table itself there")
        rows = _csv_rows(path, table) if path.suffix == ".csv" else _json_rows(path, table)
        for place, row in rows:
            _add(table, place, row)
    return table


def _add(table: Table, place: str, row: Said) -> None:
    name = row.get(FILE_NAME)
    if not isinstance(name, str) or not name.strip():
        table.unreadable.append(UnreadableRow(place=place, problem=f"no {FILE_NAME}"))
        return
    picture = str(PurePosixPath(name.strip()))  # only ever looked up: what leads out of the folder finds nothing
    if picture in table.rows:
        table.unreadable.append(UnreadableRow(place=place, problem=f"{picture!r:.120} came before"))
        return
    table.rows[picture] = (place, {key: value for key, value in row.items() if key != FILE_NAME})


def _csv_rows(path: Path, table: Table) -> Iterator[tuple[str, Said]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if FILE_NAME not in header or len(set(header)) < len(header):
                raise SourceError(f"{path} needs a column {FILE_NAME!r}, and each name once; {told_of(header)}")
            before = reader.line_num
            for fields in reader:
                place, before = f"{path.name} line {before + 1}", reader.line_num  # of its first line
                if len(fields) == len(header):
                    yield place, dict(zip(header, fields, strict=True))
                elif fields:
                    problem = f"{len(fields)} columns; expected {len(header)}"
                    table.unreadable.append(UnreadableRow(place=place, problem=problem))
    except (csv.Error, UnicodeDecodeError) as error:
        raise SourceError(
            f"{path} cannot be read: {str(error).splitlines()[0]:.120}; save it as CSV in UTF-8"
        ) from error


def _json_rows(path: Path, table: Table) -> Iterator[tuple[str, Said]]:
    for number, line in enumerate(lines_of(str(path)), start=1):
        place = f"{path.name} line {number}"
        if not line.strip():
            continue
        try:
            if len(line) >= MAX_LINE_BYTES:
                raise ValueError(f"longer than {MAX_LINE_BYTES} bytes")
            yield place, _object_in(line)
        except ValueError as error:
            table.unreadable.append(UnreadableRow(place=place, problem=str(error)[:200]))


def read_sidecar(data: bytes) -> Said:
    """Return what a sidecar says. Raises `ValueError` when it is no JSON object."""
    if len(data) > MAX_SIDECAR_BYTES:
        raise ValueError(f"it has more than {MAX_SIDECAR_BYTES:,} bytes")
    return _object_in(data)


def _object_in(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise ValueError(f"no JSON: {why:.120}") from error
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    return value
