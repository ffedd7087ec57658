"""What travels with a picture: the columns of samples and of shard tables, and where each comes from.

Every sample says all of it, with one type each: what a source does not state is the empty text, never null. Readers
take types from the first samples that they meet, and a field that is null in those and text later has none.
"""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

INDEX_COLUMNS = (
    "url",
    "key",
    "status",
    "error_message",
    "width",
    "height",
    "original_width",
    "original_height",
    "sha256",
)
RECORD_COLUMNS = ("title", "creator", "creator_url", "landing_url", "retrieved_at")
CAPTION_COLUMNS = {
    "caption": "text",
    "caption_model": "model",
    "caption_revision": "revision",
    "caption_prompt": "prompt",
}
_NUMBERS = ("width", "height", "original_width", "original_height")
SAMPLE_COLUMNS = (
    *INDEX_COLUMNS, "caption", "stored_sha256", "record_id", "license", "license_url", *RECORD_COLUMNS,
    "caption_model", "caption_revision", "caption_prompt", "split",
)  # fmt: skip
"""What travels with a picture, in this order: img2dataset's columns, then whose it is and why it is in."""
SAMPLE_SCHEMA = pa.schema([(name, pa.int32() if name in _NUMBERS else pa.string()) for name in SAMPLE_COLUMNS])
NOT_STATED = ""
"""What a sample says where a source says nothing. Numbers are those of a decoded picture: there is none without."""
SEVERAL_SCHEMA = pa.schema(
    [
        ("captions", pa.list_(pa.string())),
        ("caption_weights", pa.list_(pa.float64())),
        ("captioners", pa.list_(pa.string())),
    ]
)
"""What samples say besides in a release that ships several captions: all of them, `caption` (which is `txt`) first
unless it is empty; how often to draw each, against the others; and the instrument that wrote it."""
PLACES_SCHEMA = pa.schema([("offset", pa.int64()), ("size", pa.int64()), ("xxh3", pa.uint64())])
"""What the table of a shard adds: `offset`, `size` and `xxh3` (64 bits) are those of all members of a sample in the
tar, headers included."""
SHARD_SCHEMA = pa.schema([*SAMPLE_SCHEMA, *PLACES_SCHEMA])
"""The table of a shard where a sample has one caption."""


def samples_table(columns: Mapping[str, pa.ChunkedArray]) -> pa.Table:
    """Return these columns as `SAMPLE_SCHEMA`, without a null: what is not stated is `NOT_STATED`. Those of
    `SEVERAL_SCHEMA` follow if they are there."""
    stated_columns = {name: columns[name] if name in _NUMBERS else stated(columns[name]) for name in SAMPLE_COLUMNS}
    table = pa.table(stated_columns, schema=SAMPLE_SCHEMA)
    assert not any(table[name].null_count for name in _NUMBERS), "a picture that was fetched has its sizes"
    for field in SEVERAL_SCHEMA:
        if field.name in columns:
            table = table.append_column(field, columns[field.name])
    return table


def stated(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return text as samples say it."""
    return pc.fill_null(text, NOT_STATED)
