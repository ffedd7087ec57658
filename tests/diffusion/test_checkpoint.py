"""What a checkpoint may hold."""

import os

import pytest
import torch

from byline.catalog.errors import CheckpointError
from byline.diffusion.checkpoint import INFO, CheckpointInfo, checkpoint_names, file_digest, open_checkpoint
from byline.diffusion.file_kinds import kind_of
from byline.diffusion.weights import save_tensors


def _a_checkpoint(run, *, images_seen=100, **added: bytes):
    """Write a checkpoint of a run; what is added is listed in it, with its digest."""
    folder = run / "checkpoints" / f"{images_seen:010d}"
    save_tensors(folder / "unet" / "weights.safetensors", {"a": torch.ones(3)})
    (folder / "unet" / "config.json").write_text('{"layers": 2}')
    for name, data in added.items():
        (folder / name).write_bytes(data)
    files = {path.relative_to(folder).as_posix(): file_digest(path) for path in folder.rglob("*") if path.is_file()}
    info = CheckpointInfo(
        kind="diffusion", images_seen=images_seen, config={}, release_digest="0" * 64, provenance={}, files=files
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
    with pytest.raises(CheckpointError, match=r"pipe.json is no part of the checkpoint, and could be loaded"):
        open_checkpoint(tmp_path)


def test_a_flipped_bit_is_named(tmp_path):
    path = _a_checkpoint(tmp_path) / "unet" / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[8] ^= 1  # the header is no JSON any longer
    path.write_bytes(bytes(data))
    assert kind_of(path) is None
    with pytest.raises(CheckpointError, match=rf"weights.safetensors is not what {INFO} says; no older one is whole"):
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


@pytest.mark.parametrize(
    ("name", "data"), [("notes.txt", b"good colors"), ("unet/grid.png", b"\x89PNG"), ("README", b"mine")]
)
def test_a_stray_file_is_named_and_left(tmp_path, capsys, name, data):
    folder = _a_checkpoint(tmp_path)
    (folder / name).write_bytes(data)
    assert open_checkpoint(tmp_path)[0] == folder
    assert f"{folder / name} is no part of the checkpoint, and is left as it is" in capsys.readouterr().err
    assert (folder / name).read_bytes() == data


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("unet/model.safetensors.index.json", b"{}"),
        ("unet/adapter_config.json", b""),
        ("notes.txt", b"\x80\x02}q\x00."),
        ("unet/extra", b'{"a": 1}'),
        ("pytorch_model.bin", b""),
        ("module.py", b""),
    ],
)
def test_a_stray_file_that_could_be_loaded_is_refused_by_its_name_alone(tmp_path, name, data):
    folder = _a_checkpoint(tmp_path)
    (folder / name).write_bytes(data)
    with pytest.raises(
        CheckpointError, match=f"{name} is no part .* move that file elsewhere; the checkpoint is whole"
    ):
        open_checkpoint(tmp_path)


def test_a_damaged_newest_checkpoint_names_the_older_one_that_is_whole(tmp_path):
    folders = [_a_checkpoint(tmp_path, images_seen=seen) for seen in (100, 200, 300)]
    for folder in folders[1:]:
        (folder / "unet" / "config.json").write_text("{}")
    with pytest.raises(CheckpointError) as told:
        open_checkpoint(tmp_path)
    assert f"to go back to {folders[0]}, which is whole, with 100 images, move {folders[2]} elsewhere" in str(
        told.value
    )
    for folder in reversed(folders[1:]):
        folder.rename(tmp_path / folder.name)
    assert open_checkpoint(tmp_path)[0] == folders[0]


def test_a_checkpoint_without_its_description_is_one_line(tmp_path):
    folders = [_a_checkpoint(tmp_path, images_seen=seen) for seen in (100, 200)]
    (folders[1] / INFO).unlink()
    with pytest.raises(CheckpointError, match=rf"0000000200 has no {INFO}; to go back to {folders[0]}"):
        open_checkpoint(tmp_path)


def test_a_description_that_leads_out_of_its_folder_is_damaged(tmp_path):
    folder = _a_checkpoint(tmp_path)
    info = CheckpointInfo.model_validate_json((folder / INFO).read_text())
    escaped = info.model_copy(update={"files": {"../../secret.json": "0" * 64}})
    (folder / INFO).write_text(escaped.model_dump_json())
    with pytest.raises(CheckpointError, match=f"{INFO} is damaged"):
        open_checkpoint(tmp_path)
