"""How far apart two pictures are to the eyes of a network: after LPIPS (Zhang et al. 2018), with our copy detector."""

# Shapes: B batch, C channels, H and W height and width.

from pathlib import Path

import torch
from torch import Tensor

from byline.catalog.errors import CheckpointError
from byline.dedup.embedding.encoders import is_own
from byline.dedup.embedding.network import CopyNet, load_network, read_network_config

EPSILON = 1e-6
"""Added to the squared length of what is normalized: where nothing is active, the gradient is 0 and not infinite."""


class PerceptualLoss:
    """The squared distance of channel-normalized activations of a frozen network, averaged over places and levels.

    It is LPIPS' eq. 1 without the learned weights of channels. The network is fully convolutional and reads pictures at
    the size that they have, whatever size it was trained on. This is no module of torch: what trains, averages and
    saves the weights of a task does not see those of the network.
    """

    def __init__(self, network: CopyNet) -> None:
        self.network = network.eval().requires_grad_(False)

    def __call__(self, output_BCHW: Tensor, target_BCHW: Tensor) -> Tensor:
        """Return the loss, a scalar in `[0, 2]`. Pixels are about `[-1, 1]`; the gradient flows to the output alone."""
        with torch.no_grad():
            wanted = [normalized(level_BCHW) for level_BCHW in self.network.levels((target_BCHW + 1) / 2)]
        levels = [normalized(level_BCHW) for level_BCHW in self.network.levels((output_BCHW + 1) / 2)]
        distances = [(a - b).square().sum(1).mean() for a, b in zip(levels, wanted, strict=True)]
        return torch.stack(distances).mean()


def normalized(x_BCHW: Tensor) -> Tensor:
    """Return the channels of each place at length 1, float32."""
    x_BCHW = x_BCHW.float()
    return x_BCHW * (x_BCHW.square().sum(1, keepdim=True) + EPSILON).rsqrt()


def load_perceptual_loss(folder: str) -> PerceptualLoss:
    """Load the network of a folder. Raises `CheckpointError`, one line, for what is no copy detector."""
    return PerceptualLoss(load_network(_checked(folder)))


def empty_perceptual_loss(folder: str) -> PerceptualLoss:
    """Return the same with weights that mean nothing, from the config alone: to reckon with sizes."""
    return PerceptualLoss(CopyNet(read_network_config(_checked(folder)), norm=False))


def _checked(folder: str) -> Path:
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise CheckpointError(f"loss.perceptual_model: no folder {folder}; name one that holds a copy detector")
    if not is_own(str(path)):
        raise CheckpointError(
            f"loss.perceptual_model: {folder} holds no copy detector, by its config.json; name one, such as "
            "samples/models/copy-detector, or train one (docs/embedding.md)"
        )
    return path
