"""Shards of a release as mapped arrays, made when they are needed, in a folder that stays below a size.

Ranks of one machine may share the folder: what one made, another opens. What was not opened for longest goes first; it
may go while another rank has it mapped, which keeps it. A cache can be deleted whenever no run uses it.
"""

import os
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock

from byline.catalog.corpora.manifest import Shard
from byline.catalog.digests import digest_of
from byline.catalog.errors import ConfigError, StorageError
from byline.training.feed_files import PARTIAL, Arrays, DamagedArraysError, NewArrays, open_arrays, write_arrays
from byline.training.places import working_folder
from byline.training.run_config import RunConfig

ABANDONED_S = 3600
"""What nobody has added a file to for so long is not being made."""
MAKERS = 2
"""Shards that are made at once. Their time goes into decompressing and copying, which other threads do not wait for."""
GB = 10**9
CACHE = "feed"
"""The folder of the cache in that of a run."""


def cache_of(
    config: RunConfig, shards: Sequence[Shard], made_of: Sequence[object], make: Callable[[Shard, NewArrays], None]
) -> "FeedCache":
    """Open a run's cache of these shards. `made_of` is what decides what `make` gives, beside the shard."""
    return FeedCache(
        Path(config.machine.cache or working_folder(config.run) / CACHE),
        max_bytes=config.machine.cache_gb * GB,
        names=[digest_of([shard.name, *made_of])[:32] for shard in shards],
        make=lambda shard, new: make(shards[shard], new),
    )


def _remove_partial(folder: Path) -> None:
    """Delete what a killed run left half made; what is being made now is younger."""
    for path in folder.glob(f"{PARTIAL}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(path, ignore_errors=True)


class FeedCache:
    """What opens shards by their numbers, and reads ahead."""

    def __init__(
        self, folder: Path, *, max_bytes: float, names: Sequence[str], make: Callable[[int, NewArrays], None]
    ) -> None:
        """Open a cache. `names[shard]` says all that decides what `make` gives for a shard."""
        self._folder, self._max_bytes, self._names, self._make = folder, max_bytes, names, make
        self._pool = ThreadPoolExecutor(MAKERS, thread_name_prefix="feed")
        self._lock = Lock()
        self._sizes: dict[str, int] = {}
        self._now: frozenset[int] = frozenset()
        self._needed: frozenset[int] = frozenset()
        self._asked: dict[int, Future[Arrays | None]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        _remove_partial(folder)

    def prepare(self, now: Collection[int], soon: Collection[int]) -> None:
        """Begin to open the shards in `now`, then, as far as there is room, those in `soon`; let go of all others."""
        self._now, self._needed = frozenset(now), frozenset((*now, *soon))
        for shard in self._asked.keys() - self._needed:
            self._asked.pop(shard).cancel()
        for shard in (*now, *soon):
            if shard not in self._asked:
                self._asked[shard] = self._pool.submit(self._open, shard)

    def arrays(self, shard: int) -> Arrays:
        """Return the arrays of a shard in `now`; waits until they are there.

        Raises `ConfigError` when those in `now` do not fit, and whatever `make` raises.
        """
        arrays = self._asked[shard].result()
        if arrays is None:  # there was no room for it when it was only to be needed soon
            self._asked[shard] = self._pool.submit(self._open, shard)
            arrays = self._asked[shard].result()
        if arrays is None:
            raise ConfigError(
                f"machine.cache_gb = {self._max_bytes / GB:g} does not hold the {len(self._now)} shards that are "
                "mixed at one time; raise it, or lower shuffle_samples"
            )
        return arrays

    def close(self) -> None:
        """End all threads; what they have begun is not waited for longer than one shard takes."""
        self._pool.shutdown(cancel_futures=True)

    def _open(self, shard: int) -> Arrays | None:
        """Return the arrays of a shard, made if need be; none where there is no room for them."""
        folder = self._folder / self._names[shard]
        for _ in range(3):  # another rank may take it away, or a disk may have lost some of it
            was_there = folder.exists()
            try:
                arrays = open_arrays(folder)
            except DamagedArraysError:
                if was_there:  # else it may be there by now, whole, from another rank
                    shutil.rmtree(folder, ignore_errors=True)
                if not self._make_room(shard):
                    return None
                self._write(shard, folder)
            else:
                with suppress(FileNotFoundError):  # another rank took it away; what is mapped stays
                    os.utime(folder)
                return arrays
        raise ConfigError(
            f"{folder} goes away as soon as it is made; raise machine.cache_gb = {self._max_bytes / GB:g}"
        )

    def _write(self, shard: int, folder: Path) -> None:
        try:
            write_arrays(folder, lambda new: self._make(shard, new))
        except OSError as error:
            raise StorageError(
                f"cannot write {folder}: {error.strerror or error}; free some of the disk, lower machine.cache_gb, or "
                "name another folder as machine.cache"
            ) from error

    def _make_room(self, shard: int) -> bool:
        """Delete what is oldest until a shard of average size fits, and tell whether it does."""
        with self._lock:
            needed = self._now if shard in self._now else self._needed
            kept = {self._names[number] for number in needed}
            sizes = self._sizes_oldest_first()
            left = self._max_bytes - sum(sizes.values()) * (1 + 1 / max(1, len(sizes)))
            for name in [name for name in sizes if name not in kept]:
                if left >= 0:
                    break
                shutil.rmtree(self._folder / name, ignore_errors=True)
                left += sizes[name]
            return left >= 0

    def _sizes_oldest_first(self) -> dict[str, int]:
        folders = []
        for path in self._folder.iterdir():
            if path.is_dir() and not path.name.startswith(PARTIAL):
                with suppress(FileNotFoundError):  # another rank took it away
                    folders.append((path.stat().st_mtime, path.name, self._size(path)))
        return {name: size for _, name, size in sorted(folders)}

    def _size(self, folder: Path) -> int:
        if folder.name not in self._sizes:
            self._sizes[folder.name] = sum(file.stat().st_size for file in folder.iterdir())
        return self._sizes[folder.name]
