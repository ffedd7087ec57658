"""What of a source is taken for which field, and what is in it and not used. Looks at names alone, not at every row."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from byline.catalog.text import one_line
from byline.pipelines.sources.readers import csv, img2dataset_output, json_lines, parquet
from byline.pipelines.sources.readers.inside import look_inside
from byline.pipelines.sources.readers.layers import CLAIMS_INSIDE, INSIDE
from byline.pipelines.sources.readers.names import field_of, file_name_of, nearest
from byline.pipelines.sources.readers.options import AS_IT_IS, FIELDS, PICTURE, ReadOptions
from byline.pipelines.sources.readers.sidecars import (
    CAPTIONS,
    MAX_SIDECAR_BYTES,
    SIDECAR,
    TABLES,
    Table,
    read_sidecar,
    table_rows,
)
from byline.pipelines.sources.readers.tables import Columns, columns_of, tables_at

FILES_LOOKED_AT = 100
ROWS_LOOKED_AT = 1000
"""Rows of a table beside pictures, and sidecars, that are looked at: later ones say the same, or go unmentioned."""
PICTURES_LOOKED_AT = 20
FILE_NAME = "file_name"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What the names in a source are."""

    fields: dict[str, list[str]]
    """Field -> the names that are taken for it, in the order of the fields."""
    not_used: dict[str, str]
    """Name -> the field that it comes nearest to, empty when none is near."""


def names_taken(reader: str, path: str, options: ReadOptions = AS_IT_IS) -> Taken | None:
    """Return what the names in a source are; none for a reader whose fields do not go by name.

    Raises `SourceError` where the reader does.
    """
    look = _LOOKS.get(reader)
    return look(path, options) if look else None


def _of_files(
    files: Iterable[str], look: Callable[[str], tuple[list[str], Columns]], ignored: Sequence[str] = ()
) -> Taken:
    fields: dict[str, list[str]] = {}
    seen: dict[str, None] = {}
    saved: set[str] = set()
    for file in islice(files, FILES_LOOKED_AT):
        names, columns = look(file)
        saved.update((*columns.extras, *ignored))
        seen.update(dict.fromkeys(names))
        for field, name in columns.fields.items():
            if name not in fields.setdefault(field, []):
                fields[field].append(name)
    return _taken(fields, seen, saved)


def _taken(fields: dict[str, list[str]], seen: Iterable[str], saved: Iterable[str]) -> Taken:
    used = {name for names in fields.values() for name in names} | set(saved)
    used |= {name.partition(".")[0] for name in used}
    free = [name for name in seen if name not in used and name.partition(".")[0] not in used]
    not_used = {one_line(name): nearest(name) or "" for name in free}
    order = (FILE_NAME, PICTURE, *FIELDS)
    return Taken(fields={field: fields[field] for field in order if field in fields}, not_used=not_used)


def _csv(path: str, options: ReadOptions) -> Taken:
    def look(file: str) -> tuple[list[str], Columns]:
        names = csv.names_in(file, options)
        return names, columns_of(names, options, file)

    return _of_files(tables_at(path, csv.SUFFIXES), look, options.ignore_columns)


def _parquet(path: str, options: ReadOptions) -> Taken:
    def look(file: str) -> tuple[list[str], Columns]:
        layout = parquet.layout_in(file, options)
        pictures = {PICTURE: layout.pictures.name} if layout.pictures else {}
        return layout.names, replace(layout.columns, fields={**pictures, **layout.columns.fields})

    return _of_files(tables_at(path, (".parquet",)), look, options.ignore_columns)


def _jsonl(path: str, options: ReadOptions) -> Taken:
    def look(file: str) -> tuple[list[str], Columns]:
        names = json_lines.names_in(file)
        return names, columns_of(names, options, file)

    return _of_files(tables_at(path, json_lines.SUFFIXES), look, options.ignore_columns)


def _img2dataset(path: str, options: ReadOptions) -> Taken:
    shards = (str(Path(path) / f"{name}.parquet") for name in img2dataset_output.shards_in(path))

    def look(file: str) -> tuple[list[str], Columns]:
        names = parquet.names_in(file)
        return names, img2dataset_output.columns_in(names, options, file)

    taken = _of_files(shards, look, options.ignore_columns)
    own = (*img2dataset_output.OWN, *img2dataset_output.NEEDED)
    return Taken(fields=taken.fields, not_used={n: field for n, field in taken.not_used.items() if n not in own})


def _folder(path: str, options: ReadOptions) -> Taken:
    chosen = {name: field for field, name in options.columns.items()}
    fields: dict[str, list[str]] = {}
    beside = dict.fromkeys(name for names in _names_beside(Path(path)) for name in names)
    for name in (*beside, *_names_inside(Path(path))):
        field = chosen.get(name) or (FILE_NAME if file_name_of([name]) else field_of(name)) or _FIELDS_INSIDE.get(name)
        is_free = field not in options.columns and name not in options.ignore_columns
        if field is not None and (is_free or name in chosen):
            fields.setdefault(field, []).append(name)
    return _taken(fields, beside, (*options.save_additional_columns, *options.ignore_columns))


def _names_beside(folder: Path) -> Iterator[Iterable[str]]:
    tables = (file for file in files_below(folder) if file.name in TABLES)
    for below in islice(dict.fromkeys(file.parent for file in tables), FILES_LOOKED_AT):
        yield from (row for _, row in islice(table_rows(below, Table()), ROWS_LOOKED_AT))
    captions = (file for file in files_below(folder) if file.name.lower().endswith(CAPTIONS))
    if next(captions, None):
        yield ["caption"]
    for file in islice((file for file in files_below(folder) if file.name.lower().endswith(SIDECAR)), ROWS_LOOKED_AT):
        try:
            with open(file, "rb") as opened:
                yield read_sidecar(opened.read(MAX_SIDECAR_BYTES + 1))
        except (OSError, ValueError):  # told by the reader
            continue


def _names_inside(folder: Path) -> list[str]:
    stated_names: dict[str, None] = {}
    for file in islice(files_below(folder), PICTURES_LOOKED_AT):
        try:
            with open(file, "rb") as opened:
                inside = look_inside(opened, size=file.stat().st_size, with_coordinates=False)
                stated_names.update(dict.fromkeys(inside.statements))
        except (OSError, ValueError):
            continue
    return list(stated_names)


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the regular files below a folder, in order; hidden ones and links are not among them."""
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files = (Path(here) / name for name in sorted(names) if not name.startswith("."))
        yield from (file for file in files if file.is_file() and not file.is_symlink())


_FIELDS_INSIDE = {
    **{name: field for field, names in INSIDE.items() for name in names},
    **dict.fromkeys(CLAIMS_INSIDE, "license"),
}
_LOOKS: dict[str, Callable[[str, ReadOptions], Taken]] = {
    "csv": _csv,
    "folder": _folder,
    "img2dataset": _img2dataset,
    "jsonl": _jsonl,
    "parquet": _parquet,
}
