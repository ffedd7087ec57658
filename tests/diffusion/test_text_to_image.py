import json
import shutil

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from byline.catalog.errors import CheckpointError, ConfigError
from byline.cli.main import app
from byline.diffusion.checkpoint import file_digest, open_checkpoint
from byline.diffusion.configs import SamplingConfig, UNetConfig
from byline.diffusion.grid import grid_png
from byline.diffusion.networks import build_unet
from byline.diffusion.sampling import TextToImage
from byline.training.run import run
from harness.run_configs import write_toml
from tests.training.builders import a_diffusion_run, a_release, an_autoencoder, an_autoencoder_run

QUICK = SamplingConfig(num_inference_steps=2, images_per_prompt=2)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sampled")
    autoencoder = an_autoencoder(folder / "vae")
    run(write_toml(folder / "run.toml", a_diffusion_run(a_release(folder / "c"), folder / "run", autoencoder)))
    return folder / "run"


@pytest.mark.slow
def test_equal_seeds_give_equal_bytes(checkpoint):
    pictures = [TextToImage.load(checkpoint).sample(["a", "b"], QUICK).numpy() for _ in range(2)]
    first, second = (grid_png(each, ["a", "b"], notes={"seed": "0"}) for each in pictures)
    assert first == second


def test_every_picture_has_the_next_seed_and_prompts_count(checkpoint):
    model = TextToImage.load(checkpoint)
    pictures = model.sample(["a", "a"], QUICK)
    other = model.sample(["a", "b"], QUICK.model_copy(update={"seed": 1}))
    assert pictures.shape == (4, 3, 16, 16)
    assert len({picture.numpy().tobytes() for picture in pictures}) == 4
    assert torch.equal(other[0], pictures[1])
    assert not torch.equal(other[2], pictures[3])


def test_pictures_have_the_sides_that_are_asked_for(checkpoint):
    config = QUICK.model_copy(update={"width_px": 24, "height_px": 16})
    assert TextToImage.load(checkpoint).sample(["a"], config).shape == (2, 3, 16, 24)


def test_pictures_are_counted_as_they_are_done(checkpoint):
    done = []
    config = QUICK.model_copy(update={"batch_size": 3})
    assert len(TextToImage.load(checkpoint).sample(["a", "b"], config, done.append)) == 4
    assert done == [3, 1]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_draws_about_the_same(checkpoint, precision):
    exact, low = (
        TextToImage.load(checkpoint, precision=each).sample(["a"], QUICK.model_copy(update={"guidance_scale": 1}))
        for each in ("fp32", precision)
    )
    assert low.dtype == torch.uint8
    assert exact.shape == low.shape


def test_a_text_encoder_of_another_width_is_refused(checkpoint, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(open_checkpoint(checkpoint)[0], folder)
    build = UNetConfig(block_out_channels=(8, 8), norm_num_groups=4, attention_head_dim=2)
    build_unet(build, side=8, latent_channels=4, text_width=16).save_pretrained(folder / "unet_ema")
    info = json.loads((folder / "byline.json").read_text())
    for name in info["files"]:
        info["files"][name] = file_digest(folder / name)
    (folder / "byline.json").write_text(json.dumps(info))
    with pytest.raises(CheckpointError, match=r"reads text of width 16, and .* gives 384"):
        TextToImage.load(folder)


def test_an_autoencoder_cannot_draw(tmp_path):
    run(write_toml(tmp_path / "run.toml", an_autoencoder_run(a_release(tmp_path / "c"), tmp_path / "run")))
    with pytest.raises(CheckpointError, match="is of kind 'autoencoder'; name a checkpoint of kind 'diffusion'"):
        TextToImage.load(tmp_path / "run")


def test_no_checkpoint_is_one_line(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint in .*; make one with: byline train"):
        TextToImage.load(tmp_path)


def test_the_command_notes_what_drew(checkpoint, tmp_path):
    arguments = ["sample", str(checkpoint), "--prompt", "a", "--steps", "2", "--device", "cpu", "--precision", "bf16"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "grid.png")], catch_exceptions=False)
    assert result.exit_code == 0
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.text["byline device"] == "cpu bf16"
        assert grid.text["byline checkpoint"] == open_checkpoint(checkpoint)[1].digest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--precision", "fp8"], "no precision is called 'fp8'; they are fp32, bf16, fp16"),
        (["--device", "abacus"], "no device 'abacus' here"),
        (["--sampler", "lms"], "sampler"),
        (["--steps", "1001"], "cannot take 1001 steps of 1000; try 1000"),
        (["--width", "20"], "--width 20 must be a multiple of 8 for this model"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(checkpoint, options, message):
    arguments = ["sample", str(checkpoint), "--prompt", "a", *options]
    with pytest.raises(ConfigError, match=message):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
