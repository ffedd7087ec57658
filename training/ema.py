"""An exponential moving average over the weights, which samples better than the last weights do."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

RAMP = 0.05
"""While little was seen the average forgets faster: half in this part of `images_seen` (EDM2)."""


class WeightAverage:
    """The average of a network's weights. Its state is tensors by the names of the weights."""

    def __init__(self, network: nn.Module, *, half_life_images: int) -> None:
        """Start at the network's weights."""
        self._half_life_images = half_life_images
        self._weights = dict(network.named_parameters())
        self.tensors = {name: w.detach().clone() for name, w in self._weights.items()}

    def update(self, *, images_seen: int, batch_size: int) -> None:
        """Take in the weights after a step, `images_seen` counted with this step's batch."""
        half_life = min(self._half_life_images, RAMP * images_seen)
        keep = 0.5 ** (batch_size / half_life)
        weights = [weight.detach() for weight in self._weights.values()]
        torch._foreach_lerp_(list(self.tensors.values()), weights, 1 - keep)

    def full(self) -> dict[str, Tensor]:
        """Return the whole average by the names of the weights."""
        return self.tensors

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take over a saved average."""
        for name, average in self.tensors.items():
            average.copy_(tensors[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the network have the averaged weights inside the block."""
        kept = {name: weight.detach().clone() for name, weight in self._weights.items()}
        self._assign(self.tensors)
        try:
            yield
        finally:
            self._assign(kept)

    def _assign(self, tensors: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(tensors[name])
