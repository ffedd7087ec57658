"""What is asked of S3 otherwise than s3fs does, by fewer requests; of other filesystems as fsspec does."""

import errno
from typing import cast

import fsspec

BLOCK_BYTES = 50 * 2**20
"""What one request reads of an object that is asked for whole."""
AT_ONCE = 10
"""Requests at a time for the blocks of one object."""


def is_there(filesystem: fsspec.AbstractFileSystem, path: str) -> bool:
    """Tell whether a file is there; without the listing that s3fs adds where there is none, to find a folder."""
    if "s3" not in filesystem.protocol:
        return bool(filesystem.exists(path))
    bucket, key, _ = filesystem.split_path(path)
    try:
        filesystem.call_s3("head_object", Bucket=bucket, Key=key)
    except FileNotFoundError:
        return False
    return True


def read_whole(filesystem: fsspec.AbstractFileSystem, path: str) -> bytes:
    """Return all bytes of a file, without asking first how many they are, as s3fs does.

    What is longer than a block is read on by several requests at once.
    """
    if "s3" not in filesystem.protocol:
        return cast(bytes, filesystem.cat_file(path))
    try:
        block = cast(bytes, filesystem.cat_file(path, start=0, end=BLOCK_BYTES))
    except OSError as error:
        if error.errno != errno.EINVAL:  # which is also said of an empty object: it has no first byte
            raise
        return cast(bytes, filesystem.cat_file(path))
    if len(block) < BLOCK_BYTES:
        return block
    starts = range(BLOCK_BYTES, filesystem.size(path), BLOCK_BYTES)
    ends = [start + BLOCK_BYTES for start in starts]
    blocks = filesystem.cat_ranges([path] * len(ends), list(starts), ends, batch_size=AT_ONCE, on_error="raise")
    return b"".join([block, *blocks])
