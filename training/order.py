"""Which sample comes when. A pure function of seed and position, so ranks, restarts and audits agree.

Training is one long row of positions, from 0 to the images seen. Position `p` belongs to stream `p % S` of `S` streams;
a rank reads whole streams, so any number of ranks that divides `S` sees the same batches. Epoch `e` is the positions
`[e N, (e + 1) N)` of `N` samples. In it all shards come in a random order that depends on `(seed, e)`, laid end to end
to a row of `N` samples, which is cut into a span for each stream, as long as the stream has positions in the epoch.
Inside a span the samples are mixed in windows, in an order that depends on `(seed, e, stream, window)`.

Where pictures have several shapes, a window holds the same samples, in runs: what a stream gives to a step has one
shape, but for the few that are left over of each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Places = tuple[Ints, Ints]
"""Shards and rows: a sample is named by its shard and its place among the shard's sorted keys."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Samples of one stream that are mixed with each other."""

    shards: Ints
    """Where they lie: each shard once."""
    end: int
    """The index in the stream at which the next window begins."""


@dataclass(frozen=True, kw_only=True)
class Runs:
    """What keeps samples of one shape together."""

    bucket_of: Callable[[int], Ints]
    """Shard -> the bucket of each of its rows."""
    length: int
    """Samples that a stream gives to a step."""

    def buckets(self, places: Places) -> Ints:
        """Return the buckets of samples."""
        shards, rows = places
        buckets = np.empty(len(rows), np.int64)
        for shard in np.unique(shards).tolist():
            buckets[shards == shard] = self.bucket_of(shard)[rows[shards == shard]]
        return buckets


@dataclass(frozen=True, kw_only=True)
class Order:
    """The order of training on shards of these sizes. Every epoch is exactly one permutation of all samples."""

    shard_sizes: tuple[int, ...]
    streams: int
    """Ways in which the row of an epoch is cut. They decide the order, and how many ranks may share it."""
    window_samples: int
    """Samples of a stream that are mixed."""
    seed: int
    runs: Runs | None = None
    """None where all samples have one shape."""

    @cached_property
    def num_samples(self) -> int:
        """Samples in an epoch."""
        return sum(self.shard_sizes)

    def take(self, stream: int, start: int, count: int) -> Places:
        """Return the places of the samples `[start, start + count)` of a stream.

        >>> shards, rows = Order(shard_sizes=(3, 2), streams=1, window_samples=5, seed=0).take(0, 0, 5)
        >>> sorted(zip(shards.tolist(), rows.tolist()))
        [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
        """
        pieces = [(np.empty(0, np.int64), np.empty(0, np.int64))]
        while count:
            epoch, window, offset = self._window_at(stream, start)
            shards, rows = self._mixed(epoch, stream, window)
            piece = slice(offset, offset + count)
            pieces.append((shards[piece], rows[piece]))
            taken = len(pieces[-1][0])
            start, count = start + taken, count - taken
        return np.concatenate([shards for shards, _ in pieces]), np.concatenate([rows for _, rows in pieces])

    def batch(self, start: int, count: int) -> Places:
        """Return the places of the positions `[start, start + count)`, in their order."""
        shards, rows = np.empty(count, np.int64), np.empty(count, np.int64)
        for lag in range(min(self.streams, count)):
            index, stream = divmod(start + lag, self.streams)
            places = slice(lag, None, self.streams)
            shards[places], rows[places] = self.take(stream, index, len(range(lag, count, self.streams)))
        return shards, rows

    def window(self, stream: int, index: int) -> Window:
        """Return the window that holds a sample of a stream."""
        number, window, offset = self._window_at(stream, index)
        epoch, (start, stop) = self._epoch(number), self._borders(number, stream, window)
        first, last = epoch.places_at(np.array([start, stop - 1]))
        return Window(shards=epoch.shards[first : last + 1], end=index - offset + stop - start)

    def times_seen(self, images_seen: int) -> list[Ints]:
        """Return, for each shard, how often each of its rows was seen in the first `images_seen` positions.

        >>> order = Order(shard_sizes=(3, 2), streams=2, window_samples=4, seed=0)
        >>> [times.tolist() for times in order.times_seen(10)]  # two epochs
        [[2, 2, 2], [2, 2]]
        """
        epoch = self._epoch(images_seen // self.num_samples)
        row = np.full(self.num_samples, epoch.number, np.int64)
        for stream in range(self.streams):
            done, window, seen = self._progress(epoch, stream, images_seen)
            row[epoch.spans[stream] : done] += 1
            row[done + self._permutation(epoch.number, stream, window)[:seen]] += 1
        parts = np.split(row, epoch.ends[:-1])
        return [parts[position] for position in epoch.places]

    def times_seen_at(self, images_seen: int, shard: int, row: int) -> int:
        """Return what `times_seen` says of one sample, without counting the others."""
        epoch = self._epoch(images_seen // self.num_samples)
        position = epoch.places[shard]
        at = epoch.ends[position] - self.shard_sizes[shard] + row
        stream = int(np.searchsorted(epoch.spans, at, side="right")) - 1
        done, window, seen = self._progress(epoch, stream, images_seen)
        if at < done:
            return epoch.number + 1
        return epoch.number + int(at - done in self._permutation(epoch.number, stream, window)[:seen])

    def _progress(self, epoch: "_Epoch", stream: int, images_seen: int) -> tuple[int, int, int]:
        """Return where the window starts that a stream is in, its number, and how many of its samples were seen."""
        window, seen = divmod(self._count(stream, images_seen) - int(epoch.firsts[stream]), self.window_samples)
        return int(epoch.spans[stream]) + window * self.window_samples, window, seen

    def _count(self, stream: int, positions: int) -> int:
        """Return how many of the first positions belong to a stream."""
        return (positions + self.streams - 1 - stream) // self.streams

    def _window_at(self, stream: int, index: int) -> tuple[int, int, int]:
        """Return the epoch and the window of a stream's sample, and its offset in the window."""
        epoch = (index * self.streams + stream) // self.num_samples
        return epoch, *divmod(index - self._count(stream, epoch * self.num_samples), self.window_samples)

    def _borders(self, epoch: int, stream: int, window: int) -> tuple[int, int]:
        """Return where a window lies in the row of an epoch."""
        start, stop = self._epoch(epoch).spans[stream : stream + 2].tolist()
        start += window * self.window_samples
        return start, max(start, min(start + self.window_samples, stop))

    @cached_property
    def _permutation(self) -> Callable[[int, int, int], Ints]:
        """Return the order of a window: epoch, stream, window -> offsets into it."""
        return lru_cache(maxsize=2 * self.streams)(self._permute)

    def _permute(self, epoch: int, stream: int, window: int) -> Ints:
        start, stop = self._borders(epoch, stream, window)
        mixed = _permutation(stop - start, self.seed, epoch, 1 + stream, window)
        if self.runs is None:
            return mixed
        first = int(self._epoch(epoch).firsts[stream]) + window * self.window_samples
        buckets = self.runs.buckets(self._places(epoch, start + mixed))
        return mixed[_in_runs(buckets, head=-first % self.runs.length, length=self.runs.length)]

    @cached_property
    def _epoch(self) -> Callable[[int], "_Epoch"]:
        return lru_cache(maxsize=4)(self._draw_epoch)

    def _draw_epoch(self, number: int) -> "_Epoch":
        shards = _permutation(len(self.shard_sizes), self.seed, number)
        begins, ends = number * self.num_samples, (number + 1) * self.num_samples
        firsts = [self._count(stream, begins) for stream in range(self.streams)]
        lengths = [self._count(stream, ends) - first for stream, first in enumerate(firsts)]
        return _Epoch(
            number=number,
            shards=shards,
            places=np.argsort(shards),
            ends=np.cumsum(np.array(self.shard_sizes)[shards]),
            firsts=np.array(firsts),
            spans=np.cumsum([0, *lengths]),
        )

    @cached_property
    def _mixed(self) -> Callable[[int, int, int], Places]:
        return lru_cache(maxsize=2 * self.streams)(self._mix)

    def _mix(self, number: int, stream: int, window: int) -> Places:
        """Return the places of a window's samples, in the order of training."""
        start, _ = self._borders(number, stream, window)
        return self._places(number, start + self._permutation(number, stream, window))

    def _places(self, number: int, at: Ints) -> Places:
        """Return the places of these samples of the row of an epoch."""
        epoch = self._epoch(number)
        shards = epoch.shards[epoch.places_at(at)]
        return shards, at - epoch.ends[epoch.places[shards]] + np.array(self.shard_sizes)[shards]


@dataclass(frozen=True, kw_only=True)
class _Epoch:
    """How the shards of an epoch are laid out."""

    number: int
    shards: Ints
    """The shards in their order of this epoch."""
    places: Ints
    """Shard -> its place in that order."""
    ends: Ints
    """Place -> where its shard ends in the row of samples."""
    firsts: Ints
    """Stream -> the index of its first sample of this epoch."""
    spans: Ints
    """Where the spans of the streams begin in the row, and where the last one ends."""

    def places_at(self, at: Ints) -> Ints:
        """Return the places of the shards that hold these samples of the row."""
        return np.searchsorted(self.ends, at, side="right")


def _permutation(size: int, *key: int) -> Ints:
    """Sort random keys: numpy promises the stream of a bit generator forever, not that of `permutation`."""
    raw = np.random.PCG64(list(key)).random_raw(size)
    return np.argsort(raw, kind="stable")


def _in_runs(buckets: Ints, *, head: int, length: int) -> Ints:
    """Return the order of a window's samples, of which these are the buckets: runs of one bucket, and what is left.

    A run begins where a step does: the first `head` samples belong to a step that an earlier window began. A run comes
    where its last sample would have. What is left over is laid bucket by bucket around them.
    """
    together = np.argsort(buckets, kind="stable")
    sizes = np.bincount(buckets)
    number = np.arange(len(buckets)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    is_whole = number < np.repeat(sizes // length * length, sizes)
    runs = together[is_whole].reshape(-1, length)
    runs = runs[np.argsort(runs[:, -1])]
    room = max(0, len(buckets) - head) // length
    left = np.sort(np.concatenate([together[~is_whole], runs[room:].ravel()]))
    left = left[np.argsort(buckets[left], kind="stable")]
    return np.concatenate([left[:head], runs[:room].ravel(), left[head:]])
