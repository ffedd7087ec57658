"""Pictures to the numbers that distances compare: by a network that is chosen by name, and named in every result."""

# Shapes: N pictures, B of them at once, C colors, H and W height and width in pixels, D features.

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from byline.catalog.errors import CheckpointError
from byline.diffusion.weights import weights_digest
from byline.evaluation import efficientnet
from byline.evaluation.report import Floats
from byline.evaluation.resizing import RULE, resized
from byline.evaluation.tower import Tower
from byline.evaluation.towers import load_tower

BATCH = 16
DEFAULT = efficientnet.NAME


@dataclass(frozen=True, kw_only=True)
class Features:
    """A feature network."""

    name: str
    """What was asked for; a hub's with its commit."""
    digest: str
    """SHA-256 of its weights."""
    tower: Tower
    device: str = "cpu"

    @property
    def instrument(self) -> str:
        """What the numbers are, in words that change with all that can change them."""
        return f"{self.name} ({self.digest[:12]}), pictures at {self.tower.side_px} px by {RULE}"

    @cached_property
    def width(self) -> int:
        """How many numbers a picture has; found by looking at a black one."""
        return int(self.of(np.zeros((1, 3, self.tower.side_px, self.tower.side_px), np.uint8)).shape[1])

    def of(self, pixels_NCHW: npt.NDArray[np.uint8], count: Callable[[int], None] = lambda _: None) -> Floats:
        """Return `(N, D)`. `count` is told of pictures as they are done. Raises `CheckpointError` for no numbers."""
        mean, std = (255 * torch.tensor(values)[:, None, None] for values in (self.tower.mean, self.tower.std))
        batches = []
        for start in range(0, len(pixels_NCHW), BATCH):
            batch_BCHW = torch.from_numpy(resized(pixels_NCHW[start : start + BATCH], self.tower.side_px))
            with torch.inference_mode():
                features_BD = self.tower.network(((batch_BCHW - mean) / std).to(self.device))
            batches.append(features_BD.cpu().double().numpy())
            count(len(batch_BCHW))
        features_ND: Floats = np.concatenate(batches)
        if not np.isfinite(features_ND).all():
            raise CheckpointError(f"{self.name} gave features that are no numbers; its weights are damaged")
        return features_ND


def load_features(name: str = DEFAULT, *, device: str = "cpu") -> Features:
    """Return a feature network: `efficientnet-lite0`, the folder of a vision model, or `owner/name@commit` of a hub.

    Raises `ConfigError` or `CheckpointError`, one line, when it cannot be had.
    """
    if name == efficientnet.NAME:
        tower = efficientnet.load_efficientnet()
    else:
        model, _, revision = name.partition("@")
        tower = load_tower(model, revision)
    return Features(
        name=name,
        digest=weights_digest(tower.network),
        tower=replace(tower, network=tower.network.eval().requires_grad_(False).to(device)),
        device=device,
    )
