"""How many bytes samples fill in a tar, from their columns alone: to the byte what `sample_members` would write.

The parts that no policy can change are kept with the joined rows of a pack; the rest depends on the license and split.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.sample_schema import NOT_STATED, SAMPLE_COLUMNS, SEVERAL_SCHEMA
from byline.catalog.digests import canonical_json
from byline.catalog.disk.tars import end_of_tar
from byline.catalog.licenses.reading import license_url

Ints = npt.NDArray[np.int64]
BLOCK = 512
JUDGED = ("license", "license_url", "split")
"""Columns of a sample that the policy decides."""
_ADDED = np.zeros(256, np.uint8)
"""What JSON adds to each byte of UTF-8 text: `\\u0000` for a control character, a backslash before a few others."""
_ADDED[:32] = 5
_ADDED[[*b'"\\\b\f\n\r\t']] = 1


def json_bytes(columns: Mapping[str, pa.ChunkedArray]) -> Ints:
    """Return the bytes of each sample's JSON but for the values of `JUDGED`, which `columns` need not have."""
    names = [*SAMPLE_COLUMNS, *(name for name in SEVERAL_SCHEMA.names if name in columns)]
    total = len(canonical_json(dict.fromkeys(names, 0))) - len(names)
    lengths = (_json_lengths(columns[name]) for name in names if name not in JUDGED)
    return np.asarray(sum(lengths, np.int64(total)), np.int64)


def other_bytes(picture_bytes: Ints, captions: pa.ChunkedArray) -> Ints:
    """Return the bytes of the members beside the JSON: the picture and its caption (none: empty)."""
    return _member(picture_bytes) + _member(_numbers(pc.binary_length(pc.fill_null(captions, ""))))


def sample_sizes(
    json_bytes: Ints, other_bytes: Ints, license: Ints, licenses: Sequence[str], heldout: npt.NDArray[np.bool_]
) -> Ints:
    """Return the bytes of all members of each sample, headers and padding included; its license by place."""
    urls = [license_url(spdx) or NOT_STATED for spdx in licenses]
    license_bytes = np.array(
        [len(canonical_json(spdx) + canonical_json(url)) for spdx, url in zip(licenses, urls, strict=True)]
    )
    split = np.where(heldout, len('"heldout"'), len('"train"'))
    return other_bytes + _member(json_bytes + license_bytes[license] + split)


def tar_bytes(sizes: Ints) -> int:
    """Return the bytes of the tar that holds samples of these sizes."""
    whole = int(sizes.sum())
    return whole + len(end_of_tar(whole))


def _member(num_bytes: Ints) -> Ints:
    return BLOCK + -(-num_bytes // BLOCK) * BLOCK


def _json_lengths(column: pa.ChunkedArray) -> Ints:
    """Return the bytes of each value as canonical JSON. A number that is missing (nothing was fetched) has none."""
    if pa.types.is_list(column.type):
        return np.array([len(canonical_json(value)) for value in column.to_pylist()], np.int64)
    whole = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    is_text = pa.types.is_string(whole.type)
    text = pc.fill_null(whole if is_text else whole.cast(pa.string()), NOT_STATED)
    return _numbers(pc.binary_length(text)) + (_added(text) + len('""') if is_text else 0)


def _added(text: pa.StringArray) -> Ints:
    if not len(text):
        return np.zeros(0, np.int64)
    offsets = np.frombuffer(text.buffers()[1], np.int32)[text.offset : text.offset + len(text) + 1]
    added = _ADDED[np.frombuffer(text.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]]
    if not added.any():
        return np.zeros(len(text), np.int64)
    until = np.concatenate([[0], np.cumsum(added, dtype=np.int64)])[offsets - offsets[0]]
    return np.asarray(np.diff(until), np.int64)


def _numbers(column: pa.Array | pa.ChunkedArray) -> Ints:
    return np.asarray(column.to_numpy(zero_copy_only=False), np.int64)
