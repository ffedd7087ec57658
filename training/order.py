"""Which sample comes when. A pure function of seed and position, so ranks, restarts and audits agree.

Training is one long row of positions, from 0 to the images seen. Epoch `e` is the positions `[e N, (e + 1) N)` of `N`
samples. In it all shards come in a random order that depends on `(seed, e)`, in windows of a few shards; the samples of
a window are mixed in an order that depends on `(seed, e, window)`. One window is in memory, not the corpus.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Order:
    """The order of training on shards of these sizes. A sample is named `(shard, row)`, its place among sorted keys."""

    shard_sizes: tuple[int, ...]
    window_shards: int
    """Shards that are mixed. With all of them the order is a random permutation of all samples."""
    seed: int

    @property
    def num_samples(self) -> int:
        """Samples in an epoch."""
        return sum(self.shard_sizes)

    def at(self, position: int) -> tuple[int, int]:
        """Return the shard and the row that are seen at a position."""
        epoch, offset = divmod(position, self.num_samples)
        window, start = self._window_at(epoch, offset)
        shard, row = _window_order(self, epoch, window)[offset - start]
        return int(shard), int(row)

    def times_seen(self, images_seen: int) -> list[Ints]:
        """Return, for each shard, how often each of its rows was seen in the first `images_seen` positions.

        >>> order = Order(shard_sizes=(3, 2), window_shards=2, seed=0)
        >>> [times.tolist() for times in order.times_seen(10)]  # two epochs
        [[2, 2, 2], [2, 2]]
        """
        epoch, offset = divmod(images_seen, self.num_samples)
        counts = [np.full(size, epoch, np.int64) for size in self.shard_sizes]
        last, start = self._window_at(epoch, offset)
        for window in range(last):
            for shard in _windows(self, epoch)[window]:
                counts[shard] += 1
        for shard, row in _window_order(self, epoch, last)[: offset - start]:
            counts[shard][row] += 1
        return counts

    def times_seen_at(self, images_seen: int, shard: int, row: int) -> int:
        """Return what `times_seen` says of one sample, without counting the others."""
        epoch, offset = divmod(images_seen, self.num_samples)
        last, start = self._window_at(epoch, offset)
        window = next(number for number, shards in enumerate(_windows(self, epoch)) if shard in shards)
        if window != last:
            return epoch + (window < last)
        seen = _window_order(self, epoch, last)[: offset - start]
        return epoch + int(np.any((seen == (shard, row)).all(axis=1)))

    def _window_at(self, epoch: int, offset: int) -> tuple[int, int]:
        """Return the window that holds an offset into an epoch, and the offset at which it starts."""
        start = 0
        for window, shards in enumerate(_windows(self, epoch)):
            size = sum(self.shard_sizes[shard] for shard in shards)
            if offset < start + size:
                return window, start
            start += size
        raise AssertionError(f"offset {offset} is not below {self.num_samples}")


@lru_cache(maxsize=4)
def _windows(order: Order, epoch: int) -> list[list[int]]:
    shards = _permutation(len(order.shard_sizes), order.seed, epoch).tolist()
    return [shards[start : start + order.window_shards] for start in range(0, len(shards), order.window_shards)]


@lru_cache(maxsize=2)
def _window_order(order: Order, epoch: int, window: int) -> Ints:
    """Return `(samples, 2)`: shard and row of every sample of a window, in the order of training."""
    shards = _windows(order, epoch)[window]
    samples = np.concatenate(
        [
            np.stack([np.full(size, shard), np.arange(size)], 1)
            for shard in shards
            for size in [order.shard_sizes[shard]]
        ]
    )
    mixed: Ints = samples[_permutation(len(samples), order.seed, epoch, window)]
    return mixed


def _permutation(size: int, *key: int) -> Ints:
    """Sort random keys: numpy promises the stream of a bit generator forever, not that of `permutation`."""
    raw = np.random.PCG64(list(key)).random_raw(size)
    return np.argsort(raw, kind="stable")
