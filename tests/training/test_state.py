"""Weights, optimizer state and average are whole and by name, under every ZeRO stage, on real ranks."""

import json
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from byline.training.config import RunConfig
from byline.training.ema import WeightAverage
from byline.training.engine import Engine, build_engine
from byline.training.ranks import Ranks
from byline.training.state import optimizer_state, restore_optimizer, weights_of
from byline.training.stepping import take_step
from tests.training.builders import an_autoencoder_run
from tests.training.gloo import on_ranks

BATCH = 8
ODD_ZERO = {"reduce_bucket_size": 50, "stage3_param_persistence_threshold": 0, "stage3_prefetch_bucket_size": 20}
"""Small enough that every weight is divided."""

State = tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]
"""Weights, their average, optimizer state."""


class Fit(nn.Module):
    """A small regression. No size of it is divided by two."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.norm = nn.Linear(5, 7), nn.Linear(7, 3), nn.LayerNorm(7)

    def forward(self, x_BD: Tensor, y_BD: Tensor) -> Tensor:
        """Return the loss."""
        return (self.second(self.norm(self.first(x_BD)).tanh()) - y_BD).square().mean()


def a_config(folder: Path, stage: int, **overrides) -> RunConfig:
    path = folder / f"zero{stage}-{os.getpid()}.json"
    zero = {"stage": stage, **{key: value for key, value in ODD_ZERO.items() if "stage3" not in key or stage == 3}}
    path.write_text(json.dumps({"zero_optimization": zero}))
    machine = {"deepspeed": str(path), "max_images_per_pass": 2, "log_every_images": BATCH, "save_every_images": BATCH}
    return an_autoencoder_run("c/releases/r", folder, batch_size=BATCH, images=64, machine=machine, **overrides)


def started(ranks: Ranks, config: RunConfig, state: State | None) -> tuple[Engine, WeightAverage]:
    torch.manual_seed(0)
    network = Fit()
    if state is not None:
        network.load_state_dict(state[0])
    engine = build_engine(network, config, ranks)
    average = WeightAverage(engine, half_life_images=8)
    if state is not None:
        restore_optimizer(engine, state[2], "here")
        average.restore(state[1])
    return engine, average


def train(ranks: Ranks, folder: Path, stage: int, steps: range, state: State | None = None, **overrides) -> State:
    """Return the state after these steps; the batch of a step is the same on any ranks."""
    engine, average = started(ranks, a_config(folder, stage, **overrides), state)
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        x_BD, y_BD = torch.randn(BATCH, 5, generator=generator), torch.randn(BATCH, 3, generator=generator)
        share = slice(ranks.rank * BATCH // ranks.size, (ranks.rank + 1) * BATCH // ranks.size)
        take_step(engine, list(zip(x_BD[share].split(2), y_BD[share].split(2), strict=True)), lr=0.01)
        average.update(images_seen=(step + 1) * BATCH, batch_size=BATCH)
    return weights_of(engine), average.full(), optimizer_state(engine)


def every_stage(ranks: Ranks, folder: Path, precision: str) -> dict[int, tuple[State, State]]:
    """Return, by stage, the state of four steps at once, and of two that two others go on from."""
    found = {}
    for stage in range(4):
        whole = train(ranks, folder, stage, range(4), precision=precision)
        half = broadcast(train(ranks, folder, stage, range(2), precision=precision))
        found[stage] = whole, train(ranks, folder, stage, range(2, 4), half, precision=precision)
    return found


def broadcast(state: State) -> State:
    """Give every rank what the first one has, as a file would."""
    import torch.distributed as dist

    box = [state]
    dist.broadcast_object_list(box)
    return box[0]


def equal(one: State, other: State) -> bool:
    return all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
        for a, b in zip(one, other, strict=True)
    )


def test_every_stage(tmp_path):
    (found, nothing) = on_ranks(2, every_stage, tmp_path, "fp32")
    for stage, (whole, resumed) in found.items():
        assert equal(whole, resumed), stage
        assert nothing[stage][0] == ({}, {}, {})
        assert all(
            torch.allclose(whole[i][name], found[0][0][i][name], rtol=1e-5, atol=1e-7)
            for i in range(3)
            for name in whole[i]
        ), stage
    print(found[0][0][2].keys())
