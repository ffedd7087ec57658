"""Where a run lies: in its folder, or under a URL, beside which this machine keeps what is not saved yet."""

from pathlib import Path

from byline.catalog.digests import sha256_hex
from byline.catalog.disk.storage import Store
from byline.diffusion.fetched import cache_folder


def working_folder(run: str) -> Path:
    """Return the folder for what a run writes as it goes: its own, or one of this machine for a run under a URL.

    What lies there of a run under a URL (the log) is copied to the URL with every checkpoint, and back at a start.
    """
    if Store(run).is_local:
        return Path(run)
    return cache_folder() / "runs" / sha256_hex(run.encode())[:16]
