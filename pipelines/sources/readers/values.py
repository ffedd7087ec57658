"""Values of rows as text, tags and sizes: what tables and sidecars say in many shapes."""

import ast
import json
import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

from byline.catalog.nothing import is_nothing
from byline.catalog.text import one_line

NAME_KEYS = ("name", "title", "label", "username")
"""Under which an object says what it is."""
MAX_LIST_CHARACTERS = 20_000
"""Of tags that are written as a list in text."""


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


def is_empty(value: Any) -> bool:
    """Tell whether a value says nothing; not a number is pandas' way of doing so, and there are words for it."""
    return value is None or value in ("", []) or value != value or (isinstance(value, str) and is_nothing(value))


def name_in(value: Any) -> Any:
    """Return what an object calls itself, `{"name": "Ada", "url": ...}`; anything else as it is."""
    if not isinstance(value, Mapping):
        return value
    return next((value[key] for key in NAME_KEYS if isinstance(value.get(key), str)), value)


def listed(value: Any) -> list[Any]:
    """Return the items of a list, one of anything else."""
    return value if isinstance(value, list) else [value]


def text_of(field: str, value: Any) -> str | None:
    """Return text, or several texts with `; ` between them. Raises `ValueError` for anything else but whole numbers."""
    parts = []
    for part in listed(value):
        said = name_in(part)
        if said is None or said != said:
            continue
        if isinstance(said, bool) or not isinstance(said, str | int):
            raise ValueError(f"{field} is not text: {value!r:.60}")
        parts.append(str(said).strip())
    return "; ".join(filter(None, parts)) or None


def line_of(field: str, value: Any) -> str | None:
    """Return text on one line."""
    return one_line(text_of(field, value) or "") or None


def tags_of(value: Any) -> tuple[str, ...]:
    """Return the tags of a list, each once: of texts, or of objects with names. Text may be a list too, as JSON or as
    Python writes it, or else has commas between its tags.
    """
    tags = value if isinstance(value, list) else _split(text_of("tags", value) or "")
    lines = (line_of("a tag", tag) for tag in tags)
    return tuple(dict.fromkeys(line for line in lines if line is not None))


def _split(text: str) -> list[Any]:
    if text.startswith("[") and text.endswith("]") and len(text) <= MAX_LIST_CHARACTERS:
        for read in (json.loads, ast.literal_eval):
            try:
                found = read(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            if isinstance(found, list):
                return found
    return list(text.split(","))


def size_of(field: str, value: Any) -> int | None:
    """Return a number of pixels, which may be written as `640.0`. Raises `ValueError` for what is none."""
    text = "" if value is None or value != value else str(value).strip()
    if not text:
        return None
    if not re.fullmatch(r"\d{1,10}(\.0*)?", text, re.ASCII):
        raise ValueError(f"{field} is not a number of pixels: {value!r:.60}")
    return int(text.split(".")[0])
