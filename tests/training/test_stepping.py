"""A step is taken whole or not at all."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import CheckpointError
from byline.diffusion.checkpoint import open_checkpoint
from byline.training.engine import FIRST_LOSS_SCALE
from byline.training.ranks import Ranks
from byline.training.run import run
from byline.training.samples import read_samples, shards_of
from byline.training.state import optimizer_state, weights_of
from byline.training.stepping import NotFiniteError, take_step
from harness.run_configs import write_toml
from tests.training.alone import Fit, a_batch, an_engine
from tests.training.builders import a_release, an_autoencoder_run
from tests.training.gloo import on_ranks
from tests.training.test_state import a_config, are_equal, passes_of, started


def refused(ranks: Ranks, folder: Path, stage: int, what: str) -> tuple[str, int | None, bool, bool]:
    """Spoil the second rank's second pass; return what the error says, and whether weights stayed, and move again."""
    engine, average = started(ranks, a_config(folder, stage))
    take_step(engine, passes_of(ranks, 0), lr=0.01)
    before = weights_of(engine), average.full(), optimizer_state(engine)
    passes = passes_of(ranks, 1)
    if ranks.rank == 1:
        inputs, targets = passes[1]
        passes[1] = (inputs * math.inf, targets) if what == "loss" else (inputs, targets * 0)
    with pytest.raises(NotFiniteError) as caught:
        take_step(engine, passes, lr=0.01)
    after = weights_of(engine), average.full(), optimizer_state(engine)
    return caught.value.what, caught.value.rank, are_equal(before, after), before[0] != {}


@pytest.mark.slow
@pytest.mark.parametrize(("what", "rank"), [("loss", 1), ("gradient", None)])
@pytest.mark.parametrize("stage", [0, 2, 3])
def test_a_step_that_is_not_finite_on_one_rank_is_refused_by_all(tmp_path, stage, what, rank):
    first, second = on_ranks(2, refused, tmp_path, stage, what)
    assert first == (what, rank, True, True)
    assert second == (what, rank, True, False)


def norms(steps: int, scale: float, **overrides: Any) -> tuple[list[float], Any]:
    """Train towards targets of this size; return the gradient's norms and the engine."""
    torch.manual_seed(0)
    engine = an_engine(Fit(overrides.get("precision", "fp32")), **overrides)
    found = []
    for step in range(steps):
        inputs, targets = a_batch(step, 4)
        found.append(take_step(engine, [(inputs, targets * scale)], lr=0.01).grad_norm)
    return found, engine


def test_fp16_leaves_steps_out_until_its_loss_scale_is_small_enough():
    found, engine = norms(24, 10.0, precision="fp16")
    skipped = [math.isinf(norm) for norm in found]
    assert skipped[0]
    assert not skipped[-1]
    assert optimizer_state(engine)["steps"].item() == skipped.count(False)
    assert engine.loss_scale.cur_scale == FIRST_LOSS_SCALE / 2 ** skipped.count(True)


def test_fp16_says_so_where_no_smaller_loss_scale_is_left():
    _, engine = norms(0, 1.0, precision="fp16")
    engine.loss_scale.cur_scale = engine.loss_scale.min_scale
    inputs, targets = a_batch(0, 4)
    with pytest.raises(NotFiniteError, match="gradient"):
        take_step(engine, [(inputs, targets * 0)], lr=0.01)


def test_the_norm_is_told_before_it_is_clipped():
    far, _ = norms(1, 1000.0)
    farther, _ = norms(1, 2000.0)
    assert farther[0] == pytest.approx(2 * far[0], rel=1e-2)


def test_clipping_bounds_what_a_step_learns_from():
    moved = []
    for scale in (1000.0, 2000.0):
        _, engine = norms(1, scale)
        moved.append(optimizer_state(engine)["second.bias.exp_avg"])
    assert torch.allclose(*moved, rtol=1e-2)


def test_a_run_that_breaks_names_its_images_and_keeps_its_checkpoint(tmp_path):
    release = a_release(tmp_path / "corpus")
    machine = {"save_every_images": 4}
    config = an_autoencoder_run(release, tmp_path / "run", optimizer={"learning_rate": 1e30}, machine=machine)
    with pytest.raises(CheckpointError) as caught:
        run(write_toml(tmp_path / "run.toml", config))
    said = re.fullmatch(
        r"the loss is not finite at (\d+) images on rank 0, whose images begin with (.*); no weight was changed: .*",
        str(caught.value),
    )
    assert said is not None
    assert open_checkpoint(tmp_path / "run")[1].images_seen == int(said[1]) > 0
    shards = shards_of(Release(release), "train")
    known = {sha256 for shard in shards for sha256 in read_samples(Release(release), shard).sha256s}
    assert len(set(said[2].split(", ")) & known) == 3


SIZES = (((3, 1), (4,)), ((1, 1, 2), (2, 2)), ((4,), (4,)), ((1, 3), (1, 1, 1, 1)))
"""What each of two ranks has in the passes of each of four steps."""


def trained(ranks: Ranks, folder: Path, stage: int, uneven: bool) -> tuple[dict[str, torch.Tensor], list[float]]:
    """Return the weights after four steps, and their losses, whose passes are uneven or not."""
    engine, _ = started(ranks, a_config(folder, stage))
    engine, losses = replace(engine, has_uneven_passes=uneven), []
    for step, sizes in enumerate(SIZES):
        mine = [tensor.chunk(ranks.size)[ranks.rank] for tensor in a_batch(step, 8)]
        passes = list(zip(*(tensor.split(list(sizes[ranks.rank])) for tensor in mine), strict=True))
        losses.append(float(take_step(engine, passes if uneven else passes_of(ranks, step), lr=0.01).loss))
    return weights_of(engine), losses


@pytest.mark.slow
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_passes_of_any_size_sum_to_the_mean_over_the_batch(tmp_path, stage):
    even, uneven = (on_ranks(2, trained, tmp_path, stage, is_uneven) for is_uneven in (False, True))
    for (_, losses), (_, others) in zip(even, uneven, strict=True):
        assert losses == pytest.approx(others, rel=1e-5)
    (weights, _), (others, _) = even[0], uneven[0]
    assert weights.keys() == others.keys() != set()
    for name, weight in weights.items():
        torch.testing.assert_close(weight, others[name], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_passes_of_any_size_give_the_same_bits_again(tmp_path):
    (one, _), (other, _) = (on_ranks(2, trained, tmp_path, 2, True)[0] for _ in range(2))
    assert all(torch.equal(weight, other[name]) for name, weight in one.items())
