"""The fact tables between the stages that measure and the one that judges: one schema for each measure."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from catalog.digests import canonical_json, sha256_hex
from catalog.facts import FactTable, instrument_name
from catalog.storage import Store
from dedup.colors import GRID, GRID_BYTES
from dedup.hashes import HASH_INSTRUMENT
from dedup.quality import QUALITY_INSTRUMENT

SEARCH_RADIUS_BITS = 31
"""Pairs are kept up to this distance, so that a policy may choose any smaller one without a new search."""
FINGERPRINT_INSTRUMENT = f"{HASH_INSTRUMENT}-{instrument_name('colors', '1', {'grid': GRID})}"
EDGE_INSTRUMENT = instrument_name("pairs", "1", [HASH_INSTRUMENT, SEARCH_RADIUS_BITS])

HASH_SCHEMA = pa.schema(
    [
        ("sha256", pa.string()),
        ("phash64", pa.binary(8)),
        ("phash256", pa.binary(32)),
        ("colors", pa.binary(GRID_BYTES)),
        ("pixels", pa.string()),
    ]
)
"""Perceptual hashes, bit-identical to imagehash, a grid of mean colors, and a digest of the decoded pixels."""

QUALITY_SCHEMA = pa.schema(
    [
        ("sha256", pa.string()),
        ("sharpness", pa.float64()),
        ("flatness", pa.float64()),
        ("contrast", pa.float64()),
    ]
)
"""Ranges in `dedup.quality.Quality`."""

EDGE_SCHEMA = pa.schema([("a", pa.binary(32)), ("b", pa.binary(32)), ("distance_bits", pa.int32())])
"""Pairs of distinct 256-bit hashes, a < b, at most `SEARCH_RADIUS_BITS` apart."""

CAPTION_SCHEMA = pa.schema(
    [
        ("shown_sha256", pa.string()),
        ("text", pa.string()),
        ("model", pa.string()),
        ("revision", pa.string()),
        ("prompt", pa.string()),
        ("decoding", pa.string()),
        ("seed", pa.int64()),
    ]
)


def shown_sha256(record: Mapping[str, Any], *, with_pixels: bool) -> str:
    """Return what a caption is found by: a digest of what the captioner is shown of a record, and of nothing else.

    That is the image, or what the source says; so a corrected title is captioned anew, and equal images once.
    """
    if with_pixels:
        return str(record["sha256"])
    said = [record[name] or "" for name in ("title", "description")]
    return sha256_hex(canonical_json([*said, list(record["tags"])]))


def hash_facts(store: Store) -> FactTable:
    """Return the perceptual hashes of the corpus."""
    return FactTable(store=store, measure="hashes", instrument=FINGERPRINT_INSTRUMENT, schema=HASH_SCHEMA)


def quality_facts(store: Store) -> FactTable:
    """Return the quality numbers of the corpus."""
    return FactTable(store=store, measure="quality", instrument=QUALITY_INSTRUMENT, schema=QUALITY_SCHEMA)


def caption_facts(store: Store, instrument: str) -> FactTable:
    """Return the captions that one captioner wrote."""
    return FactTable(
        store=store,
        measure="captions",
        instrument=instrument,
        schema=CAPTION_SCHEMA,
        key="shown_sha256",
    )
