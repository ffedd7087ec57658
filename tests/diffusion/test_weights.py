import json

import pytest
import torch
from diffusers import AutoencoderKL
from torch import nn

from byline.catalog.errors import BylineError, CheckpointError
from byline.diffusion.autoencoder import build_autoencoder
from byline.diffusion.configs import AutoencoderConfig, TextEncoderConfig
from byline.diffusion.text import TextEncoder
from byline.diffusion.weights import load_pretrained, load_tensors, refuse_pickles, save_tensors, weights_digest
from tests.training.builders import an_autoencoder


@pytest.mark.parametrize("name", ["model.pt", "deep/er/pytorch_model.bin", "optimizer.pkl", "MODEL.PT", "model.Bin"])
def test_pickles_are_refused(tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match="may be a pickle"):
        refuse_pickles(tmp_path)


@pytest.mark.parametrize("data", [b"\x80\x02}q\x00.", b"\x80\x05\x95", b"PK\x03\x04archive/data.pkl"])
def test_a_pickle_is_refused_whatever_it_is_called(tmp_path, data):
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match="may be a pickle"):
        refuse_pickles(tmp_path)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    save_tensors(path, {"a": torch.ones(10)})
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(CheckpointError, match="is not a whole safetensors file"):
        load_tensors(path)


def test_a_truncated_model_is_refused(tmp_path):
    an_autoencoder(tmp_path)
    weights = tmp_path / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot load AutoencoderKL from"):
        load_pretrained(AutoencoderKL, str(tmp_path))


def test_a_missing_folder_is_refused():
    with pytest.raises(CheckpointError, match="no folder ./no/where"):
        load_pretrained(AutoencoderKL, "./no/where")


def test_the_digest_is_of_the_values():
    one, two = nn.Linear(2, 2), nn.Linear(2, 2)
    two.load_state_dict(one.state_dict())
    assert weights_digest(one) == weights_digest(two)
    with torch.no_grad():
        two.bias[0] += 1
    assert weights_digest(one) != weights_digest(two)


def test_weights_that_are_missing_are_not_made_up(tmp_path):
    build_autoencoder(AutoencoderConfig(block_out_channels=(8, 8)), side_px=16).save_pretrained(tmp_path)
    path = tmp_path / "diffusion_pytorch_model.safetensors"
    tensors = load_tensors(path)
    del tensors["encoder.conv_in.weight"]
    save_tensors(path, tensors)
    with pytest.raises(CheckpointError, match=r"lacks weights of AutoencoderKL, such as encoder.conv_in.weight"):
        load_pretrained(AutoencoderKL, str(tmp_path))


def test_code_that_comes_with_a_model_is_not_run(tmp_path):
    ran = tmp_path / "ran"
    (tmp_path / "model").mkdir()
    (tmp_path / "model/code.py").write_text(f"open({str(ran)!r}, 'w')\n")
    config = {"model_type": "strange", "auto_map": {"AutoConfig": "code.C", "AutoModel": "code.M"}}
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    with pytest.raises(BylineError):
        TextEncoder(TextEncoderConfig(name=str(tmp_path / "model")))
    assert not ran.exists()


@pytest.mark.parametrize("size", [0x280, 0x10580])
def test_a_header_whose_length_begins_as_a_pickle_does_is_no_pickle(size, tmp_path):
    """So begins one of some two thousand files of safetensors."""
    (tmp_path / "model.safetensors").write_bytes(size.to_bytes(8, "little") + b"{" + b" " * (size - 2) + b"}")
    refuse_pickles(tmp_path)
