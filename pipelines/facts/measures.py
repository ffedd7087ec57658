"""The fact tables between the stages that measure and the one that judges: one schema for each measure."""

from dataclasses import replace

import pyarrow as pa

from byline.catalog.corpora.facts import FactTable, Key, instrument_name
from byline.catalog.disk.storage import Store
from byline.dedup.colors import GRID, GRID_BYTES
from byline.dedup.quality import QUALITY_INSTRUMENT
from byline.dedup.views import VIEW_INSTRUMENT

SEARCH_RADIUS_BITS = 31
"""Pairs are kept up to this distance, so that a policy may choose any smaller one without a new search."""
MEASURED_PX = 640
"""A stored JPEG whose shorter side is twice this or more is decoded at a fraction of its size, whatever is measured."""
DECODED = {"at_least_px": MEASURED_PX}
"""A setting that is part of the name of every instrument that looks at pictures."""
FINGERPRINT_INSTRUMENT = f"{VIEW_INSTRUMENT}-{instrument_name('colors', '2', {'grid': GRID, **DECODED})}"
MEASURED_QUALITY_INSTRUMENT = instrument_name(QUALITY_INSTRUMENT, "1", DECODED)
PDQ_INSTRUMENT = instrument_name("pdq", "1", DECODED)
EDGE_INSTRUMENT = instrument_name("pairs", "2", [FINGERPRINT_INSTRUMENT, SEARCH_RADIUS_BITS])
THUMBNAIL_SIDE_PX = 64
"""Longer side of a thumbnail, at most: a smaller picture is not enlarged."""
THUMBNAIL_JPEG_QUALITY = 80
THUMBNAIL_INSTRUMENT = instrument_name("thumbnail", "1", [THUMBNAIL_SIDE_PX, THUMBNAIL_JPEG_QUALITY])

HASH_SCHEMA = pa.schema(
    [
        ("sha256", pa.string()),
        ("phash256", pa.binary(32)),
        ("colors", pa.binary(GRID_BYTES)),
        ("pixels", pa.string()),
        ("views", pa.binary()),
    ]
)
"""Perceptual hashes, those of imagehash for the picture as it is decoded, bit for bit; a grid of mean colors; a digest
of the decoded pixels; and hash and grid of other views of the picture, as `dedup.views.pack_views` packs them."""

PDQ_SCHEMA = pa.schema([("sha256", pa.string()), ("pdq", pa.binary(32)), ("quality", pa.int32())])
"""PDQ, for lists of hashes that others share; `dedup.pdq.MIN_QUALITY` says which to leave out."""

QUALITY_SCHEMA = pa.schema(
    [
        ("sha256", pa.string()),
        ("sharpness", pa.float64()),
        ("flatness", pa.float64()),
        ("contrast", pa.float64()),
        ("spread", pa.int32()),
    ]
)
"""Ranges in `dedup.quality.Quality`."""

SAFETY_SCHEMA = pa.schema([("sha256", pa.string()), ("nsfw", pa.float64())])
"""How likely a picture is pornographic, in `[0, 1]`."""

METRIC_SCHEMA = pa.schema([("sha256", pa.string()), ("value", pa.float64())])
"""A number of a metric that people added; not a number where it has nothing to say of a picture."""

EMBEDDING_SCHEMA = pa.schema([("sha256", pa.string()), ("vector", pa.binary())])
"""Unit vectors of float16, little end first, whose cosine tells copies that no hash finds."""

THUMBNAIL_SCHEMA = pa.schema([("sha256", pa.string()), ("jpeg", pa.binary())])
"""Small pictures to look at, about 2 KB each. They decide nothing."""

EDGE_SCHEMA = pa.schema([("a", pa.binary(32)), ("b", pa.binary(32)), ("distance_bits", pa.int32())])
"""Pairs of distinct 256-bit hashes, of pictures as they are or of other views, a < b, at most `SEARCH_RADIUS_BITS`
apart: `dedup.banding.promised_recall` of them."""

SIMILAR_SCHEMA = pa.schema([("a", pa.string()), ("b", pa.string()), ("cosine", pa.float32())])
"""Pairs of images, a < b, whose vectors by one embedding are alike."""

CODE_SCHEMA = pa.schema([("phash256", pa.binary(32))])
"""256-bit hashes that several pictures, or views of them, have."""

CAPTION_SCHEMA = pa.schema(
    [
        ("shown_sha256", pa.string()),
        ("text", pa.string()),
        ("model", pa.string()),
        ("revision", pa.string()),
        ("prompt", pa.string()),
        ("decoding", pa.string()),
        ("seed", pa.int64()),
        ("num_tokens", pa.int32()),
        ("mean_log_prob", pa.float64()),
        ("more", pa.list_(pa.string())),
        ("more_num_tokens", pa.list_(pa.int32())),
        ("more_mean_log_prob", pa.list_(pa.float64())),
    ]
)
"""`shown_sha256` is a digest of what the captioner was shown of a record, and of nothing else: that of the image, or
the record's `text_sha256`. So a corrected title is captioned anew, and equal images once. `more` are further captions
by the same search, `num_tokens` and `mean_log_prob` as `captioning.captioners.Written` has them. How long a caption
took is no fact: see `CAPTIONING_MS_BY`."""
CAPTIONED_BY = "captioned by "
"""What a build's record calls the pictures, or texts, that an instrument captioned; its name follows."""
CAPTIONING_MS_BY = "captioning ms by "
"""What it calls the time that they took, over all workers, waiting for a device included. It is kept nowhere else: no
fact and no release may depend on a clock."""
LATER_CAPTION_COLUMNS = frozenset({"num_tokens", "mean_log_prob", "more", "more_num_tokens", "more_mean_log_prob"})
"""Columns of captions that older corpora lack. Their captions stay as they are, one a picture, of unknown length."""


def hash_facts(store: Store) -> FactTable:
    """Return the perceptual hashes of the corpus."""
    return FactTable(store=store, measure="hashes", instrument=FINGERPRINT_INSTRUMENT, schema=HASH_SCHEMA)


def quality_facts(store: Store) -> FactTable:
    """Return the quality numbers of the corpus."""
    return FactTable(store=store, measure="quality", instrument=MEASURED_QUALITY_INSTRUMENT, schema=QUALITY_SCHEMA)


def pdq_facts(store: Store) -> FactTable:
    """Return the PDQ hashes of the corpus, if it is configured to have them."""
    return FactTable(store=store, measure="pdq", instrument=PDQ_INSTRUMENT, schema=PDQ_SCHEMA)


def safety_facts(store: Store, instrument: str) -> FactTable:
    """Return what one classifier said of the pictures."""
    return FactTable(store=store, measure="safety", instrument=instrument, schema=SAFETY_SCHEMA)


def metric_facts(store: Store, name: str, instrument: str) -> FactTable:
    """Return what a metric that people added said of the pictures."""
    return FactTable(store=store, measure=f"metric-{name}", instrument=instrument, schema=METRIC_SCHEMA)


def embedding_facts(store: Store, instrument: str) -> FactTable:
    """Return the vectors that one embedding gave the pictures."""
    return FactTable(store=store, measure="embeddings", instrument=instrument, schema=EMBEDDING_SCHEMA)


def thumbnail_facts(store: Store) -> FactTable:
    """Return the thumbnails of the corpus."""
    return FactTable(store=store, measure="thumbnails", instrument=THUMBNAIL_INSTRUMENT, schema=THUMBNAIL_SCHEMA)


def caption_facts(store: Store, instrument: str) -> FactTable:
    """Return the captions that one captioner wrote."""
    return FactTable(
        store=store,
        measure="captions",
        instrument=instrument,
        schema=CAPTION_SCHEMA,
        key=Key.SHOWN,
        later=LATER_CAPTION_COLUMNS,
    )


def unsettled_caption_facts(store: Store, instrument: str) -> FactTable:
    """Return the captions of packs that are being captioned: what a kill leaves, until the next build takes it up."""
    return replace(caption_facts(store, instrument), measure="unsettled-captions")
