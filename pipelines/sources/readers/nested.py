"""Names of values that lie inside others, with dots: `image.url` of a column `image` with objects in it."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from byline.pipelines.sources.readers.layers import NAMED, opened_up
from byline.pipelines.sources.readers.names import field_of
from byline.pipelines.sources.readers.values import NAME_KEYS

MAX_DEPTH = 4
"""What lies deeper has no name."""


def with_nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with what lies in its objects, under dotted names. A name that is there already stays as it is."""
    flattened = opened_up(row)
    for name, value in _inner(row, "", MAX_DEPTH):
        flattened.setdefault(name, value)
    return flattened


def _inner(row: Mapping[str, Any], before: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping) and depth:
            for inner, inner_value in value.items():
                yield f"{before}{name}.{inner}", inner_value
            yield from _inner(value, f"{before}{name}.", depth - 1)


def names_of(schema: pa.Schema) -> list[str]:
    """Return the names that rows of a schema have, those of `with_nested` among them."""
    names = dict.fromkeys(schema.names)
    twice = [name for name in names if schema.names.count(name) > 1]
    for field in schema:
        if pa.types.is_struct(field.type):
            inner = {child.name for child in field.type}
            if "url" in inner and (inner & set(NAME_KEYS) or field_of(field.name) in NAMED):
                names.setdefault(f"{field.name}_url")
            names.update(dict.fromkeys(_leaves(field, "", MAX_DEPTH)))
    return [*names, *twice]


def _leaves(field: pa.Field, before: str, depth: int) -> Iterator[str]:
    for child in field.type:
        yield f"{before}{field.name}.{child.name}"
        if pa.types.is_struct(child.type) and depth > 1:
            yield from _leaves(child, f"{before}{field.name}.", depth - 1)
