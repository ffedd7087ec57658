from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from byline.catalog.errors import CheckpointError
from byline.dedup.embedding.corpus import photographs
from byline.dedup.embedding.embedder import Embedder, EmbeddingConfig
from byline.dedup.embedding.network import CopyNet, NetworkConfig, folded, save_network
from harness.edits import EDITS, Draw
from tests.builders import a_picture

SAMPLES = Path(__file__).parent.parent.parent / "samples"
DETECTOR = SAMPLES / "models" / "copy-detector"
MIN_COSINE = 0.70


def an_embedder(folder=DETECTOR, **overrides):
    return Embedder(EmbeddingConfig(**{"model": str(folder), **overrides}))


def a_network(folder, *, seed=0):
    """Save an untrained network small enough to be quick."""
    torch.manual_seed(seed)
    save_network(CopyNet(NetworkConfig(side_px=32, widths=(8, 8), dim=16), norm=False), folder)
    return folder


def a_vision_model(folder):
    """Save a randomly initialized DINOv2 of a few kilobytes, made offline."""
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    config = Dinov2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14)
    Dinov2Model(config).save_pretrained(folder)
    BitImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}).save_pretrained(folder)
    return folder


def held_out_photographs(count):
    """Return photographs that training did not see, one of each group: no two of them are copies."""
    chosen = photographs(SAMPLES / "photographs", held_out=True)
    first = dict(zip(reversed(chosen.groups), reversed(chosen.paths), strict=True))
    return [Image.open(path).convert("RGB") for path in sorted(first.values())[:count]]


def edited(images, edit):
    stamp = Image.open(min((SAMPLES / "drawings").glob("*.png")))
    return [
        EDITS[edit](Draw(image=image, random=np.random.default_rng(place), emoji=stamp, other=images[place - 1]))
        for place, image in enumerate(images)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "edit", ["crop: 20 % of the area cut away", "emoji over 9 % of a square", "words along top and bottom", "mirrored"]
)
def test_nine_in_ten_edited_copies_are_found(edit):
    images = held_out_photographs(40)
    embedder = an_embedder()
    cosines = (embedder.embed(images).astype(float) * embedder.embed(edited(images, edit)).astype(float)).sum(axis=1)
    assert (cosines >= MIN_COSINE).mean() >= 0.9


def test_strangers_are_not_taken_for_copies():
    vectors = an_embedder().embed(held_out_photographs(40)).astype(float)
    cosines = (vectors @ vectors.T)[np.triu_indices(40, 1)]
    assert (cosines >= MIN_COSINE).sum() == 0


def test_vectors_are_unit_float16():
    vectors = an_embedder().embed([a_picture(1), a_picture(2)])
    assert vectors.dtype == np.float16
    assert np.allclose(np.linalg.norm(vectors.astype(float), axis=1), 1, atol=1e-3)


def test_a_vector_does_not_depend_on_its_batch():
    images = [a_picture(seed) for seed in range(4)]
    embedder = an_embedder()
    alone = np.concatenate([embedder.embed([image]) for image in reversed(images)])[::-1]
    assert np.array_equal(embedder.embed(images), alone)


def test_a_vector_does_not_depend_on_threads():
    """Those of a process are as they were after it."""
    images, before, vectors = held_out_photographs(8), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            vectors.append(an_embedder().embed(images))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert all(np.array_equal(vectors[0], other) for other in vectors)


def test_a_mirrored_picture_has_the_same_vector(tmp_path):
    image = a_picture(3, size=(32, 32))
    embedder = an_embedder(a_network(tmp_path))
    vectors = embedder.embed([image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)])
    assert np.array_equal(vectors[0], vectors[1])


def test_no_pictures_make_no_vectors():
    assert an_embedder().embed([]).shape == (0, 128)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1"])
def test_every_opaque_mode_is_embedded(mode):
    assert an_embedder().embed([a_picture(1).convert(mode)]).shape == (1, 128)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3000, 2)])
def test_a_sliver_is_embedded(size):
    assert an_embedder().embed([Image.new("RGB", size, "red")]).shape == (1, 128)


def test_transparency_is_refused():
    with pytest.raises(ValueError, match="flatten it on a background first"):
        an_embedder().embed([Image.new("RGBA", (8, 8))])


def test_the_instrument_follows_the_weights_and_not_the_folder(tmp_path):
    (first, second, other) = (
        a_network(tmp_path / place / "net", seed=seed) for place, seed in zip("abc", (0, 0, 1), strict=True)
    )
    names = [an_embedder(folder).instrument for folder in (first, second, other)]
    assert names[0] == names[1] != names[2]


def test_folding_the_normalization_changes_no_vector():
    torch.manual_seed(0)
    net = CopyNet(NetworkConfig(side_px=32, widths=(8, 16, 16), dim=16), norm=True)
    pixels = torch.rand(64, 3, 32, 32)
    net(pixels)  # moves the running means away from zero
    assert torch.allclose(folded(net)(pixels), net.eval()(pixels), atol=1e-5)


def test_another_vision_model_can_be_plugged_in(tmp_path):
    vectors = an_embedder(a_vision_model(tmp_path)).embed([a_picture(1), a_picture(2)])
    assert vectors.shape == (2, 16)
    assert not np.array_equal(vectors[0], vectors[1])


def _cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def _with_nan(path):
    weights = load_file(path)
    weights["head.bias"][0] = float("nan")
    save_file(weights, path)


def _of_another_shape(path):
    weights = load_file(path)
    weights["head.bias"] = torch.zeros(3, dtype=torch.float16)
    save_file(weights, path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut, "holds no usable copy detector"),
        (_with_nan, "not finite"),
        (_of_another_shape, "size mismatch for head.bias"),
        (lambda path: path.unlink(), "no weights"),
        (lambda path: path.rename(path.with_suffix(".bin")), "only pickled weights"),
    ],
)
def test_damaged_weights_are_one_line(damage, message, tmp_path):
    damage(a_network(tmp_path) / "model.safetensors")
    with pytest.raises(CheckpointError, match=message) as caught:
        an_embedder(tmp_path).embed([a_picture()])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"architecture": "byline-copy-detector", "dimension": 3}'])
def test_a_damaged_config_is_one_line(text, tmp_path):
    (a_network(tmp_path) / "config.json").write_text(text)
    with pytest.raises(CheckpointError) as caught:
        an_embedder(tmp_path).embed([a_picture()])
    assert "\n" not in str(caught.value)


def test_a_damaged_vision_model_is_one_line(tmp_path):
    _cut(a_vision_model(tmp_path) / "model.safetensors")
    with pytest.raises(CheckpointError, match="no vision model that loads") as caught:
        an_embedder(tmp_path).embed([a_picture()])
    assert "\n" not in str(caught.value)


def test_a_hub_id_needs_its_commit():
    with pytest.raises(CheckpointError, match="a hub id with its commit"):
        an_embedder("facebook/dinov2-small")


def test_a_branch_is_no_revision():
    with pytest.raises(ValueError, match="revision"):
        EmbeddingConfig(model="facebook/dinov2-small", revision="main")
