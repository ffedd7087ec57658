"""Pictures for many prompts, in a folder that several processes fill and a killed one goes on with."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from datasets import load_dataset
from PIL import Image

from byline.diffusion.drawn import name_of
from byline.training.run import run
from harness.run_configs import write_toml
from tests.builders import tree_digest
from tests.training.builders import a_diffusion_run, a_release, an_autoencoder

PROMPTS = ["red heart", "flag: Japan", "", "yellow circle", "a sun", "a cat's face"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    autoencoder = an_autoencoder(folder / "vae")
    run(write_toml(folder / "run.toml", a_diffusion_run(a_release(folder / "c"), folder / "run", autoencoder)))
    (folder / "prompts.txt").write_text("\n".join(PROMPTS))
    assert _sample(folder, "whole").returncode == 0
    return folder


def _sample(folder, out, *more, environment=None):
    return subprocess.run(
        _command(out, *more), cwd=folder, capture_output=True, text=True, check=False, env=_quiet(environment)
    )


def _command(out, *more):
    settings = ["--prompts", "prompts.txt", "--out", out, "--steps", "2", "--images-per-prompt", "2"]
    return [sys.executable, "-P", "-m", "byline.cli.main", "sample", "run", *settings, "--batch-size", "2", *more]


def _quiet(environment):
    return {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}


@pytest.mark.slow
def test_other_people_read_it(folder):
    rows = load_dataset("imagefolder", data_dir=str(folder / "whole"), cache_dir=str(folder / "cache"))["train"]
    assert rows["text"] == [prompt for prompt in PROMPTS if prompt for _ in range(2)]
    assert rows["seed"] == list(range(10))
    first = np.asarray(rows[0]["image"])
    assert first.std() > 0
    with Image.open(folder / "whole" / name_of(0)) as picture:
        assert (picture.info["prompt"], len(picture.info["checkpoint"])) == ("red heart", 64)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ranks", "torchrun"])
def test_several_processes_fill_it_with_the_same_bytes(folder, kind):
    if kind == "ranks":
        done = _sample(folder, kind, "--ranks", "2")
    else:
        shares = [{"RANK": str(rank), "WORLD_SIZE": "3"} for rank in range(3)]
        done = [_sample(folder, kind, environment=share) for share in shares][-1]
    assert (done.returncode, done.stderr) == (0, "")
    assert tree_digest(folder / kind) == tree_digest(folder / "whole")


@pytest.mark.slow
def test_what_a_killed_one_left_is_completed(folder):
    process = subprocess.Popen(_command("killed"), cwd=folder, env=_quiet(None))
    while not (folder / "killed" / name_of(1)).exists():  # the last of the first batch
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    before = (folder / "killed" / name_of(0)).stat().st_mtime_ns
    assert _sample(folder, "killed").returncode == 0
    assert tree_digest(folder / "killed") == tree_digest(folder / "whole")
    assert (folder / "killed" / name_of(0)).stat().st_mtime_ns == before
    assert list((folder / "killed/.partial").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--seed", "1"), "whole/metadata.jsonl tells of other prompts, settings or another checkpoint"),
        (("--guidance-scale", "2"), "whole/drawn.json tells of other prompts, settings or another checkpoint"),
        (("--prompt", "a"), "say what to draw: either --prompt WORDS, or --prompts FILE"),
        (("--prompts", "missing.txt"), "cannot read missing.txt: No such file or directory"),
        (("--prompts", "run.toml/x"), "cannot read run.toml/x: Not a directory"),
    ],
)
def test_what_does_not_fit_is_one_line(folder, more, told):
    before = json.loads((folder / "whole/drawn.json").read_text())
    done = _sample(folder, "whole", *more)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert told in done.stderr
    assert json.loads((folder / "whole/drawn.json").read_text()) == before
