import json
import subprocess
import sys

import pytest

from harness.run_configs import write_toml
from tests.training.builders import a_diffusion_run, a_release, an_autoencoder


def _dry_run(config, *options):
    command = [sys.executable, "-m", "byline.cli.main", "train", str(config), "--dry-run", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _config(tmp_path, release="none", **overrides):
    config = a_diffusion_run(release, tmp_path / "run", an_autoencoder(tmp_path / "vae"), **overrides)
    return write_toml(tmp_path / "run.toml", config)


@pytest.mark.slow
def test_a_dry_run_before_the_release_is_there_writes_nothing_and_fits_80_columns(tmp_path):
    config = _config(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    done = _dry_run(config, "--on", "l4", "--gpus", "2")
    assert done.returncode == 0, done.stderr
    assert "on 2 x NVIDIA L4 24 GB. Nothing was written." in done.stdout
    assert "release    not there yet" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()[1:]) <= 80
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_json_says_the_same_and_how_often_a_picture_is_seen(tmp_path):
    done = _dry_run(_config(tmp_path, a_release(tmp_path / "corpus")), "--json", "--price", "7")
    found = json.loads(done.stdout)
    assert found["train_samples"] == 12
    assert found["cost"]["usd"] == pytest.approx(found["cost"]["gpu_hours"] * 7)
    assert [memory["stage"] for memory in found["memory"]] == [0, 1, 2, 3]


@pytest.mark.slow
def test_phases_are_estimated_one_by_one_and_summed(tmp_path):
    config = _config(tmp_path, phases=[{"from_images": 8, "resolution_px": 32}])
    small, large = json.loads(_dry_run(config, "--json").stdout)
    assert (small["cost"]["images"], large["cost"]["images"]) == (8, 16)
    assert large["cost"]["flops_per_image"] > small["cost"]["flops_per_image"]
    assert "all 2 phases: " in _dry_run(config).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--on", "tpu"), "byline: unknown hardware 'tpu'; known: a100,"),
        (("--gpus", "0"), "byline: --gpus is 0; it must be at least 1"),
        (("--mfu", "0"), "byline: hardware a100: mfu: "),
    ],
)
def test_options_that_cannot_be_used_are_one_line(tmp_path, options, message):
    done = _dry_run(_config(tmp_path), *options)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith(message)
