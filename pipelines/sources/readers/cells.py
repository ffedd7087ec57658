"""Which column of a table of Parquet holds its pictures, and what stands for them in what a row says.

Nothing is unpacked here: what is fetched of them is, when it is fetched (`pipelines.fetching.unpacked`).
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from byline.catalog.digests import sha256_hex
from byline.catalog.errors import SourceError
from byline.pictures.cells import PictureColumn, holds_pictures, is_bytes, is_struct_with_bytes
from byline.pipelines.sources.readers.names import folded
from byline.pipelines.sources.readers.options import PICTURE, ReadOptions

NAMES = ("image", "picture", "img", "photo", "jpg", "jpeg", "png", "webp", "image bytes", "image data", "bytes")
"""What a column of pictures is called, the most wanted first, where a table has several of bytes."""


def picture_column(schema: pa.Schema, options: ReadOptions, path: str, *, has_urls: bool) -> PictureColumn | None:
    """Return the column of pictures, as the config or else types and names say.

    Beside URLs only structs count, since bytes beside them may be thumbnails. Raises `SourceError` where the config
    names what holds no pictures, and where two columns may.
    """
    chosen = options.columns.get(PICTURE)
    if chosen is not None:
        if chosen not in schema.names or not holds_pictures(schema.field(chosen).type):
            raise SourceError(f"{path} has no column {chosen!r} of bytes, which the config names for {PICTURE}")
        return PictureColumn(name=chosen, index=schema.names.index(chosen))
    kept = [field for field in schema if field.name not in options.ignore_columns]
    picture_names = [field.name for field in kept if is_struct_with_bytes(field.type)]
    if not picture_names and not has_urls:
        picture_names = [field.name for field in kept if is_bytes(field.type)]
    ranked = [next((name for name in picture_names if folded(name) == folded(wanted)), None) for wanted in NAMES]
    best = next((name for name in ranked if name is not None), picture_names[0] if len(picture_names) == 1 else None)
    if picture_names and best is None:
        columns = " and ".join(picture_names[:5])
        raise SourceError(
            f'{path}: {columns} may each hold the pictures; say columns = {{ picture = "{picture_names[0]}" }}'
        )
    return PictureColumn(name=best, index=schema.names.index(best)) if best is not None else None


def told_of_picture(value: Any) -> dict[str, Any] | None:
    """Return what stands for a picture in what a row says: the digest of its bytes, and what the struct says beside.

    None where there are no bytes.
    """
    data = bytes_in(value)
    if data is None:
        return None
    beside = {name: member for name, member in value.items() if name != "bytes"} if isinstance(value, Mapping) else {}
    return {**beside, "sha256": sha256_hex(data)}


def bytes_in(value: Any) -> bytes | None:
    """Return the picture of a cell, none where it has no bytes."""
    data = value.get("bytes") if isinstance(value, Mapping) else value
    return data if isinstance(data, bytes) and data else None
