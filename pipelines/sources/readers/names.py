"""What a column of a table, or a key of a sidecar, is called, and which field that is. For every reader of such names.

Names are compared `folded`: in any case, with or without `_`, `-` and spaces, in British or American spelling. What is
near a name and is none of them is never taken for the field; it is told (`nearest`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from byline.catalog.text import in_form

NAMES = {
    "id": ("photoid", "id", "uid"),
    "url": ("url", "image url", "img url", "download url", "file url"),
    "landing_url": ("landing url", "foreign landing url", "landing page", "page url"),
    "license": ("license", "license name", "rights", "usage terms", "copyright"),
    "license_url": ("license url", "license link"),
    "title": ("title",),
    "creator": (
        "creator",
        "author",
        "artist",
        "photographer",
        "creator name",
        "author name",
        "artist name",
        "unickname",
    ),
    "creator_url": ("creator url", "author url", "artist url", "photographer url"),
    "description": ("description",),
    "tags": ("tags", "keywords", "user tags"),
    "width": ("original width", "width"),
    "height": ("original height", "height"),
    "retrieved_at": ("retrieved at",),
}
"""Field of `options.FIELDS` -> what it is called, the most wanted first. `photoid` stands before `uid`, which is the
account in YFCC100M."""
TEXTS = ("text", "caption", "alt text", "alt")
"""What says in few words what a picture shows: the title where there is none, else the description."""
FILE_NAMES = ("file name", "image file name", "file path", "image path", "image", "path")
"""What names a picture in a table beside pictures."""
NEAR = {
    "url": ("link", "href", "src", "image", "photo url", "media url", "picture"),
    "creator": ("rights holder", "copyright holder", "owner", "credit", "credits", "attribution", "user name", "by"),
    "license": ("terms", "usage", "permission", "license type", "license code"),
    "title": ("name", "headline", "prompt", "label"),
    "description": ("abstract", "summary", "notes", "comment"),
    "tags": ("subject", "subjects", "categories", "labels"),
    "landing_url": ("source", "page", "permalink", "source url"),
}
"""Field -> names that may mean it and may not: they are told, and taken only when the config says so."""
NEAR_ENOUGH = 0.75
_PARTS = re.compile(r"[\s_\-]+")


class AmbiguousNameError(ValueError):
    """Two names may be one field."""

    def __init__(self, field: str, names: Sequence[str]) -> None:
        self.what, self.field, self.names = f"{' and '.join(names)} may both be the {field}", field, names
        super().__init__(f"{self.what}; say in `columns` which it is")


@lru_cache(maxsize=1 << 12)
def folded(name: str) -> str:
    """Return what names of one meaning have in common: `Licence URL` and `license_url` are one."""
    return _PARTS.sub("", in_form("NFKC", name).casefold()).replace("licence", "license")


_FOLDED = {field: tuple(folded(name) for name in names) for field, names in NAMES.items()}
_TEXTS = tuple(folded(name) for name in TEXTS)
_FILE_NAMES = tuple(folded(name) for name in FILE_NAMES)
_FIELD_OF = {
    **{folded(name): field for field, names in NEAR.items() for name in names},
    **{name: field for field, names in _FOLDED.items() for name in names},
    **dict.fromkeys(_TEXTS, "title"),
}
CLAIMS = (*_FOLDED["license"][:1], *_FOLDED["license_url"][:1], *_FOLDED["license"][1:], *_FOLDED["license_url"][1:])
"""Folded names of all that states a license."""


def field_of(name: str) -> str | None:
    """Return the field that a name is taken for; `title` for a text, which is that or the description."""
    fields = (field for field, names in _FOLDED.items() if folded(name) in names)
    return next(fields, "title" if folded(name) in _TEXTS else None)


def one_of(field: str, names: Iterable[str], *, values: Mapping[str, Any] | None = None) -> str | None:
    """Return the name that is this field, none when none is. Raises `AmbiguousNameError` when two may be: where it is
    known what they say, only if it differs.

    Of several names that mean the same thing the most wanted counts; not so of those who may have made a picture.
    """
    return _first(field, _FOLDED[field], list(names), values)


def texts_of(names: Iterable[str]) -> list[str]:
    """Return the names that are `TEXTS`, the most wanted first. Raises `AmbiguousNameError` when two are one."""
    all_names = list(names)
    return [text_name for text in _TEXTS if (text_name := _first("title", (text,), all_names)) is not None]


def file_name_of(names: Iterable[str]) -> str | None:
    """Return the name under which a table names its pictures. Raises `AmbiguousNameError` when two may be it."""
    return _first("file_name", _FILE_NAMES, list(names))


def is_file_name(name: str) -> bool:
    """Tell whether this is a name under which a table names its pictures."""
    return folded(name) in _FILE_NAMES


def _first(
    field: str, wanted: Sequence[str], names: Sequence[str], values: Mapping[str, Any] | None = None
) -> str | None:
    ranks = [wanted[:1], wanted[1:]] if field == "creator" else [(name,) for name in wanted]
    for rank in ranks:
        matches = sorted({name for name in names if folded(name) in rank})
        if len(matches) > 1 and (values is None or any(values[name] != values[matches[0]] for name in matches)):
            raise AmbiguousNameError(field, matches)
        if matches:
            return matches[0]
    return None


def nearest(name: str) -> str | None:
    """Return the field that a name which is none of its names comes nearest to, none when none is near."""
    words = [folded(word) for word in re.split(r"[^\w]+|_", name) if len(word) > 2]
    near = [folded(name), *get_close_matches(folded(name), _FIELD_OF, n=3, cutoff=NEAR_ENOUGH), *words]
    return next((_FIELD_OF[near_name] for near_name in near if near_name in _FIELD_OF), None)
