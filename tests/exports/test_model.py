"""A model that left byline is diffusers' own, whole, and draws what byline draws."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from diffusers import AutoencoderKL
from typer.testing import CliRunner

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import BylineError, ConfigError, CorpusError
from byline.cli.main import app
from byline.diffusion.configs import SamplingConfig
from byline.diffusion.sampling import TextToImage
from byline.exports.model import ModelExport, export_model
from byline.training.run import run
from harness.run_configs import write_toml
from tests.training.builders import a_diffusion_run, a_release, an_autoencoder, an_autoencoder_run

pytestmark = pytest.mark.slow

PROMPTS = ["a red circle", "words that are many more than the tokens that are read of them " * 3]
STATISTICS = {"latents_mean": [0.5, -0.5, 1.0, 0.0], "latents_std": [1.0, 2.0, 0.5, 1.0], "scaling_factor": 0.7}
DRAW = """
import sys
import numpy as np, torch
from diffusers import DiffusionPipeline

folder, out, steps, *prompts = sys.argv[1:]
pipeline = DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
pictures = pipeline(
    prompts,
    num_inference_steps=int(steps),
    guidance_scale=4.0,
    guidance_rescale=0.3,
    generator=[torch.Generator().manual_seed(7 + number) for number in range(len(prompts))],
).images
assert not [name for name in sys.modules if name.split(".")[0] == "byline"]
np.save(out, np.stack([np.asarray(picture) for picture in pictures]))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run whose autoencoder has every statistic, so that nothing is equal by chance."""
    folder = tmp_path_factory.mktemp("trained")
    vae = AutoencoderKL.from_pretrained(an_autoencoder(folder / "vae"))
    vae.register_to_config(**STATISTICS)
    vae.save_pretrained(folder / "vae")
    noise = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    release = a_release(folder / "c")
    run(write_toml(folder / "run.toml", a_diffusion_run(release, folder / "run", str(folder / "vae"), noise=noise)))
    return folder / "run", release


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    checkpoint, release = trained
    place = tmp_path_factory.mktemp("exported") / "model"
    info = export_model(str(checkpoint), str(place), ModelExport(release=Release(release)))
    return place, info


def drawn_without_byline(model: Path, out: Path, *, steps: int) -> np.ndarray:
    """Draw `PROMPTS` in a process that does not find byline."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-P", "-c", DRAW, str(model), str(out), str(steps), *PROMPTS]
    subprocess.run(command, check=True, env=environment, cwd=out.parent, capture_output=True)
    drawn: np.ndarray = np.load(out)
    return drawn.transpose(0, 3, 1, 2)


def test_diffusers_alone_draws_the_pictures_of_byline_sample(trained, exported, tmp_path):
    ours = TextToImage.load(trained[0]).sample(
        PROMPTS, SamplingConfig(num_inference_steps=5, guidance_rescale=0.3, seed=7)
    )
    theirs = drawn_without_byline(exported[0], tmp_path / "theirs.npy", steps=5)
    assert ours.numpy().std() > 1
    assert np.array_equal(ours.numpy(), theirs)


def test_every_part_is_of_a_class_of_diffusers_or_transformers(exported):
    index = json.loads((exported[0] / "model_index.json").read_text())
    libraries = {value[0] for value in index.values() if isinstance(value, list)}
    assert libraries == {"diffusers", "transformers", None}
    assert not list(exported[0].rglob("*.py"))


def test_equal_checkpoints_give_equal_bytes_and_every_file_has_its_digest(trained, exported, tmp_path):
    again = tmp_path / "again"
    export_model(str(trained[0]), str(again), ModelExport(release=Release(trained[1])))
    sums = (exported[0] / "SHA256SUMS").read_text()
    assert (again / "SHA256SUMS").read_text() == sums
    listed = dict(reversed(line.split("  ")) for line in sums.splitlines())
    files = {path.relative_to(again).as_posix() for path in again.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert listed == {name: hashlib.sha256((again / name).read_bytes()).hexdigest() for name in files}


def test_no_file_names_a_place_of_this_machine(trained, exported):
    home = str(trained[0].parent).encode()
    assert not [path for path in exported[0].rglob("*") if path.is_file() and home in path.read_bytes()]


def test_the_card_has_a_row_for_each_part(exported):
    card, info = (exported[0] / "README.md").read_text(), exported[1]
    for digest in (info.digest, *info.provenance.values()):
        assert f"{digest} |" in card
    assert f"`{info.release_digest[:16]}`" in card
    assert "| 24 |" in card


def test_an_autoencoder_leaves_too(tmp_path):
    run(write_toml(tmp_path / "run.toml", an_autoencoder_run(a_release(tmp_path / "c"), tmp_path / "run")))
    export_model(str(tmp_path / "run"), str(tmp_path / "vae"), ModelExport(precision="fp16"))
    assert str(AutoencoderKL.from_pretrained(tmp_path / "vae", torch_dtype="auto").config.latents_mean)
    assert "Autoencoder, 16 px" in (tmp_path / "vae/README.md").read_text()


def test_credits_of_another_release_are_refused(trained, tmp_path):
    other = Release(a_release(tmp_path / "c", packs=1))
    with pytest.raises(CorpusError, match="the checkpoint was trained on release"):
        export_model(str(trained[0]), str(tmp_path / "model"), ModelExport(release=other))
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_measurement_of_another_checkpoint_is_refused(trained, tmp_path):
    report = {"claim": "c", "value": 1.0, "interval": [0, 2], "n": 3, "seed": 0, "command": "x"}
    (tmp_path / "kid.json").write_text(json.dumps({**report, "digests": {"checkpoint": "f" * 64}}))
    with pytest.raises(ConfigError, match="measures checkpoint ffffffffffff, not"):
        export_model(str(trained[0]), str(tmp_path / "model"), ModelExport(reports=(tmp_path / "kid.json",)))
    assert [path.name for path in tmp_path.iterdir()] == ["kid.json"]


def test_a_folder_that_is_not_new_is_left_alone(trained, tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(ConfigError, match="is not empty; name a new folder"):
        export_model(str(trained[0]), str(tmp_path), ModelExport())
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "parquet"], "--format is of a release"),
        (["--precision", "fp8"], "no precision is called 'fp8'; they are fp32, bf16, fp16"),
    ],
)
def test_options_that_do_not_fit_are_one_line(trained, tmp_path, options, message):
    with pytest.raises(BylineError, match=message):
        CliRunner().invoke(app, ["export", str(trained[0]), str(tmp_path / "m"), *options], catch_exceptions=False)


def test_a_release_has_no_precision(trained, tmp_path):
    arguments = ["export", trained[1], str(tmp_path / "m"), "--precision", "bf16"]
    with pytest.raises(ConfigError, match="--precision is of a checkpoint"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
