"""Batches of equal shapes, as large as a device's memory takes. A caption does not depend on them."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from byline.captioning.preparing import Inputs

A = TypeVar("A")
B = TypeVar("B")
LARGEST = 256
FIRST = 8
ROOM = 0.85
"""The share of a device's memory that a batch may be expected to need."""
_log = logging.getLogger(__name__)


@dataclass
class BatchSize:
    """How many pictures a device takes at once: found out, unless it is given."""

    size: int
    may_grow: bool

    def saw(self, num: int, *, needed_bytes: int, free_bytes: int) -> None:
        """Learn what a batch of `num` needed of what was free: a full one that left room is followed by a larger."""
        if self.may_grow and num == self.size and 2 * needed_bytes < ROOM * free_bytes:
            self.size = min(2 * self.size, LARGEST)

    def halve(self) -> None:
        """Take half from now on, and say so."""
        self.size, self.may_grow = max(1, self.size // 2), False
        _log.warning("the device's memory ran out: %d pictures at a time from now on", self.size)


def in_batches(items: Sequence[A], size: BatchSize, work: Callable[[Sequence[A]], Sequence[B]]) -> list[B]:
    """Return what `work` gives for all items, in their order. Where memory runs out, batches are halved.

    What one item alone has no memory for is raised.
    """
    import torch

    done: list[B] = []
    while len(done) < len(items):
        batch = items[len(done) : len(done) + size.size]
        try:
            done += work(batch)
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
            size.size = len(batch)
            size.halve()
        else:
            continue
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # once the error, which holds what the batch needed, is gone
    return done


def by_shape(prepared: Iterator[Inputs | None], size: BatchSize) -> Iterator[list[tuple[int, Inputs | None]]]:
    """Yield groups of pictures, each with its position, that can be joined without padding.

    A group is as large as a batch, unless its first picture waited for eight batches of others. What could not be
    prepared is a group of its own.
    """
    groups: dict[object, list[tuple[int, Inputs | None]]] = {}
    for position, inputs in enumerate(prepared):
        if inputs is None:
            yield [(position, None)]
            continue
        shape = tuple((name, value.shape, value.dtype.str) for name, value in inputs.items())
        groups.setdefault(shape, []).append((position, inputs))
        if len(groups[shape]) >= size.size:
            yield groups.pop(shape)
        elif groups and position - min(group[0][0] for group in groups.values()) >= size.size * 8:
            yield groups.pop(min(groups, key=lambda group_shape: groups[group_shape][0][0]))
    yield from groups.values()


def joined(batch: Sequence[Inputs]) -> Inputs:
    """Return the inputs of pictures of one shape as those of a batch."""
    return {name: np.concatenate([inputs[name] for inputs in batch]) for name in batch[0]}
