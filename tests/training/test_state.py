"""Weights, optimizer state and average are whole and by name, under every ZeRO stage, on real ranks."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from byline.catalog.errors import CheckpointError
from byline.training.ema import WeightAverage
from byline.training.engine import Engine, build_engine
from byline.training.ranks import Ranks
from byline.training.run_config import RunConfig
from byline.training.state import optimizer_state, restore_optimizer, weights_of
from byline.training.stepping import take_step
from tests.training.alone import Fit, a_batch, an_engine
from tests.training.builders import an_autoencoder_run
from tests.training.gloo import on_ranks

BATCH = 8
SMALL: dict[str, int] = {"reduce_bucket_size": 50}
"""Of buckets and thresholds: so small that every weight is divided."""
SMALL_3 = {**SMALL, "stage3_param_persistence_threshold": 0, "stage3_prefetch_bucket_size": 20}

State = tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]
"""Weights, their average, optimizer state."""


def a_config(folder: Path, stage: int, **overrides: Any) -> RunConfig:
    path = folder / f"zero{stage}-{os.getpid()}.json"
    path.write_text(json.dumps({"zero_optimization": {"stage": stage, **(SMALL_3 if stage == 3 else SMALL)}}))
    machine = {"deepspeed": str(path), "max_images_per_pass": 2, "log_every_images": BATCH, "save_every_images": BATCH}
    return an_autoencoder_run("c/releases/r", folder, batch_size=BATCH, images=64, machine=machine, **overrides)


def started(ranks: Ranks, config: RunConfig, state: State | None = None) -> tuple[Engine, WeightAverage]:
    torch.manual_seed(0)
    network = Fit(config.precision)
    if state is not None:
        network.load_state_dict(state[0])
    engine = build_engine(network, config, ranks)
    average = WeightAverage(engine, half_life_images=8)
    if state is not None:
        restore_optimizer(engine, state[2], "here")
        average.restore(state[1])
    return engine, average


def passes_of(ranks: Ranks, step: int) -> list[tuple[Tensor, Tensor]]:
    """Return this rank's share of a batch that is the same on any ranks, two samples a pass."""
    mine = [tensor.chunk(ranks.size)[ranks.rank].split(2) for tensor in a_batch(step, BATCH)]
    return list(zip(*mine, strict=True))


def train(
    ranks: Ranks, folder: Path, stage: int, steps: range, state: State | None = None, precision: str = "fp32"
) -> State:
    """Return the state after these steps."""
    engine, average = started(ranks, a_config(folder, stage, precision=precision), state)
    for step in steps:
        take_step(engine, passes_of(ranks, step), lr=0.01)
        average.update(images_seen=(step + 1) * BATCH, batch_size=BATCH)
    return weights_of(engine), average.full(), optimizer_state(engine)


def whole_and_resumed(ranks: Ranks, folder: Path, kinds: list[tuple[int, str]]) -> list[tuple[State, State, State]]:
    """Return, by stage and precision, the state after four steps, after two, and after two that go on from these."""
    found = []
    for stage, precision in kinds:
        whole = train(ranks, folder, stage, range(4), precision=precision)
        half = from_first(train(ranks, folder, stage, range(2), precision=precision))
        found.append((whole, half, train(ranks, folder, stage, range(2, 4), half, precision)))
    return found


def from_first(state: State) -> State:
    """Give every rank what the first one has, as a file would."""
    box = [state]
    dist.broadcast_object_list(box)
    return box[0]


def are_equal(one: State, other: State) -> bool:
    return all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
        for a, b in zip(one, other, strict=True)
    )


def are_close(one: State, other: State) -> bool:
    """Tell whether two states differ by no more than sums in another order do."""
    return all(
        torch.allclose(a[name], b[name], rtol=1e-4, atol=1e-6)
        for a, b in zip(one, other, strict=True)
        for name in {*a, *b}
    )


KINDS = [(0, "fp32"), (1, "fp32"), (2, "fp32"), (3, "fp32"), (1, "bf16"), (0, "fp16"), (2, "fp16"), (3, "fp16")]


@pytest.fixture(scope="module")
def on_two(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, str], tuple[State, State, State]]:
    first, second = on_ranks(2, whole_and_resumed, tmp_path_factory.mktemp("two"), KINDS)
    assert all(states[0] == states[2] == ({}, {}, {}) for states in second)
    return dict(zip(KINDS, first, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_is_the_run_that_was_never_stopped(on_two, kind):
    whole, half, resumed = on_two[kind]
    assert are_equal(whole, resumed)
    assert not are_close(whole, half)


@pytest.mark.slow
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_every_stage_trains_the_same_and_says_it_by_the_same_names(on_two, stage):
    assert are_close(on_two[stage, "fp32"][0], on_two[0, "fp32"][0])


@pytest.mark.slow
@pytest.mark.parametrize(("ranks", "stage", "saved_by"), [(1, 0, 3), (1, 2, 1), (4, 3, 2), (4, 1, 0)])
def test_a_run_goes_on_under_other_ranks_and_another_stage(on_two, tmp_path, ranks, stage, saved_by):
    _, half, _ = on_two[saved_by, "fp32"]
    first, *_ = on_ranks(ranks, train, tmp_path, stage, range(2, 4), half)
    assert are_close(first, on_two[0, "fp32"][0])


def test_state_of_another_network_is_refused():
    engine = an_engine(Fit())
    state = optimizer_state(engine)
    with pytest.raises(CheckpointError, match=r"file: first.bias.exp_avg has shape \(2,\), and the weight has \(7,\)"):
        restore_optimizer(engine, {**state, "first.bias.exp_avg": torch.zeros(2)}, "file")
    with pytest.raises(CheckpointError, match="file holds optimizer state of other weights: third.weight.exp_avg"):
        restore_optimizer(engine, {**state, "third.weight.exp_avg": torch.zeros(2)}, "file")
    del state["second.weight.exp_avg_sq"]
    with pytest.raises(CheckpointError, match="file lacks the optimizer state 'second.weight.exp_avg_sq'"):
        restore_optimizer(engine, state, "file")
