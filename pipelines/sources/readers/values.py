"""Values of rows as text, tags and sizes: what tables and sidecars say in many shapes."""

import ast
import csv
import json
import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

from byline.catalog.nothing import is_nothing
from byline.catalog.text import one_line

NAME_KEYS = ("name", "title", "label", "tag", "term", "_content", "realname", "username")
"""Keys under which an object says what it is."""
MAX_EXACT = 2**53
"""Largest number that may have a fraction: above it, whole numbers are not told apart."""
MAX_LIST_CHARACTERS = 20_000
"""Longest list of tags that is written as text, in characters."""
_NAMED = re.compile(r"""["'](?:name|tag|label|term)["']\s*:\s*(?:"([^"\\]*)"|'([^'\\]*)')""")
_QUOTED = re.compile(r""""([^"\\]*)"|'([^'\\]*)'""")
_POSTGRES = re.compile(r"\{[^{}:\n]*\}")
_LIST = re.compile(r"""(?:array|set|frozenset)?[(\[{]+\s*(?:u?["']|\{|\[)""")
"""How a list begins that is written as text: texts in quotes, or objects. "[Sea, boat]" may be a title."""
_MADE = re.compile(r"""[\s(\[{]*(?!(?:array|set|frozenset)\b)[A-Za-z_][\w.]*\((?:[(\[{]|\w+=["']|<class ')""")
"""How what Python makes by calling a name begins, `OrderedDict([("name", "sea")])`: its quotes are no tags."""
_CLOSING = {"[": "]", "{": "}", "(": ")"}
_APART = re.compile(r"""["']\s+["']""")
"""What stands between texts without a comma, as numpy writes them."""


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
    """Return text, or several texts with `; ` between them. Raises `ValueError` for anything else but whole numbers,
    which a table with gaps has as `12.0`.
    """
    parts = []
    for part in listed(value):
        scalar = name_in(part)
        if scalar is None or scalar != scalar:
            continue
        if isinstance(scalar, float) and scalar.is_integer() and abs(scalar) < MAX_EXACT:
            scalar = int(scalar)
        if isinstance(scalar, bool) or not isinstance(scalar, str | int):
            raise ValueError(f"{field} is not text: {value!r:.60}")
        parts.append(str(scalar).strip())
    return "; ".join(filter(None, parts)) or None


def line_of(field: str, value: Any) -> str | None:
    """Return text on one line."""
    return one_line(text_of(field, value) or "") or None


def tags_of(value: Any) -> tuple[str, ...]:
    """Return the tags of a list, each once: of texts, or of objects with names; of an object with a number for each.

    Text may be a list too, as JSON, Python (tuples and sets too), numpy or PostgreSQL write it; else it has commas
    between its tags, or, where it has none, semicolons or bars. Of a list that is cut short what is whole counts:
    its brackets are no tag, nor is an object without a name, or what Python makes by calling one.
    """
    tags = _split(text_of("tags", value) or "") if isinstance(value, str) else _items(value)
    names = (name_in(_innermost(tag)) for tag in tags)
    lines = (line_of("a tag", name) for name in names if not isinstance(name, Mapping))
    return tuple(dict.fromkeys(line for line in lines if line is not None))


def title_and_tags(title: str | None, tags: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Return what a record says in words: a list that stands as text where a title should is tags, and no title."""
    return (None, tags or tags_of(title)) if title and _is_list(title) else (title, tags)


def _is_list(text: str) -> bool:
    """Tell whether all of a text is a list in quotes, which may be cut short: "['Sea'] by Ada" is none."""
    if _LIST.match(text) is None and _MADE.match(text) is None:
        return False
    closing = _CLOSING[next(filter(_CLOSING.__contains__, text))]
    return text.endswith(closing) or (closing not in text and len(_QUOTED.findall(text)) > 1)


def _items(value: Any) -> list[Any]:
    """Return the tags of a list, with those of lists in it, or of an object that says how sure each of them is."""
    if isinstance(value, Mapping) and name_in(value) is value:
        numbers = [score for score in value.values() if score is not None]
        return [key for key, score in value.items() if score is not None] if all(map(_is_number, numbers)) else []
    if isinstance(value, list):
        pairs = (item[0] if isinstance(item, tuple) and len(item) == 2 else item for item in value)
        return [tag for item in pairs for tag in (_items(item) if isinstance(item, list) else [item])]
    return listed(value)


def _innermost(tag: Any) -> Any:
    """Return the object that an object holds and nothing else, `{"tag": {"name": "sea"}}`; anything else as it is."""
    while isinstance(tag, Mapping) and len(tag) == 1 and isinstance(inner := next(iter(tag.values())), Mapping):
        tag = inner
    return tag


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _split(text: str) -> list[Any]:
    is_open = text.startswith(("[", "{", "array(")) and (text.endswith(("]", "}", ")")) or '"' in text or "'" in text)
    is_list = is_open or _is_list(text)
    if is_list or (text.startswith('"') and text.endswith('"')):
        text = text if is_list else f"[{text}]"
        parsed = _read(text) if len(text) <= MAX_LIST_CHARACTERS else None
        if isinstance(parsed, list) and len(parsed) == 1 and isinstance(parsed[0], str) and _is_list(parsed[0]):
            return _split(parsed[0])  # it was written as text twice
        return _items(parsed) if isinstance(parsed, list | dict) else _texts_in(text)
    mark = next((mark for mark in (",", ";", "|") if mark in text), ",")
    return list(text.split(mark))


def _read(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        if read is ast.literal_eval and _APART.search(text):
            continue  # Python would join them
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
    return None


def _texts_in(text: str) -> list[Any]:
    """Return the texts of a list that is written in another way or is cut short: what has a name, or is in quotes."""
    if _MADE.match(text):
        return []
    if _POSTGRES.fullmatch(text) and not text.startswith("{'"):
        return next(csv.reader([text[1:-1]], skipinitialspace=True, escapechar="\\"), [])
    named = [first or other for first, other in _NAMED.findall(text)]
    if named or "{" in text[1:]:
        return named
    quoted = [first or other for first, other in _QUOTED.findall(text)]
    if quoted:
        return quoted
    return text.removeprefix("array(").strip("[](){}").split(",")


def size_of(field: str, value: Any) -> int | None:
    """Return a number of pixels, which may be written as `640.0`. Raises `ValueError` for what is none."""
    text = "" if value is None or value != value else str(value).strip()
    if not text:
        return None
    if not re.fullmatch(r"\d{1,10}(\.0*)?", text, re.ASCII):
        raise ValueError(f"{field} is not a number of pixels: {value!r:.60}")
    return int(text.split(".")[0])
