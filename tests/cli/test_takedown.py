"""byline takedown as people meet it: it shows, asks, removes, proves."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from byline.catalog.corpora.manifest import Release
from byline.catalog.disk.storage import Store
from byline.pipelines.beam.build import build
from tests.builders import a_corpus, encoded, tree_digest

PHOTO = Path("samples/photographs/lomiri-dragonfly-by-bolly.jpg").resolve()
OTHER = Path("samples/photographs/lomiri-wine-by-jakkub-mede.jpg").resolve()


def _byline(*arguments, cwd):
    command = [sys.executable, "-m", "byline.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    config = a_corpus(folder, num_pictures=3, num_packs=1)
    shutil.copy(PHOTO, folder / "pictures/0.jpg")
    shutil.copy(OTHER, folder / "pictures/1.jpg")
    build(str(config), workers=1)
    return folder


@pytest.fixture
def folder(built, tmp_path):
    shutil.copytree(built / "corpus", tmp_path / "corpus")
    return tmp_path


def test_find_shows_and_removes_nothing(folder):
    before = tree_digest(folder / "corpus")
    done = _byline("takedown", "find", "--picture", PHOTO, cwd=folder)
    assert done.returncode == 0
    assert "test:0" in done.stderr
    assert "data:image/jpeg;base64" in (folder / "takedown.html").read_text()
    assert tree_digest(folder / "corpus") == before


@pytest.mark.parametrize(
    ("arguments", "question"),
    [
        (("--record", "test:0"), "remove 1 of 3 records"),
        (("--record", "test:nobody"), "nothing matches; deny it for the future"),
        (("--domain", "pictures.example"), "this removes ALL 3 records"),
    ],
)
def test_where_nobody_can_be_asked_it_says_what_it_would_do(folder, arguments, question):
    before = tree_digest(folder / "corpus")
    done = _byline("takedown", "apply", *arguments, cwd=folder)
    assert done.returncode == 2
    assert question in done.stderr
    assert "--yes" in done.stderr
    assert tree_digest(folder / "corpus") == before


def test_it_removes_proves_and_answers(folder):
    before = Release(str(folder / "corpus/releases/small"))
    done = _byline("takedown", "apply", "--record", "test:0", "--yes", cwd=folder)
    assert done.returncode == 0
    receipt = json.loads((folder / done.stdout.strip()).read_text())
    assert [row["record_id"] for row in receipt["removed"]] == ["test:0"]
    assert receipt["releases"][0]["before"] == before.version
    checked = _byline("takedown", "check", "--picture", PHOTO, cwd=folder)
    assert (checked.returncode, "nothing is left in corpus" in checked.stdout) == (0, True)
    assert not (folder / "takedown.html").exists()
    for asked in ("test:0", "http://pictures.example/0.jpg", receipt["removed"][0]["sha256"]):
        traced = _byline("trace", asked, cwd=folder)
        assert traced.returncode == 1
        assert f"it was taken down: corpus/receipts/{receipt['id']}.json" in traced.stdout.replace("\n", " ")
    assert _byline("verify", "corpus/releases/small", cwd=folder).returncode == 0


def test_check_finds_what_somebody_put_back(folder):
    _byline("takedown", "apply", "--record", "test:0", "--yes", cwd=folder)
    (folder / "corpus/shards/forgotten.bin").write_bytes(b"x" * 77 + PHOTO.read_bytes()[-4000:])
    checked = _byline("takedown", "check", "--picture", PHOTO, cwd=folder)
    assert checked.returncode == 1
    assert "left: shards/forgotten.bin at byte" in checked.stdout


def test_check_without_a_takedown_proves_nothing(folder):
    done = _byline("takedown", "check", cwd=folder)
    assert done.returncode == 2
    assert "there is nothing to search for" in done.stderr


def test_what_is_not_there_yet_can_be_denied(folder, built):
    assert _byline("takedown", "apply", "--picture", _drawn(folder), "--yes", cwd=folder).returncode == 0
    assert Store(str(folder / "corpus")).files("denylist", suffix=".parquet")


def _drawn(folder):
    from tests.builders import a_picture

    path = folder / "drawn.png"
    path.write_bytes(encoded(a_picture(99), "PNG"))
    return path
