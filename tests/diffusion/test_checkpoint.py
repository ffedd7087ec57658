"""What a checkpoint may hold."""

import os

import pytest
import torch

from byline.catalog.errors import CheckpointError
from byline.diffusion.checkpoint import INFO, CheckpointInfo, checkpoint_names, file_digest, open_checkpoint
from byline.diffusion.file_kinds import kind_of
from byline.diffusion.weights import save_tensors


def _a_checkpoint(run, **added: bytes):
    """Write the newest checkpoint of a run; what is added is listed in it, with its digest."""
    folder = run / "checkpoints" / "0000000100"
    save_tensors(folder / "unet" / "weights.safetensors", {"a": torch.ones(3)})
    (folder / "unet" / "config.json").write_text('{"layers": 2}')
    for name, data in added.items():
        (folder / name).write_bytes(data)
    files = {path.relative_to(folder).as_posix(): file_digest(path) for path in folder.rglob("*") if path.is_file()}
    info = CheckpointInfo(
        kind="diffusion", images_seen=100, config={}, release_digest="0" * 64, provenance={}, files=files
    )
    (folder / INFO).write_text(info.model_dump_json())
    return folder


def test_safetensors_and_json_are_all_that_a_checkpoint_holds(tmp_path):
    folder = _a_checkpoint(tmp_path)
    assert open_checkpoint(tmp_path)[0] == folder


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("weights.PT", b"\x80\x02}q\x00."),
        ("weights.safetensors", b"\x80\x02}q\x00."),
        ("config.JSON", b"PK\x03\x04archive/data.pkl"),
        ("run.py", b"import os\n"),
        ("notes", b""),
        ("old.pickle", b"(dp0\n."),
        ("weights.bin", (8).to_bytes(8, "little") + b"[1, 2,3]"),
        ("deep.json", b"[" * 100_000),
        ("long.safetensors", (1 << 62).to_bytes(8, "little") + b"{}"),
    ],
)
def test_anything_else_is_refused_by_its_bytes_even_with_its_digest(tmp_path, name, data):
    _a_checkpoint(tmp_path, **{name: data})
    with pytest.raises(CheckpointError, match=f"{name} is neither safetensors nor JSON by its bytes"):
        open_checkpoint(tmp_path)


def test_a_pipe_is_refused_and_not_read(tmp_path):
    os.mkfifo(_a_checkpoint(tmp_path) / "unet" / "pipe.json")
    with pytest.raises(CheckpointError, match=r"pipe.json is neither"):
        open_checkpoint(tmp_path)


def test_a_flipped_bit_is_named(tmp_path):
    path = _a_checkpoint(tmp_path) / "unet" / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[8] ^= 1  # the header is no JSON any longer
    path.write_bytes(bytes(data))
    assert kind_of(path) is None
    with pytest.raises(CheckpointError, match=rf"weights.safetensors is not what {INFO} says; delete"):
        open_checkpoint(tmp_path)


def test_what_file_managers_leave_is_nobodys(tmp_path):
    folder = _a_checkpoint(tmp_path)
    for place in (tmp_path, folder.parent, folder, folder / "unet"):
        (place / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
        (place / "._config.json").write_bytes(b"\0\5\x16\7")
    (folder.parent / "0000000100 copy").mkdir()
    (folder.parent / "0000000100 copy" / INFO).write_text("{}")
    assert checkpoint_names(tmp_path) == ["0000000100"]
    assert open_checkpoint(tmp_path)[0] == folder
