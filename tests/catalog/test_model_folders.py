"""What a folder of weights is refused for, before anything is loaded from it."""

import pickle

import pytest

from byline.catalog.configs.model_folders import safetensors_folder
from byline.catalog.errors import CheckpointError


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("MODEL.PT", b"x", r"only pickled weights \(MODEL.PT\)"),
        ("pytorch_model.Bin", b"x", r"only pickled weights \(pytorch_model.Bin\)"),
        ("notes.txt", b"x", "no weights"),
        ("model.safetensors", pickle.dumps({}), "model.safetensors is a pickle or an archive, whatever it is called"),
        ("model.safetensors", b"PK\x03\x04", "model.safetensors is a pickle or an archive, whatever it is called"),
    ],
)
def test_what_can_run_code_is_refused_by_content_and_by_name_in_any_case(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        safetensors_folder(str(tmp_path), "", what="a model")


@pytest.mark.parametrize("size", [2, 0x280, 0x10580])  # of which two begin as pickles do
def test_safetensors_beside_others_are_a_folder(size, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(size.to_bytes(8, "little") + b"{" + b" " * (size - 2) + b"}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")  # which is never loaded
    assert safetensors_folder(str(tmp_path), "", what="a model") == tmp_path
