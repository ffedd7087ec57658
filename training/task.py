"""What the loop needs to know about a kind of run."""

from collections.abc import Iterable
from typing import Any, Protocol

from torch import nn

from byline.diffusion.checkpoint import Kind
from byline.training.drawing import Drawing
from byline.training.feed import Batches
from byline.training.held_out import HeldOut
from byline.training.ranks import Ranks


class Task(Protocol):
    """A network with a loss, and the batches that it is fitted to."""

    @property
    def kind(self) -> Kind:
        """Return the name of the kind."""
        ...

    @property
    def network(self) -> nn.Module:
        """Return the module whose weights DeepSpeed trains: `network(*inputs)` is the loss, a scalar."""
        ...

    @property
    def provenance(self) -> dict[str, str]:
        """Return component that is used and not trained -> SHA-256 of its weights."""
        ...

    def batches(self, ranks: Ranks, images_seen: int, passes: int) -> Batches:
        """Return the network's inputs of each step from `images_seen` on, for ever, in a rank's passes.

        Only seed, images seen and stream decide them. They are read ahead, on the CPU; close them.
        """
        ...

    def images_of(self, positions: Iterable[int]) -> list[str]:
        """Return the SHA-256 of the images that are seen at these positions, to name them in an error."""
        ...

    @property
    def held_out(self) -> HeldOut | None:
        """Return what the network is measured on while it trains, or None when nobody asked for it."""
        ...

    @property
    def drawing(self) -> Drawing | None:
        """Return what draws while it trains, on the first rank; None on others and when nobody asked for it."""
        ...

    def finish(self, models: dict[str, Any]) -> None:
        """Bring what trained models say about themselves up to date: whole copies of them, before they are saved."""
        ...

    def trained_models(self) -> dict[str, Any]:
        """Return the models to save, of diffusers or transformers, by the name of their folder and their attribute."""
        ...

    def frozen_models(self) -> dict[str, Any]:
        """Return what else a checkpoint needs to be used: folder -> anything with `save_pretrained`."""
        ...
