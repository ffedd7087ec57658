"""Train the copy-detection embedding: `python -m byline.dedup.embedding.train samples samples/models/copy-detector`.

The same seed, threads and versions on the same processor give the same weights.
"""

import argparse
import copy
import math
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, Field
from torch import Tensor

from byline.dedup.embedding.augment import edited
from byline.dedup.embedding.corpus import load_drawings, load_photographs, photographs
from byline.dedup.embedding.loss import contrastive_loss
from byline.dedup.embedding.network import CopyNet, NetworkConfig, folded, save_network
from byline.dedup.embedding.scenes import Material, scenes
from byline.dedup.embedding.stamps import word_stamps


class TrainingConfig(BaseModel, frozen=True, extra="forbid"):
    """What decides the weights, beside the pictures."""

    network: NetworkConfig = NetworkConfig()
    scenes_seen: int = Field(default=125_000, gt=0)
    """Two views of each are shown."""
    batch: int = Field(default=128, ge=8)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.03, ge=0)
    temperature: float = Field(default=0.05, gt=0)
    entropy_weight: float = Field(default=10.0, ge=0)
    averaging: float = Field(default=0.99, ge=0, lt=1)
    """Decay of the averaged weights, which are the ones that are kept."""
    seed: int = Field(default=0, ge=0)


_STEPS_A_SAVE = 100
_NORM_BATCHES = 6


def train(config: TrainingConfig, material: Material, out: Path) -> None:
    """Write the averaged network, without normalization, to `out`: now and then, and at the end."""
    torch.manual_seed(config.seed)
    net = CopyNet(config.network, norm=True).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    averaged = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    steps = max(1, config.scenes_seen // config.batch)
    start = time.monotonic()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _schedule(step, steps)
        loss = _loss(net, _two_views(material, config, step), config)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        _average(averaged, net, decay=min(config.averaging, (1 + step) / (10 + step)))
        if (step + 1) % _STEPS_A_SAVE == 0 or step == steps - 1:
            seen = (step + 1) * config.batch
            print(f"{seen} scenes, loss {loss.item():.3f}, {time.monotonic() - start:.0f} s", flush=True)
            _measure_norms(averaged, (_two_views(material, config, -batch) for batch in range(1, _NORM_BATCHES + 1)))
            save_network(folded(averaged), out)


@torch.no_grad()
def _average(averaged: CopyNet, net: CopyNet, *, decay: float) -> None:
    for kept, new in zip(averaged.parameters(), net.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


@torch.no_grad()
def _measure_norms(net: CopyNet, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
    """Measure the means and variances that the normalization uses, which averaged weights have of their own."""
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over the batches
    net.train()
    for views in batches:
        net(torch.cat(views))


def _two_views(material: Material, config: TrainingConfig, step: int) -> tuple[Tensor, Tensor]:
    """Return the batch of a step; below zero are batches that are never trained on."""
    random = np.random.default_rng([config.seed, abs(step), int(step < 0)])
    shown = scenes(material, config.batch, random)
    side_px = config.network.side_px
    first, second = (edited(shown, material.stamps, random, side_px=side_px) for _ in range(2))
    return first, second


def _loss(net: CopyNet, views: tuple[Tensor, Tensor], config: TrainingConfig) -> Tensor:
    both = torch.cat(views).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        vectors = net(both)
    first, second = vectors.float().chunk(2)
    return contrastive_loss(first, second, temperature=config.temperature, entropy_weight=config.entropy_weight)


def _schedule(step: int, steps: int) -> float:
    """Warm up over a twentieth, then fall along a cosine."""
    warm = max(1, steps // 20)
    return min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * step / steps))


def material_of(samples: Path, seed: int) -> Material:
    """Decode the training side of the sample corpus; what is held out is not opened."""
    chosen = photographs(samples / "photographs", held_out=False)
    drawings = load_drawings(samples / "drawings")
    words = word_stamps(len(drawings) // 2, np.random.default_rng(seed))
    return Material(
        photos=load_photographs(chosen.paths),
        groups=chosen.groups,
        drawings=drawings,
        stamps=np.concatenate([drawings, words]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("samples", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scenes-seen", type=int, default=TrainingConfig().scenes_seen)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = TrainingConfig(scenes_seen=options.scenes_seen, seed=options.seed)
    train(config, material_of(options.samples, options.seed), options.out)


if __name__ == "__main__":
    main()
