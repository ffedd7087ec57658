"""Ranks that do not run the same: none of them trains, and one line says what differs."""

import shutil
from contextlib import redirect_stderr
from io import StringIO
from typing import Any

import pytest
import torch

from byline.training.agreement import agree, fingerprint
from byline.training.ranks import Ranks
from byline.training.run import run
from harness.run_configs import write_toml
from tests.training.builders import a_release, an_autoencoder_run
from tests.training.gloo import on_ranks
from tests.training.processes import ended, lines_of_ours, start_ranks, train_as_ranks

PERTURBED = """
import sys, torch
from byline.catalog.corpora.manifest import Release
from byline.training.autoencoder_task import AutoencoderTask
from byline.training.config import load_train_config
from byline.training.loop import fit
from byline.training.ranks import join

config = load_train_config(sys.argv[1])
ranks, release = join(), Release(config.release)
task = AutoencoderTask(config, release, ranks)
weight = next(task.network.parameters()).detach()
if ranks.rank == 1:
    weight.view(torch.int32).flatten()[0] ^= 1
fit(task, config, release.manifest.digest, ranks)
"""


def refused(told: list[tuple[int, str]]) -> str:
    """Return the one line that all ranks together wrote; each must have ended with 2."""
    assert [code for code, _ in told] == [2] * len(told), told
    (line,) = [line for _, error in told for line in lines_of_ours(error)]
    assert line in told[0][1]
    return line


@pytest.mark.slow
def test_ranks_that_share_no_run_folder_do_not_go_on(tmp_path):
    release = a_release(tmp_path / "corpus")
    nodes = [tmp_path / "node0", tmp_path / "node1"]
    run(write_toml(tmp_path / "first.toml", an_autoencoder_run(release, nodes[0], images=8)))
    before = sorted(path for path in nodes[0].rglob("*"))
    configs = [
        write_toml(tmp_path / f"{index}.toml", an_autoencoder_run(release, node, images=8))
        for index, node in enumerate(nodes)
    ]
    line = refused(train_as_ranks(configs))
    assert "rank 1 has seen 0 images, rank 0 8; name a run folder that all ranks see" in line
    assert sorted(path for path in nodes[0].rglob("*")) == before
    assert not (nodes[1] / "checkpoints").exists()


@pytest.mark.slow
def test_ranks_with_other_configs_do_not_start(tmp_path):
    release = a_release(tmp_path / "corpus")
    configs = [
        write_toml(tmp_path / f"{index}.toml", an_autoencoder_run(release, tmp_path / "run", **overrides))
        for index, overrides in enumerate([{}, {"optimizer": {"learning_rate": 2e-3}}])
    ]
    line = refused(train_as_ranks(configs))
    assert "config.optimizer.learning_rate is 0.002 on rank 1, 0.001 on rank 0; give all nodes the same config" in line


@pytest.mark.slow
def test_ranks_with_other_releases_do_not_start(tmp_path):
    releases = [a_release(tmp_path / "a"), a_release(tmp_path / "b", train=7)]
    configs = [
        write_toml(tmp_path / f"{index}.toml", an_autoencoder_run(release, tmp_path / "run"))
        for index, release in enumerate(releases)
    ]
    assert "on rank 0; give all nodes the same release" in refused(train_as_ranks(configs))


@pytest.mark.slow
def test_what_one_rank_cannot_read_is_told_by_the_first(tmp_path):
    release = a_release(tmp_path / "corpus")
    config = write_toml(tmp_path / "run.toml", an_autoencoder_run(release, tmp_path / "run"))
    elsewhere = write_toml(tmp_path / "none.toml", an_autoencoder_run(f"{tmp_path}/releases/none", tmp_path / "run"))
    assert "rank 1: no release none in" in refused(train_as_ranks([config, elsewhere]))


@pytest.mark.slow
def test_one_bit_of_one_weight_on_one_rank_is_seen(tmp_path):
    config = write_toml(tmp_path / "run.toml", an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run"))
    line = refused(ended(start_ranks([("-c", PERTURBED, str(config))] * 2)))
    assert "ranks differ: weights is" in line
    assert not (tmp_path / "run" / "checkpoints").exists()


def _told(ranks: Ranks, facts: list[dict[str, Any]]) -> tuple[int, str]:
    """Return the exit code that a rank ended with, and what it wrote."""
    with redirect_stderr(StringIO()) as written:
        try:
            agree(ranks, lambda: facts[ranks.rank])
        except SystemExit as end:
            return int(str(end.code)), written.getvalue()
    return 0, written.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ([{"seed": 1}, {"seed": 1}, {"seed": 1}], ""),
        ([{"seed": 1}, {"seed": 1}, {"seed": 2}], "ranks differ: seed is 2 on rank 2, 1 on rank 0; give all nodes"),
        ([{"images_seen": 640}, {"images_seen": 0}], "rank 1 has seen 0 images, rank 0 640; name a run folder that"),
        ([{"config": {"a": {"b": 1}}}, {"config": {"a": {}}}], "config.a.b is missing on rank 1, 1 on rank 0"),
    ],
)
def test_a_difference_is_one_line_of_the_first_rank_and_the_end_of_all(facts, line):
    told = on_ranks(len(facts), _told, facts)
    assert [code for code, _ in told] == [2 if line else 0] * len(facts)
    assert line in told[0][1]
    assert not any(text for _, text in told[1:])


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float64, torch.uint8])
def test_every_bit_changes_a_fingerprint(kind):
    torch.manual_seed(0)
    values = (10 * torch.rand(3, 5)).to(kind)
    whole = fingerprint([("a", values)])
    bits = values.clone().flatten().view(torch.uint8)
    seen = set()
    for place in range(len(bits)):
        for bit in range(8):
            changed = bits.clone()
            changed[place] ^= 1 << bit
            seen.add(fingerprint([("a", changed.view(kind).view(3, 5))]))
    assert len(seen) == 8 * len(bits)
    assert whole not in seen


def test_a_fingerprint_knows_names_shapes_and_places():
    row = torch.arange(6.0)
    same = {fingerprint([("a", row)]), fingerprint([("a", row.clone())])}
    others = {
        fingerprint([("b", row)]),
        fingerprint([("a", row.view(2, 3))]),
        fingerprint([("a", row.flip(0))]),
        fingerprint([("a", row), ("b", row)]),
    }
    assert (len(same), len(others), same & others) == (1, 4, set())


@pytest.mark.slow
def test_a_rank_may_go_on_alone_from_what_it_saved(tmp_path):
    config = an_autoencoder_run(a_release(tmp_path / "corpus"), tmp_path / "run")
    path = write_toml(tmp_path / "run.toml", config)
    assert train_as_ranks([path, path])[0][0] == 0
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "0000000024")
    assert run(path) == 0
