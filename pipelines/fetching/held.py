"""Bytes that a source has on this machine already: a file, or a member of a tar."""

import os
import re
import stat

from byline.catalog.corpora.packs import Outcome
from byline.pipelines.fetching.transport import Answer

_MEMBER = re.compile(r"(?P<path>.+)#(?P<offset>\d{1,18})\+(?P<size>\d{1,18})", re.DOTALL)


def read_held(held: str, *, max_bytes: int) -> Answer:
    """Return the bytes at `held` of `catalog.corpora.records.ImageRecord`. Never raises for what lies there."""
    member = _MEMBER.fullmatch(held)
    path, offset = (member["path"], int(member["offset"])) if member else (held, 0)
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
