"""Whatever the current folder holds, our rooms are the ones that run: in a verb, in Beam's workers and in ranks."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.run_configs import write_toml
from tests.builders import a_corpus
from tests.test_architecture import HOUSE
from tests.training.builders import a_diffusion_run, a_release, an_autoencoder

CPU = str(Path(__file__).parents[1] / "configs/deepspeed/cpu.json")
BYLINE = Path(sys.executable).with_name("byline")


@pytest.fixture
def shadows(tmp_path):
    """A user's own folder, whose modules are called as ours are and end whoever imports them."""
    folder = tmp_path / "own"
    for room in ("byline", *HOUSE["TOPS"]):
        (folder / room).mkdir(parents=True)
        for name in ("__init__", "run", "main", "errors"):
            (folder / room / f"{name}.py").write_text("raise SystemExit('not byline')\n")
    return folder


def _byline(*arguments, cwd):
    return subprocess.run([BYLINE, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)


@pytest.mark.slow
def test_a_build_with_workers_runs_our_rooms(tmp_path, shadows):
    done = _byline("build", a_corpus(tmp_path), "--workers", "2", cwd=shadows)
    assert done.returncode == 0, done.stderr
    assert "corpus/releases/" in done.stdout


@pytest.mark.slow
def test_ranks_run_our_rooms(tmp_path, shadows):
    release, autoencoder = a_release(tmp_path / "corpus"), an_autoencoder(tmp_path / "vae")
    config = a_diffusion_run(
        release, tmp_path / "run", autoencoder, images=8, machine={"num_ranks": 2, "deepspeed": CPU}
    )
    done = _byline("train", write_toml(tmp_path / "run.toml", config), cwd=shadows)
    assert done.returncode == 0, done.stderr
    assert "has seen 8 images" in done.stdout
