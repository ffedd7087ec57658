"""A text encoder that left byline is transformers' own; the card says what holds of every part."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import CheckpointError, ConfigError
from byline.diffusion.checkpoint import open_checkpoint
from byline.diffusion.configs import TextEncoderConfig
from byline.diffusion.text import TextEncoder
from byline.evaluation.clip_scorer import ClipScorer
from byline.exports.model import ModelExport, export_model
from byline.training.run import run
from harness.run_configs import write_toml
from tests.training.builders import a_diffusion_run, a_release, a_text_encoder_run, an_autoencoder, an_autoencoder_run

READ = """
import json, sys
import torch
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

folder, out = sys.argv[1:]
tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
assert AutoImageProcessor.from_pretrained(folder).crop_size["height"] == 16
tokens = tokenizer(["picture 1", "PICTURE 2 and more"], padding="max_length", truncation=True, return_tensors="pt")
with torch.no_grad():
    read = model.text_model(**tokens).last_hidden_state
assert not [name for name in sys.modules if name.split(".")[0] == "byline"]
json.dump(read.tolist(), open(out, "w"))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs of an autoencoder and of a text encoder on one release, both exported."""
    folder = tmp_path_factory.mktemp("trained")
    release = a_release(folder / "c")
    for name, a_run in {"text": a_text_encoder_run, "vae": an_autoencoder_run}.items():
        run(write_toml(folder / f"{name}.toml", a_run(release, folder / f"{name}-run")))
        export_model(str(folder / f"{name}-run"), str(folder / name), ModelExport(release=Release(release)))
    return folder, release


def card_of(folder: Path) -> str:
    """Return a card as Markdown shows it."""
    return (folder / "README.md").read_text().replace("\\", "")


@pytest.mark.slow
def test_transformers_alone_reads_texts_as_byline_does(trained, tmp_path):
    folder, _ = trained
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-P", "-c", READ, str(folder / "text"), str(tmp_path / "read.json")]
    subprocess.run(command, check=True, env=environment, cwd=tmp_path, capture_output=True)
    ours = TextEncoder(TextEncoderConfig(name=str(folder / "text"), max_tokens=8))
    read = torch.stack(ours.encode(["picture 1", "picture 2 and more"]))
    assert torch.allclose(torch.tensor(json.loads((tmp_path / "read.json").read_text())), read, atol=1e-6)
    _, info = open_checkpoint(folder / "text-run")
    assert ours.provenance.checkpoint == info.digest


@pytest.mark.slow
def test_an_export_scores_pictures_by_their_captions(trained):
    folder, _ = trained
    scorer = ClipScorer.load(str(folder / "text"), device="cpu")
    pixels = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8).numpy()
    assert scorer.similarities(pixels, ["picture 1", "picture 2"]).shape == (3, 2)


def test_the_card_of_a_text_encoder_names_its_release_and_no_other_part(trained):
    folder, release = trained
    card = card_of(folder / "text")
    assert "# Text encoder, 16 px" in card
    assert "holds: no other model is a part of it" in card
    assert f"release {Release(release).manifest.digest[:16]}" in card


@pytest.mark.slow
def test_the_card_of_a_diffusion_model_says_what_holds_of_its_parts(trained, tmp_path):
    folder, release = trained
    settings = {"text_encoder": {"name": str(folder / "text"), "max_tokens": 8}}
    run(write_toml(tmp_path / "c.toml", a_diffusion_run(release, tmp_path / "clean", str(folder / "vae"), **settings)))
    run(write_toml(tmp_path / "w.toml", a_diffusion_run(release, tmp_path / "web", an_autoencoder(tmp_path / "vae"))))
    cards = {}
    for name in ("clean", "web"):
        export_model(str(tmp_path / name), str(tmp_path / f"{name}-model"), ModelExport(release=Release(release)))
        cards[name] = card_of(tmp_path / f"{name}-model")
    digest = Release(release).manifest.digest[:16]
    assert (
        f"every part was trained by byline, on the pictures and captions of releases and on nothing else: {digest} |"
        in (cards["clean"])
    )
    assert "none saw anything of the web" in cards["clean"]
    assert "does NOT hold: text_encoder all-MiniLM-L6-v2 was trained on text of the web" in cards["web"].replace(
        "\\", ""
    )
    assert "nothing here says what autoencoder vae was trained on" in cards["web"]
    assert "none saw anything of the web" not in cards["web"]


def test_a_run_of_another_kind_and_no_folder_are_one_line(trained, tmp_path):
    folder, _ = trained
    with pytest.raises(CheckpointError, match="is of kind 'autoencoder'; name a run of kind 'text_encoder'"):
        TextEncoder(TextEncoderConfig(name=str(folder / "vae-run")))
    with pytest.raises(ConfigError, match="neither a checkpoint nor a model is there; train one"):
        TextEncoder(TextEncoderConfig(name=str(tmp_path / "none")))
    with pytest.raises(ConfigError, match="max_tokens = 9, and .* reads at most 8; lower it"):
        TextEncoder(TextEncoderConfig(name=str(folder / "text-run"), max_tokens=9))
