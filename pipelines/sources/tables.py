"""Which columns of a table are what, and a row of it as a record. For every reader of tables.

A column with the name of a field is that field, in any case; so are those that LAION and DataComp have. A license is
kept as a claim of the column that it stands in.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from byline.catalog.digests import sha256_hex
from byline.catalog.errors import SourceError
from byline.catalog.records import Evidence, ImageRecord
from byline.catalog.text import one_line
from byline.pipelines.sources.files import metadata_of
from byline.pipelines.sources.options import FIELDS, ReadOptions

OTHER_NAMES = {
    "id": ("uid", "id"),
    "title": ("title", "text"),
    "width": ("original_width", "width"),
    "height": ("original_height", "height"),
}
"""Field -> names of columns, the first that there is counts. The alternative text of LAION and DataComp is a title:
what shows a picture in few words."""
CLAIMS = ("license", "license_url")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the columns of a table are."""

    fields: Mapping[str, str]
    """Field of `pipelines.sources.options.FIELDS` -> column."""
    extras: tuple[str, ...]


def tables_at(path: str, suffixes: tuple[str, ...]) -> list[str]:
    """Return the files that a path names; of a folder those with these suffixes. Raises `SourceError` without any."""
    files = metadata_of(path)
    if not Path(path).is_dir():
        return files
    tables = [file for file in files if file.lower().endswith(suffixes)]
    if not tables:
        raise SourceError(f"no {' or '.join(suffixes)} file in the folder {path}; check `path` in the corpus config")
    return tables


def columns_of(names: Sequence[str], options: ReadOptions, path: str) -> Columns:
    """Return what the columns of a file are, as the config or else their names say.

    Raises `SourceError`, with the names that there are, without a URL or when the config names what is not there.
    """
    told = told_of(names)
    for field, name in options.columns.items():
        if name not in names:
            raise SourceError(f"{path} has no column {name!r}, which the config names for {field}; {told}")
    for name in options.save_additional_columns:
        if name not in names:
            raise SourceError(f"{path} has no column {name!r} to save; {told}")
    fields = {field: options.columns.get(field) or _by_name(field, names, path) for field in FIELDS}
    if fields["url"] is None:
        raise SourceError(f'{path} has no column of URLs; {told}: say which it is, as columns = {{ url = "..." }}')
    found = {field: name for field, name in fields.items() if name is not None}
    for name in (*found.values(), *options.save_additional_columns):
        if names.count(name) > 1:
            raise SourceError(f"{path} has {names.count(name)} columns called {name!r}; give them names of their own")
    return Columns(fields=found, extras=options.save_additional_columns)


def told_of(names: Sequence[str]) -> str:
    """Return the columns of a file in words, on one line: what is taken for a header may be anything."""
    return f"its columns are {one_line(', '.join(names)) or 'none':.2000}"


def _by_name(field: str, names: Sequence[str], path: str) -> str | None:
    for wanted in OTHER_NAMES.get(field, (field,)):
        found = sorted({name for name in names if name.lower() == wanted})
        if len(found) > 1:
            raise SourceError(f"{path}: {' and '.join(found)} may both be the {field}; say in `columns` which it is")
        if found:
            return found[0]
    return None


def record_of(row: Mapping[str, Any], columns: Columns, source: str, evidence: Evidence) -> ImageRecord:
    """Return the record that a row makes; its id is the source's own, else the SHA-256 of its URL.

    Raises `KeyError` or `ValueError` for a row that makes none.
    """
    said = {field: row[name] for field, name in columns.fields.items()}
    url = _text("url", said["url"])
    if url is None:
        raise KeyError("url")
    record_id = _text("id", said.get("id")) if "id" in columns.fields else sha256_hex(url.encode())
    if record_id is None:
        raise KeyError("id")
    lines = {name: _line(name, said.get(name)) for name in ("title", "creator", "description")}
    claims = [(columns.fields[name], _text(name, said[name])) for name in CLAIMS if name in said]
    return ImageRecord(
        source=source,
        id=record_id,
        url=url,
        landing_url=_text("landing_url", said.get("landing_url")),
        license_claims=tuple((name, text) for name, text in claims if text is not None),
        title=lines["title"],
        creator=lines["creator"],
        creator_url=_text("creator_url", said.get("creator_url")),
        description=lines["description"],
        tags=_tags(said.get("tags")),
        width=_size("width", said.get("width")),
        height=_size("height", said.get("height")),
        extras=tuple((name, as_text(row[name])) for name in columns.extras if row[name] not in (None, "")),
        evidence=evidence,
    )


def as_text(value: Any) -> str:
    """Return a value of any kind as text: text as it is, bytes in hex, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | Decimal | time | date | timedelta):
        return plain(value)
    return row_json(value)


def plain(value: Any) -> str:
    """Return as text what JSON has no word for: bytes in hex."""
    return value.hex() if isinstance(value, bytes) else str(value)


def row_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces, of what a row of a table may hold."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=plain)


def _text(field: str, value: Any) -> str | None:
    if value is None or value != value:  # not a number, pandas' way of saying nothing
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"{field} is not text: {value!r:.60}")
    return value.strip() or None


def _line(field: str, value: Any) -> str | None:
    return one_line(_text(field, value) or "") or None


def _tags(value: Any) -> tuple[str, ...]:
    """Return the tags of a list, or of text with commas between them."""
    tags = value if isinstance(value, list) else (_text("tags", value) or "").split(",")
    lines = (_line("a tag", tag) for tag in tags)
    return tuple(line for line in lines if line is not None)


def _size(field: str, value: Any) -> int | None:
    text = "" if value is None or value != value else str(value).strip()
    if not text:
        return None
    if not re.fullmatch(r"\d{1,10}(\.0*)?", text, re.ASCII):
        raise ValueError(f"{field} is not a number of pixels: {value!r:.60}")
    return int(text.split(".")[0])
