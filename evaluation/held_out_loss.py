"""The error of the picture that a prediction implies, on held-out pictures, by noise level, with intervals."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from byline.catalog.corpora.manifest import Release
from byline.diffusion.configs import NoiseConfig
from byline.diffusion.noise import Noising
from byline.diffusion.sampling import TextToImage
from byline.evaluation.report import Floats, bootstrap_interval
from byline.training.diffusion_task import DenoisingLoss
from byline.training.held_out import HeldOutLatents, read_held_out
from byline.training.ranks import Ranks

LEVELS = 5


@dataclass(frozen=True, kw_only=True)
class HeldOutLoss:
    """The mean over pictures, and its interval, of all levels together and of each, the least noise first."""

    value: float
    interval: tuple[float, float]
    levels: tuple[tuple[float, tuple[float, float]], ...]
    num_pictures: int


def held_out_loss(
    model: TextToImage, release: Release, *, most: int, seed: int, count: Callable[[int], None] = lambda _: None
) -> HeldOutLoss:
    """Measure a model on the first `most` held-out pictures.

    Noise and timesteps of a picture are a function of its bytes alone. It is what a run logs while it trains
    (`training.validation`), where that measures on as many pictures and levels. `count` is told of pictures, once for
    each level.
    """
    noising = Noising(NoiseConfig(**model.info.config["noise"]))
    held_out = _encoded(model, release, noising, most)
    network = DenoisingLoss(model.unet, noising, "fp32").eval()
    losses = np.empty((LEVELS, held_out.num_images))
    for level in range(LEVELS):
        for number, inputs in enumerate(held_out.passes(level, 1)):
            with torch.inference_mode():
                losses[level, number] = float(network(*(tensor.to(model.unet.device) for tensor in inputs)))
            count(1)
    value, interval = _mean(losses.mean(0), seed)
    return HeldOutLoss(
        value=value,
        interval=interval,
        levels=tuple(_mean(of_level, seed) for of_level in losses),
        num_pictures=held_out.num_images,
    )


def _encoded(model: TextToImage, release: Release, noising: Noising, most: int) -> HeldOutLatents:
    num_images = min(most, sum(shard.num_samples for shard in release.shards("heldout")))
    alone = Ranks(rank=0, size=1, device=torch.device("cpu"))
    return HeldOutLatents(
        samples=read_held_out(release, num_images, alone),
        autoencoder=model.autoencoder,
        text_encoder=model.text_encoder,
        others=model.info.digest,
        side_px=model.info.resolution_px,
        precision="fp32",
        levels=LEVELS,
        noising=noising,
    )


def _mean(values: Floats, seed: int) -> tuple[float, tuple[float, float]]:
    return float(values.mean()), bootstrap_interval(values, seed=seed)
