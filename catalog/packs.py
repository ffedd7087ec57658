"""The pack on disk: image bytes in a tar, and one index row for every record that was asked for.

`packs/<pack>.<segment>.tar` with `.parquet` (the index, img2dataset's columns first) and `_stats.json` beside it. The
stats file is written last: a segment without it does not exist yet. A record that is fetched later goes into a
further segment.
"""

from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from catalog.digests import canonical_json
from catalog.storage import Store
from catalog.tars import write_tar


class Outcome(StrEnum):
    """What became of one record at fetch. Closed: every record that was asked for has exactly one."""

    FETCHED = "fetched"
    BAD_URL = "bad-url"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    HTTP_ERROR = "http-error"
    TOO_LARGE = "too-large"
    NOT_AN_IMAGE = "not-an-image"
    TOO_MANY_PIXELS = "too-many-pixels"
    DAMAGED = "damaged"
    NOT_RESIZABLE = "not-resizable"


INDEX_SCHEMA = pa.schema(
    [
        ("url", pa.string()),
        ("key", pa.string()),
        ("status", pa.string()),
        ("error_message", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("original_width", pa.int32()),
        ("original_height", pa.int32()),
        ("sha256", pa.string()),
        ("record_id", pa.string()),
        ("outcome", pa.string()),
        ("media_type", pa.string()),
        ("stored_sha256", pa.string()),
        ("segment", pa.int32()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("fetched_at", pa.timestamp("ms", tz="UTC")),
    ]
)
"""`sha256` is of the bytes as fetched, `stored_sha256` of the JPEG at [offset, offset + size) of the tar."""


def segments(store: Store, pack: str) -> list[str]:
    """Return the complete segments of a pack, `<pack>.000` first."""
    return store.numbered(f"packs/{pack}.", "_stats.json")


def read_index(store: Store, pack: str) -> pa.Table:
    """Return the index rows of all segments of a pack, sorted by record_id."""
    tables = [store.read_table(f"{segment}.parquet") for segment in segments(store, pack)]
    return pa.concat_tables([INDEX_SCHEMA.empty_table(), *tables]).sort_by("record_id")


def write_segment(
    store: Store,
    pack: str,
    rows: Iterable[tuple[dict[str, object], bytes | None]],
    stats: dict[str, object],
) -> None:
    """Add a segment of index rows with their stored bytes (none where nothing was fetched).

    Equal bytes are stored once, in the order of their digests. Whole or absent: the stats file comes last.
    """
    segment = len(segments(store, pack))
    name = f"packs/{pack}.{segment:03d}"
    listed = list(rows)
    members = {f"{row['sha256']}.jpg": data for row, data in listed if data is not None}
    in_order = sorted(members.items())
    with store.writing(f"{name}.tar") as file:
        places = {place.name: place for place in write_tar(file, in_order)}
    index = []
    for row, _ in listed:
        place = places.get(f"{row.get('sha256')}.jpg")
        where = {"segment": segment, "offset": place.offset, "size": place.size} if place else {}
        index.append({**row, **where})
    store.write_table(f"{name}.parquet", pa.Table.from_pylist(index, schema=INDEX_SCHEMA))
    store.write_bytes(f"{name}_stats.json", canonical_json(stats) + b"\n")


def read_images(store: Store, pack: str, index: pa.Table, *, only: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield (sha256, stored bytes) of the pictures in `only`, once each, sorted within each segment."""
    wanted = index.filter(pc.is_in(index["key"], pa.array(sorted(only), pa.string())))
    places = wanted.select(["segment", "sha256", "offset", "size"]).to_pylist()
    by_segment = sorted(places, key=lambda place: (place["segment"], place["sha256"]))
    seen: set[str] = set()
    for segment, group in groupby(by_segment, key=lambda place: place["segment"]):
        with store.open(f"packs/{pack}.{segment:03d}.tar") as tar:
            for place in group:
                if place["sha256"] not in seen:
                    seen.add(place["sha256"])
                    tar.seek(place["offset"])
                    yield place["sha256"], tar.read(place["size"])
