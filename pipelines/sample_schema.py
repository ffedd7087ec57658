"""What travels with a picture: the columns of samples and of shard tables, and where each comes from."""

import pyarrow as pa

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
SHARD_SCHEMA = pa.schema(
    [*SAMPLE_SCHEMA, pa.field("offset", pa.int64()), pa.field("size", pa.int64()), pa.field("xxh3", pa.uint64())]
)
"""`offset`, `size` and `xxh3` (64 bits) are those of all members of a sample in the tar, headers included."""
