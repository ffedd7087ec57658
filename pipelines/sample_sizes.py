"""How many bytes samples fill in a tar, from their columns alone: to the byte what `sample_members` would write."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.digests import canonical_json
from catalog.tars import end_of_tar
from pipelines.samples import SAMPLE_COLUMNS

Ints = npt.NDArray[np.int64]
BLOCK = 512
_ADDED = np.zeros(256, np.uint8)
"""What JSON adds to each byte of UTF-8 text: `\\u0000` for a control character, a backslash before a few others."""
_ADDED[:32] = 5
_ADDED[[*b'"\\\b\f\n\r\t']] = 1


def sample_sizes(samples: pa.Table, picture_bytes: Ints) -> Ints:
    """Return the bytes of all members of each sample (`SAMPLE_SCHEMA`), headers and padding included."""
    json_bytes = np.full(len(samples), len(canonical_json(dict.fromkeys(SAMPLE_COLUMNS, 0))) - len(SAMPLE_COLUMNS))
    for name in SAMPLE_COLUMNS:
        json_bytes += _json_lengths(samples[name])
    caption_bytes = _numbers(pc.binary_length(samples["caption"]))
    members = np.stack([picture_bytes, json_bytes, caption_bytes])
    return np.asarray((BLOCK + -(-members // BLOCK) * BLOCK).sum(axis=0), np.int64)


def tar_bytes(sizes: Ints) -> int:
    """Return the bytes of the tar that holds samples of these sizes."""
    whole = int(sizes.sum())
    return whole + len(end_of_tar(whole))


def _json_lengths(column: pa.ChunkedArray) -> Ints:
    """Return the bytes of each value as canonical JSON."""
    whole = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    is_text = pa.types.is_string(whole.type)
    text = pc.fill_null(whole if is_text else whole.cast(pa.string()), "")
    lengths = _numbers(pc.binary_length(text)) + (_added(text) + 2 if is_text else 0)
    return np.asarray(np.where(whole.is_null().to_numpy(zero_copy_only=False), len("null"), lengths), np.int64)


def _added(text: pa.StringArray) -> Ints:
    if not len(text):
        return np.zeros(0, np.int64)
    offsets = np.frombuffer(text.buffers()[1], np.int32)[text.offset : text.offset + len(text) + 1]
    added = _ADDED[np.frombuffer(text.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]]
    if not added.any():
        return np.zeros(len(text), np.int64)
    until = np.concatenate([[0], np.cumsum(added, dtype=np.int64)])[offsets - offsets[0]]
    return np.diff(until)


def _numbers(column: pa.Array | pa.ChunkedArray) -> Ints:
    return np.asarray(column.to_numpy(zero_copy_only=False), np.int64)
