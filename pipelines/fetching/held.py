"""Bytes that a source has already, on this machine or on an object store: a file, a member of a tar, or a cell of a
Parquet file."""

import os
import re
import stat
import tempfile
from pathlib import Path

from byline.catalog.corpora.packs import Outcome
from byline.catalog.disk.far import far_file, is_far
from byline.catalog.errors import StorageError
from byline.pictures.cells import cell_at
from byline.pipelines.fetching.transport import Answer
from byline.pipelines.fetching.unpacked import Unpacked

_MEMBER = re.compile(r"(?P<path>.+)#(?P<offset>\d{1,18})\+(?P<size>\d{1,18})", re.DOTALL)


def read_held(held: str, *, max_bytes: int, unpacked: Unpacked | None = None) -> Answer:
    """Return the bytes at `held` of `catalog.corpora.records.ImageRecord`. Never raises for what lies there.

    `unpacked` keeps what lies around a cell for those that are asked for next.
    """
    if (cell := cell_at(held)) is not None:
        if unpacked is not None:
            return unpacked.read(cell, max_bytes=max_bytes)
        with tempfile.TemporaryDirectory(prefix="byline-") as folder:
            return Unpacked(Path(folder)).read(cell, max_bytes=max_bytes)
    member = _MEMBER.fullmatch(held)
    path, offset = (member["path"], int(member["offset"])) if member else (held, 0)
    if is_far(path):
        return _read_far(path, offset, int(member["size"]) if member else None, max_bytes)
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                return Answer(outcome=Outcome.UNREACHABLE, message=f"{path} is no file")
            size = int(member["size"]) if member else state.st_size
            if size > max_bytes:
                return Answer(outcome=Outcome.TOO_LARGE, message=f"over {max_bytes:,} bytes")
            file.seek(offset)
            body = file.read(size)
    except (OSError, ValueError) as error:
        return Answer(outcome=Outcome.UNREACHABLE, message=f"cannot read {path}: {error}")
    if len(body) < size:
        return Answer(outcome=Outcome.DAMAGED, message=f"{path} ends before the picture does")
    return Answer(body=body)


def _read_far(url: str, offset: int, size: int | None, max_bytes: int) -> Answer:
    """Read a file of an object store, or so many bytes of it; what is too large is not read."""
    folder, name = far_file(url)
    try:
        size = folder.size_bytes(name) if size is None else size
        if size > max_bytes:
            return Answer(outcome=Outcome.TOO_LARGE, message=f"over {max_bytes:,} bytes")
        body = folder.read_bytes(name, start=offset, end=offset + size) if size else b""
    except (OSError, StorageError) as error:
        return Answer(outcome=Outcome.UNREACHABLE, message=f"cannot read {url}: {error}")
    if len(body) < size:
        return Answer(outcome=Outcome.DAMAGED, message=f"{url} ends before the picture does")
    return Answer(body=body)
