"""Runs of transformers, of flows and of pixels: drawn from, handed on or refused, the same when they were stopped."""

import json
import shutil
from contextlib import closing

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import CheckpointError, ConfigError
from byline.diffusion.checkpoint import open_checkpoint
from byline.diffusion.configs import SamplingConfig
from byline.diffusion.pixels import square, to_network
from byline.diffusion.sampling import TextToImage
from byline.exports.model import ModelExport, export_model
from byline.training.diffusion_task import DiffusionTask
from byline.training.estimate import estimate
from byline.training.hardware import find_hardware
from byline.training.ranks import Ranks
from byline.training.run import run
from byline.training.samples import read_samples, shards_of
from harness.run_configs import write_toml
from tests.training.builders import SIDE_PX, a_diffusion_run, a_release, an_autoencoder
from tests.training.test_run import digests_of

A100 = find_hardware("a100")
ALONE = Ranks(rank=0, size=1, device=torch.device("cpu"))
TRANSFORMER = {"patch_size": 4, "hidden_size": 32, "num_layers": 2, "num_attention_heads": 2}
JIT = {"prediction_type": "sample", "use_flow_sigmas": True, "velocity_loss": True, "weighting_scheme": "logit_normal"}
WATCH = {
    "validation": {"every_images": 12, "images": 2, "levels": 2},
    "samples": {"every_images": 12, "prompts": ["a"], "num_inference_steps": 2},
}


def a_pixel_run(release, folder, **overrides):
    settings = {"unet": None, "transformer": TRANSFORMER, "noise": JIT, "flip_prob": 0.5}
    return a_diffusion_run(release, folder, None, **{**settings, **overrides})


@pytest.mark.slow
def test_a_transformer_of_pixels_trains_draws_and_goes_on_to_the_bit(tmp_path):
    release = a_release(tmp_path / "c")
    whole = a_pixel_run(release, tmp_path / "whole", watch=WATCH)
    path = write_toml(tmp_path / "whole.toml", whole)
    run(path)
    digests = digests_of(tmp_path / "whole")
    shutil.rmtree(open_checkpoint(whole.run)[0])
    run(path)
    assert digests_of(tmp_path / "whole") == digests
    folder, info = open_checkpoint(whole.run)
    assert "autoencoder" not in info.provenance
    assert not (folder / "vae").exists()
    pictures = TextToImage.load(whole.run).sample(["a", "b"], SamplingConfig(num_inference_steps=3))
    assert pictures.shape == (2, 3, SIDE_PX, SIDE_PX)
    lines = (tmp_path / "whole/validation.jsonl").read_text().splitlines()
    assert len(json.loads(lines[-1])["levels"]) == 2
    with pytest.raises(CheckpointError, match="is a model of pixels, which diffusers has no pipeline for; draw with"):
        export_model(whole.run, str(tmp_path / "model"), ModelExport())


def test_inputs_of_a_model_of_pixels_are_the_pixels(tmp_path):
    release = Release(a_release(tmp_path / "c"))
    task = DiffusionTask(a_pixel_run(str(release.store.url(release.path)), tmp_path / "run"), release, ALONE)
    known = {
        to_network(torch.from_numpy(view.copy())).numpy().tobytes()
        for shard in shards_of(release, "train")
        for picture in read_samples(release, shard).pictures
        for view in (square(picture, SIDE_PX), square(picture, SIDE_PX)[:, :, ::-1])
    }
    with closing(task.batches(ALONE, 0, 1)) as batches:
        for _ in range(4):
            ((x0, noise, t, _),) = next(batches)
            assert {picture.numpy().tobytes() for picture in x0} <= known
            assert noise.shape == x0.shape
            assert ((t > 0) & (t < 1000)).all()


@pytest.mark.slow
def test_a_unet_of_a_flow_leaves_as_a_pipeline(tmp_path):
    noise = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 2.0}
    release, autoencoder = a_release(tmp_path / "c"), an_autoencoder(tmp_path / "vae")
    config = a_diffusion_run(release, tmp_path / "run", autoencoder, noise=noise)
    run(write_toml(tmp_path / "run.toml", config))
    export_model(config.run, str(tmp_path / "model"), ModelExport())
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(tmp_path / "model", torch_dtype=torch.float32)
    theirs = pipeline("a", num_inference_steps=4, guidance_scale=4.0, generator=torch.Generator().manual_seed(0))
    ours = TextToImage.load(config.run).sample(["a"], SamplingConfig(num_inference_steps=4))
    assert np.array_equal(np.asarray(theirs.images[0]).transpose(2, 0, 1), ours[0].numpy())


@pytest.mark.slow
def test_guidance_of_a_model_that_always_had_a_caption_is_refused(tmp_path):
    release, autoencoder = a_release(tmp_path / "c"), an_autoencoder(tmp_path / "vae")
    config = a_diffusion_run(release, tmp_path / "run", autoencoder, caption_drop_prob=0)
    run(write_toml(tmp_path / "run.toml", config))
    model = TextToImage.load(config.run)
    with pytest.raises(ConfigError, match="guidance_scale = 4 needs a model that was trained without captions too"):
        model.sample(["a"], SamplingConfig(num_inference_steps=2))
    assert model.sample(["a"], SamplingConfig(num_inference_steps=2, guidance_scale=1)).shape[0] == 1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"transformer": TRANSFORMER}, "the network is [unet] or [transformer], and both is there"),
        ({"unet": None}, "the network is [unet] or [transformer], and neither is there"),
        ({"caption_drop_prob": 0, "watch": WATCH}, "guidance needs a model that was trained without captions too"),
    ],
)
def test_configs_that_contradict_themselves_are_refused(tmp_path, overrides, message):
    with pytest.raises(ValidationError) as raised:
        a_diffusion_run("c/releases/r", tmp_path, "vae", **overrides)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"sample_latents": True}, "sample_latents is of an autoencoder, and none is named; remove it"),
        ({"buckets": {"step_px": 8}}, "buckets are of latents, and a model of pixels reads squares"),
    ],
)
def test_what_pixels_have_not_is_refused(tmp_path, overrides, message):
    with pytest.raises(ValidationError) as raised:
        a_pixel_run("c/releases/r", tmp_path, **overrides)
    assert message in str(raised.value)


def test_what_a_transformer_needs_is_told_before(tmp_path):
    config = a_pixel_run("c/releases/r", tmp_path / "run")
    told = estimate(config, A100, gpus=1)
    wider = estimate(
        config.model_copy(update={"transformer": config.transformer.model_copy(update={"num_layers": 4})}),
        A100,
        gpus=1,
    )
    assert told.feed_bytes_per_image == 3 * SIDE_PX**2 + 2 * 32 * 384
    assert wider.num_parameters > told.num_parameters
    assert wider.cost.flops_per_image > told.cost.flops_per_image


def test_a_patch_that_does_not_divide_is_one_line(tmp_path):
    config = a_pixel_run("c/releases/r", tmp_path / "run", transformer={**TRANSFORMER, "patch_size": 5})
    with pytest.raises(ConfigError, match="transformer.patch_size = 5 does not divide 16"):
        estimate(config, A100, gpus=1)
