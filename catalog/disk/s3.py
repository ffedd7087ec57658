"""What is asked of S3 otherwise than s3fs does, by fewer requests, and what it answers when it does not do it."""

import errno
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import fsspec

BLOCK_BYTES = 50 * 2**20
"""What one request reads of an object that is asked for whole."""
AT_ONCE = 10
"""Requests at a time for the blocks of one object."""


BUSY = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)
"""What S3 answers when it is asked too much, and not broken."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What S3 answered to a request that was sent again and again."""

    code: str
    status: int
    num_requests: int

    @property
    def answer(self) -> str:
        """The answer, for messages."""
        return self.code if self.code == str(self.status) else f"{self.code} ({self.status})"

    @property
    def is_busy(self) -> bool:
        """Whether it is asked too much, and not broken."""
        return self.status in BUSY


def refusal_in(error: Exception) -> Refusal | None:
    """Return what S3 answered where an error of s3fs says that it would not do what it was asked; none for others.

    botocore asks again by itself, and says how often; where the store is busy, s3fs has it do all that again.
    """
    response = getattr(error.__cause__, "response", None)
    if not isinstance(error, OSError) or not isinstance(response, dict):
        return None
    code, answered, status = str(response["Error"].get("Code")), response["ResponseMetadata"], _status(response)
    if status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    rounds = int(fsspec.get_filesystem_class("s3").retries) if status in BUSY else 1
    return Refusal(code=code, status=status, num_requests=rounds * (1 + int(answered.get("RetryAttempts", 0))))


def wait_while_busy() -> None:
    """Let s3fs ask again whenever the store says that it is busy.

    By itself it looks for SlowDown in what the store says, and the answer to a HEAD says nothing but its status.
    """
    from s3fs.core import set_custom_error_handler

    set_custom_error_handler(lambda error: _status(getattr(error, "response", None)) in BUSY)


def _status(response: object) -> int:
    """Return the status of an answer as botocore keeps it; 0 of anything else."""
    answered = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
    return int(answered.get("HTTPStatusCode", 0))


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
