"""Runs that train a text encoder on a release and nothing else."""

import shutil

import pytest
import torch
from transformers import AutoTokenizer, CLIPModel

from byline.diffusion.checkpoint import open_checkpoint
from byline.diffusion.parts import read_parts
from byline.diffusion.sampling import TextToImage
from byline.doctor.config import config_lines
from byline.training.run import run
from harness.run_configs import write_toml
from tests.training.builders import a_diffusion_run, a_release, a_text_encoder_run, an_autoencoder
from tests.training.test_run import digests_of, losses_of


def test_a_run_saves_what_transformers_loads(tmp_path):
    config = a_text_encoder_run(a_release(tmp_path / "corpus"), tmp_path / "run")
    assert run(write_toml(tmp_path / "run.toml", config)) == 0
    folder, info = open_checkpoint(tmp_path / "run")
    assert (info.kind, info.images_seen) == ("text_encoder", 24)
    first, last = (CLIPModel.from_pretrained(folder / name) for name in ("text_encoder_ema", "text_encoder"))
    assert not torch.equal(first.text_projection.weight, last.text_projection.weight)
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    assert tokenizer.pad_token_id == first.config.text_config.pad_token_id
    assert tokenizer("PICTURE 1")["input_ids"] == tokenizer("picture 1")["input_ids"]


def test_a_run_goes_on_from_any_checkpoint_to_the_same_bits(tmp_path):
    config = a_text_encoder_run(a_release(tmp_path / "corpus"), tmp_path / "run")
    path = write_toml(tmp_path / "run.toml", config)
    run(path)
    whole, losses = digests_of(tmp_path / "run"), losses_of(tmp_path / "run")
    newest, _ = open_checkpoint(tmp_path / "run")
    shutil.rmtree(newest)
    run(path)
    assert digests_of(tmp_path / "run") == whole
    assert losses_of(tmp_path / "run") == losses


@pytest.mark.slow
def test_a_diffusion_run_reads_it_and_keeps_it(tmp_path):
    release = a_release(tmp_path / "corpus")
    run(write_toml(tmp_path / "text.toml", a_text_encoder_run(release, tmp_path / "text")))
    _, text = open_checkpoint(tmp_path / "text")
    config = a_diffusion_run(
        release,
        tmp_path / "run",
        an_autoencoder(tmp_path / "vae"),
        text_encoder={"name": str(tmp_path / "text"), "max_tokens": 8},
    )
    run(write_toml(tmp_path / "run.toml", config))
    (tmp_path / "text").rename(tmp_path / "gone")
    folder, info = open_checkpoint(tmp_path / "run")
    part = read_parts(folder)["text_encoder"]
    assert (part.name, part.checkpoint, part.trained_on) == ("text", text.digest, info.release_digest)
    assert not [path for path in folder.rglob("*.json") if str(tmp_path) in path.read_text()]
    model = TextToImage.load(tmp_path / "run")
    assert model.text_encoder.width == 16
    assert model.info.provenance["text_encoder"] == model.text_encoder.digest


def test_doctor_says_what_is_to_be_trained_first(tmp_path):
    release = a_release(tmp_path / "corpus")
    config = a_diffusion_run(
        release, tmp_path / "run", an_autoencoder(tmp_path / "vae"), text_encoder={"name": str(tmp_path / "text")}
    )
    (tmp_path / "text/checkpoints").mkdir(parents=True)  # a run that has begun
    lines = {line.about: line for line in config_lines(str(write_toml(tmp_path / "run.toml", config)))}
    assert lines["autoencoder"].state == "ok"
    assert lines["text encoder"].state == "mend"
    assert 'train one (a config of kind = "text_encoder")' in lines["text encoder"].message
