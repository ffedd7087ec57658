"""What a rank reads for each step: its places in the order, its random numbers, and the shards that they lie in."""

# Shapes: N samples, U random numbers of a sample, C channels, H and W height and width.

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from byline.catalog.errors import ConfigError
from byline.diffusion.seeds import seed_from
from byline.training.feed_cache import FeedCache
from byline.training.feed_files import Array, Arrays
from byline.training.order import Ints, Order
from byline.training.ranks import Ranks
from byline.training.read_ahead import ReadAhead

Inputs = tuple[Tensor, ...]
"""What the network is given in one pass."""
Batches = ReadAhead[list[Inputs]]
"""A rank's passes of a step, for one step after the other."""
READ_TOGETHER = 2048
"""Samples that are looked up at once, if they are not more than this:"""
READ_TOGETHER_BYTES = 2**26
READ_AHEAD_BYTES = 2**28
"""The most bytes of a rank's steps that are made and not taken yet."""


def streams_of(rank: int, num_ranks: int, streams: int) -> range:
    """Return the streams of a rank. Raises `ConfigError` when the ranks cannot share them evenly."""
    each, left = divmod(streams, num_ranks)
    if left:
        raise ConfigError(
            f"streams = {streams} must be a multiple of the {num_ranks} ranks; take as many ranks as divide it"
        )
    return range(rank * each, (rank + 1) * each)


@dataclass(frozen=True, kw_only=True)
class Share:
    """The part of each batch that a rank computes: whole streams, one after the other."""

    order: Order
    batch_size: int
    ranks: Ranks

    @property
    def streams(self) -> range:
        """The rank's streams. Raises `ConfigError` when the ranks cannot share them evenly."""
        return streams_of(self.ranks.rank, self.ranks.size, self.order.streams)

    @property
    def each(self) -> int:
        """Samples of a step that one stream gives."""
        return self.batch_size // self.order.streams

    @property
    def size(self) -> int:
        """Samples of a step that the rank computes."""
        return self.batch_size // self.ranks.size


@dataclass(frozen=True, kw_only=True)
class Block:
    """A rank's samples of some steps: step by step, and in a step stream by stream."""

    images_seen: int
    """Images that all ranks have seen before the first of the steps."""
    shards: Ints
    rows: Ints


def blocks(share: Share, cache: FeedCache, images_seen: int, num_steps: int) -> Iterator[Block]:
    """Yield the steps from `images_seen` on, `num_steps` at a time, for ever; their shards are being opened."""
    each, windows = num_steps * share.each, dict[int, int]()
    for index in count(images_seen // share.order.streams, each):
        if any(index + each > windows.get(stream, 0) for stream in share.streams):
            windows = _prepare(share, cache, index, each)
        places = [share.order.take(stream, index, each) for stream in share.streams]
        yield Block(
            images_seen=index * share.order.streams,
            shards=_by_step([shards for shards, _ in places], num_steps),
            rows=_by_step([rows for _, rows in places], num_steps),
        )


def _by_step(streams: list[Ints], num_steps: int) -> Ints:
    return np.stack([stream.reshape(num_steps, -1) for stream in streams], axis=1).ravel()


def _prepare(share: Share, cache: FeedCache, index: int, each: int) -> dict[int, int]:
    """Have the shards opened that come next; return, for each stream, up to where."""
    now, soon, ends = dict[int, None](), dict[int, None](), {}
    for stream in share.streams:
        window = share.order.window(stream, index)
        now |= dict.fromkeys(window.shards.tolist())
        while window.end < index + each:
            window = share.order.window(stream, window.end)
            now |= dict.fromkeys(window.shards.tolist())
        ends[stream] = window.end
        soon |= dict.fromkeys(share.order.window(stream, window.end).shards.tolist())
    cache.prepare(list(now), [shard for shard in soon if shard not in now])
    return ends


@dataclass(frozen=True, kw_only=True)
class Group:
    """The samples of a block that lie in one shard."""

    arrays: Arrays
    rows: Ints
    """Rows of the shard."""
    samples: Ints
    """Their numbers in the block."""


def _by_shard(block: Block, cache: FeedCache) -> list[Group]:
    together = np.argsort(block.shards, kind="stable")
    borders = np.flatnonzero(np.diff(block.shards[together])) + 1
    return [
        Group(arrays=cache.arrays(int(block.shards[samples[0]])), rows=block.rows[samples], samples=samples)
        for samples in np.split(together, borders)
    ]


class Scratch:
    """Memory that is used for one block after the other, and so is asked of the system once."""

    def __init__(self) -> None:
        self._kept: dict[str, Array] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Return an array of whatever was there; what had this name before is overwritten."""
        size, kept = int(np.prod(shape)), self._kept.get(name)
        if kept is None or len(kept) < size:
            kept = self._kept[name] = np.empty(size, dtype)
        return kept[:size].reshape(shape)


def places_of(groups: list[Group]) -> Ints:
    """Return where each sample of the block is when the groups are laid end to end."""
    return np.argsort(np.concatenate([group.samples for group in groups]))


def new_tensor(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return memory for what goes to a device: pinned, where that is a GPU."""
    return torch.empty(shape, dtype=dtype, pin_memory=device.type == "cuda")


@dataclass(frozen=True, kw_only=True)
class Draws:
    """The random numbers of a rank's samples of one step. Seed, step and stream decide them, and no rank."""

    uniform: Tensor
    """`(N, U)` in `[0, 1)`."""
    normal: Tensor
    """`(N, ...)`, unit Gaussian."""


def draw(share: Share, images_seen: int, num_uniform: int, shape: tuple[int, ...]) -> Draws:
    """Return the random numbers of the step at `images_seen`: so many for each sample, and noise of a shape."""
    uniform_NU = torch.empty(share.size, num_uniform)
    normal = new_tensor((share.size, *shape), torch.float32, share.ranks.device)
    for number, stream in enumerate(share.streams):
        generator = torch.Generator().manual_seed(seed_from(share.order.seed, images_seen, stream))
        part = slice(number * share.each, (number + 1) * share.each)
        torch.rand(uniform_NU[part].shape, generator=generator, out=uniform_NU[part])
        torch.randn(normal[part].shape, generator=generator, out=normal[part])
    return Draws(uniform=uniform_NU, normal=normal)


class Reading(Protocol):
    """The samples of a block, read."""

    def passes(self, step: range, size: int, normal: Tensor) -> list[Inputs]:
        """Return the network's inputs for a step's samples of the block, in passes of one shape and of at most `size`.

        `normal` has Gaussian numbers, a row for each sample of the step.
        """
        ...


def even_parts(step: range, size: int) -> Iterator[tuple[slice, slice]]:
    """Yield the parts of a step that have so many samples: where they are in the block, and in the step."""
    for start in range(0, len(step), size):
        yield slice(step.start + start, step.start + start + size), slice(start, start + size)


Gather = Callable[[list[Group], Tensor], Reading]
"""Reads the samples of a block: where they lie, and their uniform random numbers, in the order of the block."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a task reads its inputs from."""

    cache: FeedCache
    gather: Gather
    sample_bytes: int
    """About what one sample takes in memory."""
    num_uniform: int
    """Uniform random numbers that a sample needs."""
    normal_shape: tuple[int, ...]
    """The shape of the Gaussian numbers that a sample needs."""


def read_batches(
    share: Share, source: Source, images_seen: int, passes: int, *, ahead_bytes: int = READ_AHEAD_BYTES
) -> Batches:
    """Return a rank's inputs of every step from `images_seen` on, read ahead. Closing them closes the source's cache.

    Raises `ConfigError` when the ranks cannot share the streams evenly.
    """
    assert len(share.streams) * share.each == share.size
    return ReadAhead(_steps(share, source, images_seen, passes), size=_num_bytes, max_bytes=ahead_bytes)


def _steps(share: Share, source: Source, images_seen: int, passes: int) -> Generator[list[Inputs], None, None]:
    together = min(READ_TOGETHER, READ_TOGETHER_BYTES // source.sample_bytes) // share.size
    if share.ranks.device.type == "cuda":
        torch.cuda.set_device(share.ranks.device)  # a thread begins with the first GPU, and would hold memory there
    num_steps, size = max(1, min(together, share.order.window_samples // share.each)), share.size // passes
    with closing(source.cache):
        for block in blocks(share, source.cache, images_seen, num_steps):
            starts = [block.images_seen + step * share.batch_size for step in range(num_steps)]
            draws = [draw(share, start, source.num_uniform, source.normal_shape) for start in starts]
            groups = _by_shard(block, source.cache)
            reading = source.gather(groups, torch.cat([drawn.uniform for drawn in draws]))
            for step, drawn in enumerate(draws):
                yield reading.passes(range(step * share.size, (step + 1) * share.size), size, drawn.normal)


def _num_bytes(step: list[Inputs]) -> int:
    return sum(tensor.nbytes for inputs in step for tensor in inputs)
