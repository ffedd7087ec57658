"""An engine in this process, which is the only rank."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from byline.diffusion.autoencoder import autocast
from byline.diffusion.configs import Precision
from byline.training.engine import Engine, build_engine
from byline.training.ranks import join
from tests.training.builders import an_autoencoder_run


class Fit(nn.Module):
    """A small regression. No size of it is divided by two."""

    def __init__(self, precision: Precision = "fp32") -> None:
        super().__init__()
        self.first, self.second, self.norm = nn.Linear(5, 7), nn.Linear(7, 3), nn.LayerNorm(7)
        self._precision: Precision = precision

    def forward(self, x_BD: Tensor, y_BD: Tensor) -> Tensor:
        """Return the loss. Where `y_BD` is all zero its gradient is not a number."""
        with autocast(x_BD.device, self._precision):
            output_BD = self.second(self.norm(self.first(x_BD)).tanh())
        loss: Tensor = (output_BD.float() - y_BD).square().mean()
        return loss if y_BD.any() else loss + (output_BD.float() * y_BD).sum().sqrt()


def a_batch(step: int, size: int) -> tuple[Tensor, Tensor]:
    """Return inputs and targets that only the step decides."""
    generator = torch.Generator().manual_seed(step)
    return torch.randn(size, 5, generator=generator), torch.randn(size, 3, generator=generator)


def an_engine(network: nn.Module, **overrides: Any) -> Engine:
    """Return an engine at ZeRO 0 around a network."""
    batch = overrides.setdefault("batch_size", 4)
    machine = {"log_every_images": batch, "save_every_images": batch, **overrides.pop("machine", {})}
    settings = {"images": 8 * batch, **overrides, "machine": machine}
    return build_engine(network, an_autoencoder_run("c/releases/r", Path("run"), **settings), join())
