import json

import pytest

from byline.catalog.errors import CheckpointError
from byline.diffusion.checkpoint import Ancestor, CheckpointInfo
from byline.diffusion.configs import TextEncoderConfig
from byline.diffusion.parts import NOT_STATED, FrozenPart, FrozenParts, describe, parts_of, read_parts
from byline.diffusion.provenance import write_provenance
from byline.diffusion.sources import ModelSource
from byline.diffusion.text import TextEncoder


@pytest.mark.parametrize(
    ("card", "license"),
    [
        ("---\nlicense: cc-by-sa-4.0\n---\n", "cc-by-sa-4.0"),
        ("---\nlicense: other\nlicense_name: mine\n---\n", "mine"),
        ("---\nlicense: other\n---\n", "other"),
        ("no head", NOT_STATED),
        ("---\n: [\n---\n", NOT_STATED),
        ("---\n- a list\n---\n", NOT_STATED),
    ],
)
def test_the_license_is_what_the_card_says(tmp_path, card, license):
    (tmp_path / "README.md").write_text(card)
    assert describe(ModelSource(name=str(tmp_path))) == FrozenPart(name=tmp_path.name, license=license)


def test_the_card_of_a_pipeline_is_that_of_its_parts(tmp_path):
    (tmp_path / "vae").mkdir()
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    assert describe(ModelSource(name=str(tmp_path), subfolder="vae")).license == "mit"


def test_what_byline_trained_names_its_release(tmp_path):
    (tmp_path / "vae_ema").mkdir()
    seen = Ancestor(digest="d" * 64, images_seen=8, config={}, release_digest="before")
    info = CheckpointInfo(
        kind="autoencoder",
        images_seen=8,
        config={},
        release_digest="abc",
        provenance={},
        files={},
        ancestors=(seen,),
    )
    (tmp_path / "byline.json").write_text(info.model_dump_json())
    part = describe(ModelSource(name=f"{tmp_path}/vae_ema"))
    assert (part.trained_on, part.checkpoint) == ("before abc", info.digest)


def test_an_export_says_what_it_was_trained_on_and_a_damaged_one_is_one_line(tmp_path):
    told = {"kind": "autoencoder", "checkpoint": "c" * 64, "releases": ["abc"]}
    (tmp_path / "provenance.json").write_text(json.dumps(told))
    assert describe(ModelSource(name=str(tmp_path))).trained_on == "abc"
    (tmp_path / "provenance.json").write_text(json.dumps({**told, "releases": 3}))
    with pytest.raises(CheckpointError, match="says of its training is damaged; get a whole copy"):
        describe(ModelSource(name=str(tmp_path)))


@pytest.mark.parametrize("exported", [False, True])
def test_what_the_perceptual_loss_looked_with_took_part_in_it(tmp_path, exported):
    info = CheckpointInfo(
        kind="autoencoder",
        images_seen=8,
        config={},
        release_digest="abc",
        provenance={"perceptual_model": "e" * 64},
        files={},
    )
    if exported:
        (tmp_path / "vae_ema").mkdir()
        write_provenance(tmp_path / "vae_ema", info)
    else:
        (tmp_path / "byline.json").write_text(info.model_dump_json())
    part = describe(ModelSource(name=f"{tmp_path}/vae_ema"))
    assert (part.trained_on, part.perceptual_model, part.is_of_releases) == ("abc", "e" * 64, False)


def test_a_repository_without_a_card_here_states_nothing():
    part = describe(ModelSource(name="nobody/has-this-model", subfolder="vae", revision="abc"))
    assert part == FrozenPart(name="nobody/has-this-model/vae", revision="abc")


def test_parts_come_back_and_name_no_place(tmp_path):
    (tmp_path / "vae").mkdir()
    parts = parts_of(ModelSource(name=f"{tmp_path}/vae"), TextEncoder(TextEncoderConfig(max_tokens=4)))
    parts.save_pretrained(tmp_path / "parts")
    assert read_parts(tmp_path) == parts.parts
    assert parts.parts["text_encoder"] == FrozenPart(name="all-MiniLM-L6-v2", license="apache-2.0")
    assert str(tmp_path) not in (tmp_path / "parts/parts.json").read_text()


def test_damaged_parts_are_one_line(tmp_path):
    FrozenParts({}).save_pretrained(tmp_path / "parts")
    (tmp_path / "parts/parts.json").write_text('{"autoencoder": {"who": 1}}')
    with pytest.raises(CheckpointError, match="parts.json is damaged"):
        read_parts(tmp_path)
