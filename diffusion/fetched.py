"""Checkpoints of object stores, fetched once to this machine and shared by its processes."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from byline.catalog.digests import sha256_of_file
from byline.catalog.disk.storage import Store

KEPT = 3
"""Checkpoints that stay here for the next process; older ones go when nothing asked for them for a day."""
UNUSED_S = 86_400.0


def cache_folder() -> Path:
    """Return the folder of this user and machine for what can be fetched or made again (`XDG_CACHE_HOME`)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "byline"


def fetched(store: Store, checkpoint: str, digest: str, files: Mapping[str, str]) -> Path:
    """Return the folder of this machine that has these files (path -> SHA-256) of the checkpoint of this digest.

    Only those that are not here yet, or are other ones, are fetched, by one process at a time.
    """
    folder = cache_folder() / "checkpoints" / digest
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        for name, sha256 in sorted(files.items()):
            file = folder / name
            if not file.is_file() or _digest(file) != sha256:
                partial = folder.with_suffix(".partial")
                store.download(f"{checkpoint}/{name}" if checkpoint else name, partial)
                file.parent.mkdir(parents=True, exist_ok=True)
                partial.replace(file)
        os.utime(folder)
    _forget_others(folder)
    return folder


def _forget_others(used: Path) -> None:
    others = sorted((path for path in used.parent.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for folder in others[:-KEPT]:
        if folder != used and time.time() - folder.stat().st_mtime > UNUSED_S:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with folder.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return sha256_of_file(file)
