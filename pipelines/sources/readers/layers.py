"""What is said of one picture, by what stands beside it and by itself, field by field.

Each sidecar, the row of a table, and the picture itself is a layer. Of a field the first layer that says something
counts; of licenses every statement is a claim.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

from byline.catalog.corpora.records import ImageRecord, Row, UnreadableRow
from byline.pipelines.sources.readers.inside import look_inside
from byline.pipelines.sources.readers.names import CLAIMS, field_of, folded, one_of, texts_of
from byline.pipelines.sources.readers.options import FIELDS, ReadOptions
from byline.pipelines.sources.readers.rows import read_row
from byline.pipelines.sources.readers.values import (
    NAME_KEYS,
    as_text,
    is_empty,
    line_of,
    listed,
    name_in,
    tags_of,
    text_of,
)

INSIDE = {
    "title": ("xmp:dc:title", "iptc:ObjectName"),
    "creator": ("xmp:dc:creator", "iptc:By-line", "exif:Artist"),
    "description": ("xmp:dc:description", "iptc:Caption-Abstract", "exif:ImageDescription"),
    "tags": ("xmp:dc:subject", "iptc:Keywords"),
}
"""Field -> names under which a picture says it, the most wanted first. What it is called elsewhere `names` has."""
CLAIMS_INSIDE = (
    *("xmp:cc:license", "xmp:xmpRights:WebStatement", "xmp:xmpRights:UsageTerms", "xmp:dc:rights"),
    *("iptc:CopyrightNotice", "exif:Copyright"),
)
LICENSE = ("license", "license_url")
NAMED = frozenset({"license", "creator"})
"""Fields that an object may have a name and a URL of."""

Layer = Mapping[str, Any]
"""What one layer states: name -> value."""


class Layers:
    """What is said of one picture, the most wanted layer first."""

    def __init__(self, layers: Sequence[Layer], options: ReadOptions) -> None:
        self.options = options
        opened = [opened_up(layer) for layer in layers]
        ignored = set(options.ignore_columns)
        self.layers = [{name: value for name, value in layer.items() if name not in ignored} for layer in opened]
        chosen = set(options.columns.values())
        stated = [{name: value for name, value in layer.items() if not is_empty(value)} for layer in self.layers]
        self._said = stated
        self._texts = [[name for name in texts_of(layer) if name not in chosen] for layer in stated]

    def fields(self) -> dict[str, tuple[str, Any]]:
        """Return field -> the name that says it and the value, of all but licenses.

        Raises `AmbiguousNameError` when two names in one layer may be it and say different things.
        """
        first_by_field = {field: self._first(field) for field in FIELDS if field not in LICENSE}
        return {
            field: (named_value[0], named_value[1])
            for field, named_value in first_by_field.items()
            if named_value is not None
        }

    def claims(self) -> tuple[tuple[str, str], ...]:
        """Return every statement of a license, once. Those that the config names are then the only ones."""
        chosen = [self.options.columns[field] for field in LICENSE if field in self.options.columns]
        claims = [
            (name, text)
            for layer in self.layers
            for name in chosen or _claiming(layer)
            for value in listed(layer.get(name))
            if (text := text_of(name, value)) is not None
        ]
        return tuple(dict.fromkeys(claims))

    def extras(self) -> tuple[tuple[str, str], ...]:
        """Return what the config asks for beside."""
        additional = []
        for name in self.options.save_additional_columns:
            value = next((layer[name] for layer in self._said if name in layer), None)
            if value is not None:
                additional.append((name, as_text(value[0] if isinstance(value, list) and len(value) == 1 else value)))
        return tuple(additional)

    def _first(self, field: str) -> tuple[str, Any] | None:
        chosen = self.options.columns.get(field)
        named = ((layer, chosen if chosen in layer else None) for layer in self._said)
        layers_and_names = named if chosen else self._by_name(field)
        return next(((name, layer[name]) for layer, name in layers_and_names if name is not None), None)

    def _by_name(self, field: str) -> Iterator[tuple[Layer, str | None]]:
        title = self._first("title") if field == "description" else None
        for layer, texts in zip(self._said, self._texts, strict=True):
            yield layer, one_of(field, layer, values=layer)
            yield layer, next((name for name in INSIDE.get(field, ()) if name in layer), None)
            if field == "title":
                yield layer, next(iter(texts), None)
            elif field == "description":
                yield layer, next((name for name in texts if (name, layer[name]) != title), None)


def with_picture(row: Row, data: bytes | None, options: ReadOptions, place: str) -> Iterator[Row]:
    """Yield a row of a table with what its picture says of itself as the last layer, and what of that is unreadable.

    Bytes that are no picture say nothing: that is an outcome of their fetch.
    """
    if not isinstance(row, ImageRecord) or data is None:
        yield row
        return
    try:
        inside = look_inside(BytesIO(data), size=len(data), with_coordinates=False)
    except ValueError:
        yield row
        return
    yield from (UnreadableRow(place=place, problem=problem) for problem in inside.problems)
    yield read_row(lambda: _with_layer(row, Layers([inside.statements], options)), place=place)


def _with_layer(record: ImageRecord, layer: Layers) -> ImageRecord:
    first = {field: value for field, (_, value) in layer.fields().items()}
    lines = {field: getattr(record, field) for field in ("title", "creator", "description")}
    lines |= {field: line_of(field, first[field]) for field, line in lines.items() if is_empty(line) and field in first}
    claims = tuple(dict.fromkeys((*record.license_claims, *layer.claims())))
    return replace(record, **lines, tags=record.tags or tags_of(first.get("tags")), license_claims=claims)


def _claiming(layer: Layer) -> list[str]:
    beside = [name for wanted in CLAIMS for name in layer if folded(name) == wanted]
    return [*beside, *(name for name in CLAIMS_INSIDE if name in layer)]


def opened_up(layer: Layer) -> dict[str, Any]:
    """Return a layer in which objects with a name, `"author": {"name": ..., "url": ...}`, are that name and a URL.

    Of a person or a license the URL may be all that is said.
    """
    opened: dict[str, Any] = {}
    for name, value in layer.items():
        opened[name] = value
        if not isinstance(value, Mapping):
            continue
        named = name_in(value)
        if named is not value:
            opened[name] = named
        elif field_of(name) in NAMED and all(value.get(key) is None for key in NAME_KEYS):
            opened[name] = None
        if opened[name] is not value and isinstance(value.get("url"), str):
            opened.setdefault(f"{name}_url", value["url"])
    return opened
