"""Which columns of a table are what, and a row of it as a record. For every reader of tables.

What columns are called is `names`' to say, those of LAION and DataComp among them. A license is kept as a claim of the
column that it stands in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from byline.catalog.corpora.records import Evidence, ImageRecord
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import ColumnError, SourceError
from byline.catalog.text import one_line
from byline.pipelines.sources.readers.files import metadata_of
from byline.pipelines.sources.readers.names import AmbiguousNameError, field_of, is_file_name, nearest, one_of, texts_of
from byline.pipelines.sources.readers.options import FIELDS, PICTURE, ReadOptions
from byline.pipelines.sources.readers.values import as_text, line_of, size_of, tags_of, text_of, title_and_tags

CLAIMS = ("license", "license_url")
SUFFIXES_BESIDE = (".csv", ".tsv", ".jsonl", ".parquet")
"""How a table ends that is read with the pictures of its folder."""
OF_URL = ("width", "height")
"""Fields that are looked for beside a URL that lies in an object."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the columns of a table are."""

    fields: Mapping[str, str]
    """Field of `pipelines.sources.readers.options.FIELDS` -> column."""
    extras: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Held:
    """A picture that a table holds itself."""

    name: str
    """Name of its own within the source: the id of a row that states none."""
    place: str
    """Where the bytes lie, as in `catalog.corpora.records.ImageRecord.held`."""


def tables_at(path: str, suffixes: tuple[str, ...]) -> list[str]:
    """Return the files that a path names; of a folder those with these suffixes. Raises `SourceError` without any."""
    files = metadata_of(path)
    if not Path(path).is_dir():
        return files
    tables = [file for file in files if file.lower().endswith(suffixes)]
    if not tables:
        raise SourceError(f"no {' or '.join(suffixes)} file in the folder {path}; check `path` in the corpus config")
    return tables


def columns_of(names: Sequence[str], options: ReadOptions, path: str, *, has_pictures: bool = False) -> Columns:
    """Return what the columns of a file are, as the config or else their names say.

    Raises `SourceError`, with the names that there are, without a URL (save where the table has the pictures
    themselves) or when the config names what is not there.
    """
    listing = told_of(names)
    names = [name for name in names if name not in options.ignore_columns]
    for field, name in options.columns.items():
        if name not in names and field != PICTURE:
            raise SourceError(f"{path} has no column {name!r}, which should be the {field}; {listing}")
    for name in options.save_additional_columns:
        if name not in names:
            raise SourceError(f"{path} has no column {name!r} to save; {listing}")
    try:
        fields = _fields(names, options)
    except AmbiguousNameError as error:
        raise ColumnError(f"{path}: {error.what}", error.field, error.names[0]) from error
    if "url" not in fields and not has_pictures:
        raise _no_url(names, path)
    for name in (*fields.values(), *options.save_additional_columns):
        if names.count(name) > 1:
            raise SourceError(f"{path} has {names.count(name)} columns called {name!r}; give them names of their own")
    return Columns(fields=fields, extras=options.save_additional_columns)


def _no_url(names: Sequence[str], path: str) -> SourceError:
    """Return the error to raise for a table without URLs: which column may have them, or how a table of files is read.

    A table of files is read with its pictures, as the table of their folder.
    """
    inside = [name for name in names if "." in name and field_of(name.rpartition(".")[2]) == "url"]
    near = next(iter([*inside, *(name for name in names if nearest(name) == "url")]), None)
    named = next((name for name in names if is_file_name(name)), None)
    suffix = next((ending for ending in SUFFIXES_BESIDE if ending in Path(path).name.lower()), SUFFIXES_BESIDE[0])
    way = f"call the table metadata{suffix} in the folder of the files, and name that folder: byline init FOLDER"
    if named is not None and near is None:
        return SourceError(
            f"{path} has no column of URLs; {named!r} names files, and such a table is read with them: {way} "
            '(in a config reader = "folder")'
        )
    if named is not None and near is not None:
        return ColumnError(
            f"{path} has no column of URLs; {told_of(names)}; if {named!r} names files, {way}", "url", near
        )
    what = "no column of URLs" if near else "no column of URLs, and none that names files"
    return ColumnError(f"{path} has {what}; {told_of(names)}", "url", near or "...")


def told_of(names: Sequence[str]) -> str:
    """Return the columns of a file in words, on one line: what is taken for a header may be anything."""
    return f"its columns are {one_line(', '.join(names)) or 'none':.2000}"


def _fields(names: Sequence[str], options: ReadOptions) -> dict[str, str]:
    """Return field -> column. A text is the title where there is no other, else the description where there is none."""
    fields = {field: options.columns.get(field) or one_of(field, names) for field in FIELDS}
    texts = [name for name in texts_of(names) if name not in options.columns.values()]
    for field in ("title", "description"):
        if fields[field] is None and texts:
            fields[field] = texts.pop(0)
    stated_fields = {field: name for field, name in fields.items() if name is not None}
    return stated_fields if "url" in stated_fields else {**_inside(names), **stated_fields}


def _inside(names: Sequence[str]) -> dict[str, str]:
    """Return the URL that lies in an object, and its sizes there, if there is only one."""
    urls = [name for name in names if "." in name and field_of(name.rpartition(".")[2]) == "url"]
    if len(urls) != 1:
        return {}
    before = urls[0].rpartition(".")[0]
    beside = {f"{before}.{field}": field for field in OF_URL}
    return {"url": urls[0], **{field: name for name, field in beside.items() if name in names}}


def record_of(
    row: Mapping[str, Any], columns: Columns, source: str, evidence: Evidence, *, held: Held | None = None
) -> ImageRecord:
    """Return the record that a row makes; its id is the source's own, else the SHA-256 of its URL, else the name of
    the picture that the row holds.

    Raises `KeyError` or `ValueError` for a row that makes none.
    """
    values = {field: row.get(name) for field, name in columns.fields.items()}
    url = text_of("url", values.get("url"))
    if "id" in columns.fields:
        record_id = text_of("id", values["id"])
    else:
        record_id = sha256_hex(url.encode()) if url is not None else held.name if held else None
    if url is None and held is not None:
        url = f"held:{quote(held.name)}"
    if url is None:
        raise KeyError("url")
    if record_id is None:
        raise KeyError("id")
    lines = {name: line_of(name, values.get(name)) for name in ("title", "creator", "description")}
    title, tags = title_and_tags(lines["title"], tags_of(values.get("tags")))
    claims = [(columns.fields[name], text_of(name, values[name])) for name in CLAIMS if name in values]
    return ImageRecord(
        source=source,
        id=record_id,
        url=url,
        landing_url=text_of("landing_url", values.get("landing_url")),
        license_claims=tuple((name, text) for name, text in claims if text is not None),
        title=title,
        creator=lines["creator"],
        creator_url=text_of("creator_url", values.get("creator_url")),
        description=lines["description"],
        tags=tags,
        width=size_of("width", values.get("width")),
        height=size_of("height", values.get("height")),
        extras=tuple((name, as_text(row[name])) for name in columns.extras if row.get(name) not in (None, "")),
        held=held.place if held is not None else None,
        evidence=evidence,
    )
