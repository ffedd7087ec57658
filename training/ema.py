"""An exponential moving average over the weights, which samples better than the last weights do."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from byline.training.engine import Engine
from byline.training.state import set_weights, weights_of

RAMP = 0.05
"""The part of the images since its start in which the average forgets half, as long as little was averaged (EDM2)."""
CHUNK = 2**24
"""Numbers that change places at once: the memory that this takes, in place of that of all weights."""


class WeightAverage:
    """The average of a network's weights. Each rank averages the part of them that it updates."""

    def __init__(self, engine: Engine, *, half_life_images: int, start_images: int = 0) -> None:
        """Start at the weights that the engine has now. Up to `start_images` the average is the weights."""
        self._engine = engine
        self._half_life_images, self._start_images = half_life_images, start_images
        self._weights = [weight.detach() for weight in engine.masters]
        self._averages = [weight.clone() for weight in self._weights]

    def update(self, *, images_seen: int, batch_size: int) -> None:
        """Take in the weights after a step, `images_seen` counted with this step's batch."""
        averaged = images_seen - self._start_images
        half_life = min(self._half_life_images, RAMP * averaged)
        keep = 0.5 ** (batch_size / half_life) if averaged > 0 else 0.0
        torch._foreach_lerp_(self._averages, self._weights, 1 - keep)

    def full(self) -> dict[str, Tensor]:
        """Return the average as `state.weights_of` gives the weights: whole, by name, on the first rank."""
        if not self._engine.zero_stage:  # this rank has all of it, by parameter
            return weights_of(self._engine, dict(zip(self._engine.masters, self._averages, strict=True)))
        with self._in_place():
            return weights_of(self._engine)

    def restore(self, full: dict[str, Tensor]) -> None:
        """Take over a saved average; every rank gives all of it."""
        with self._in_place():
            set_weights(self._engine, full)

    @contextmanager
    def _in_place(self) -> Iterator[None]:
        """Let weights and average change places inside the block. No number is computed, so none is rounded."""
        self._change_places()
        try:
            yield
        finally:
            self._change_places()

    def _change_places(self) -> None:
        for weight, average in zip(self._weights, self._averages, strict=True):
            ours, theirs = torch.split(weight.view(-1), CHUNK), torch.split(average.view(-1), CHUNK)
            for our_piece, their_piece in zip(ours, theirs, strict=True):
                kept = our_piece.clone()
                our_piece.copy_(their_piece)
                their_piece.copy_(kept)
