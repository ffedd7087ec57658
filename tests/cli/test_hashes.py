"""`byline hashes` as people meet it."""

import subprocess
import sys

import pytest

from byline.pipelines.facts.evaluation_sets import load_evaluation_list
from tests.builders import a_picture, encoded


def _hashes(*arguments):
    command = [sys.executable, "-m", "byline.cli.main", "hashes", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for seed in range(3):
        (pictures / f"{seed}.jpg").write_bytes(encoded(a_picture(seed)))
    return pictures


def test_a_folder_becomes_a_list(folder, tmp_path):
    (folder / "0.txt").write_text("blobs")
    out = tmp_path / "lists/val.parquet"
    done = _hashes(folder, "--out", out, "--name", "blobs")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("3 pictures, 0 of them flat, beside them 1 .txt\n")
    found = load_evaluation_list(out)
    assert (found.name, found.rows["name"].to_pylist().count("1.jpg"), len(found.rows)) == ("blobs", 1, 3)


def test_what_cannot_be_read_is_named_and_does_not_stop_the_others(folder, tmp_path):
    (folder / "bad\n.jpg").write_bytes(b"<html>")
    done = _hashes(folder, "--out", tmp_path / "val.parquet")
    assert done.returncode == 0
    assert "bad .jpg: the content is no image format we read; it seems to be an HTML page\n" in done.stderr
    assert "warning: 1 of 4 files was not read; nothing is compared with it" in done.stderr


def test_no_pictures_are_an_error_and_leave_no_list(tmp_path):
    (tmp_path / "empty").mkdir()
    done = _hashes(tmp_path / "empty", "--out", tmp_path / "val.parquet")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "val.parquet").exists()


def test_a_list_that_cannot_be_written_is_said_before_the_work(folder, tmp_path):
    (tmp_path / "file").write_text("")
    done = _hashes(folder, "--out", tmp_path / "file/val.parquet")
    assert done.returncode == 2
    assert "cannot write" in done.stderr
