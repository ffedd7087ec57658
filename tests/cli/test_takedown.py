"""byline takedown as people meet it: it shows, asks, removes, proves."""

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from byline.catalog.corpora.corpus import owned
from byline.catalog.corpora.manifest import Release
from byline.catalog.disk.storage import Store
from byline.pipelines.beam.build import build
from byline.training.run_file import describe
from tests.builders import a_corpus, encoded, tree_digest
from tests.pipelines.rights.takedown.corpora import a_request, begun
from tests.training.builders import an_autoencoder_run

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


def _describe_run(folder: Path) -> None:
    """Say that a run trains on the release, as a run does when it begins."""
    corpus = str(folder / "corpus/releases/small")
    run = an_autoencoder_run(corpus, folder / "run")
    describe(run, Release(corpus), num_ranks=1, device="cpu").write(folder / "run")


@pytest.mark.slow
def test_find_shows_and_removes_nothing(folder):
    before = tree_digest(folder / "corpus")
    done = _byline("takedown", "find", "--picture", PHOTO, cwd=folder)
    assert done.returncode == 0
    shutil.rmtree(folder / "corpus/written")  # where the page is
    assert "test:0" in done.stderr
    assert "data:image/jpeg;base64" in (folder / "takedown.html").read_text()
    assert tree_digest(folder / "corpus") == before


@pytest.mark.slow
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
    shutil.rmtree(folder / "corpus/written", ignore_errors=True)  # where the page is
    assert tree_digest(folder / "corpus") == before


@pytest.mark.slow
def test_it_removes_proves_and_answers(folder):
    before = Release(str(folder / "corpus/releases/small"))
    done = _byline("takedown", "apply", "--record", "test:0", "--yes", cwd=folder)
    assert done.returncode == 0
    receipt = json.loads((folder / done.stdout.strip()).read_text())
    assert [row["reason"] for row in receipt["removed"]] == ["asked for"]
    assert "test:0" not in (folder / done.stdout.strip()).read_text()
    assert receipt["releases"][0]["before"] == before.version
    checked = _byline("takedown", "check", "--picture", PHOTO, cwd=folder)
    assert (checked.returncode, "nothing is left in corpus" in checked.stdout) == (0, True)
    assert not (folder / "takedown.html").exists()
    for asked in ("test:0", "http://pictures.example/0.jpg", hashlib.sha256(PHOTO.read_bytes()).hexdigest()):
        traced = _byline("trace", asked, cwd=folder)
        assert traced.returncode == 1
        assert f"it was taken down: corpus/receipts/{receipt['id']}.json" in traced.stdout.replace("\n", " ")
    assert _byline("verify", "corpus/releases/small", cwd=folder).returncode == 0


@pytest.mark.parametrize("arguments", [(), ("--page", "notes.txt")])
@pytest.mark.parametrize("verb", [("find",), ("apply", "--yes")])
def test_a_file_that_byline_did_not_write_is_neither_overwritten_nor_deleted(folder, verb, arguments):
    mine = folder / (arguments[1] if arguments else "takedown.html")
    mine.write_text("<title>My notes</title>")
    before = tree_digest(folder / "corpus")
    done = _byline("takedown", *verb, "--record", "test:0", *arguments, cwd=folder)
    assert done.returncode == 2
    assert f"{mine.name} is a file that byline did not write" in done.stderr
    assert "name another place with --page" in done.stderr
    assert mine.read_text() == "<title>My notes</title>"
    assert tree_digest(folder / "corpus") == before


@pytest.mark.slow
def test_what_took_the_place_of_the_page_is_named_when_a_takedown_is_completed(folder):
    store = Store(str(folder / "corpus"))
    assert _byline("takedown", "find", "--record", "test:0", cwd=folder).returncode == 0
    with owned(store):
        begun(store, a_request(records=("test:0",)))
    (folder / "takedown.html").write_text("mine")
    done = _byline("takedown", "apply", cwd=folder)
    assert done.returncode == 0
    assert "not deleted: takedown.html, which is not as byline wrote it" in done.stderr
    assert (folder / "takedown.html").read_text() == "mine"


@pytest.mark.slow
def test_a_page_that_was_edited_is_named_and_stays(folder):
    assert _byline("report", "corpus/releases/small", "--out", "report.html", cwd=folder).returncode == 0
    with (folder / "report.html").open("a") as file:
        file.write("<!-- my notes -->")
    done = _byline("takedown", "apply", "--record", "test:0", "--pages", "--yes", cwd=folder)
    assert done.returncode == 0
    assert "deleted: " not in done.stderr
    assert f"not reached: page {folder / 'report.html'}" in done.stderr
    assert (folder / "report.html").exists()


@pytest.mark.slow
def test_what_has_it_outside_of_the_corpus_is_named_and_pages_are_deleted_when_asked(folder, built):
    (folder / "reports").mkdir()
    pages = ["elsewhere.html", "reports/report.html", "moved.html"]
    assert _byline("takedown", "find", "--record", "test:0", "--page", "elsewhere.html", cwd=folder).returncode == 0
    assert _byline("report", "corpus/releases/small", "--out", "reports/report.html", cwd=folder).returncode == 0
    assert _byline("export", "corpus/releases/small", "export", cwd=folder).returncode == 0
    shutil.copy(folder / "elsewhere.html", folder / "moved.html")
    assert _byline("takedown", "find", "--record", "test:2", "--page", "of-another.html", cwd=folder).returncode == 0
    _describe_run(folder)
    done = _byline("takedown", "apply", "--record", "test:0", "--pages", "--yes", cwd=folder)
    assert done.returncode == 0
    told = done.stderr.splitlines()
    assert [line for line in told if line.startswith("deleted: ")] == [
        f"deleted: {folder}/{page}" for page in sorted(pages[:2])
    ]
    assert [page for page in pages if (folder / page).exists()] == ["moved.html"]
    assert [line.split(": ")[:2] for line in told if line.startswith("not reached: ")] == [
        ["not reached", f"source {built / 'metadata.tsv'}"],
        ["not reached", f"export {folder / 'export'}"],
        ["not reached", f"page {folder / 'moved.html'}"],
        ["not reached", f"run {folder / 'run'}"],
    ]
    assert (folder / "of-another.html").exists(), "it shows another picture"


@pytest.mark.slow
def test_a_page_of_pictures_that_are_encoded_anew_is_named_as_made_of_the_version_or_by_its_records(folder):
    version = Release(str(folder / "corpus/releases/small")).version
    assert _byline("captions", "corpus/releases/small", "--out", "captions.html", cwd=folder).returncode == 0
    shutil.copy(folder / "captions.html", folder / "copied.html")
    assert _byline("captions", "corpus/releases/small", "--out", "edited.html", cwd=folder).returncode == 0
    (folder / "edited.html").write_text("<p>without any record's id</p>")
    done = _byline("takedown", "apply", "--record", "test:0", "--pages", "--yes", cwd=folder)
    assert done.returncode == 0
    assert f"deleted: {folder / 'captions.html'}" in done.stderr
    assert f"not reached: page {folder / 'copied.html'}: it names the record" in done.stderr
    edited = f"not reached: page {folder / 'edited.html'}: it shows pictures of version {version}, which had it"
    assert edited in done.stderr


@pytest.mark.slow
def test_a_part_of_a_name_takes_nothing_down_but_lists_who_has_it(folder):
    before = tree_digest(folder / "corpus")
    for verb in (["find"], ["apply", "--yes"]):
        done = _byline("takedown", *verb, "--creator", "ada", cwd=folder)
        assert done.returncode == 2
        assert "no creator is called 'ada'; 1 holds it: 'Ada L.' (3 records)" in " ".join(done.stderr.split())
        assert "name one with --creator, or say --exactly" in " ".join(done.stderr.split())
    assert tree_digest(folder / "corpus") == before
    exactly = _byline("takedown", "find", "--creator", "ada", "--exactly", cwd=folder)
    assert "nothing in the corpus is what was asked for" in exactly.stderr
    named = _byline("takedown", "find", "--creator", "ADA L.", cwd=folder)
    assert "3 of 3 records" in named.stderr


@pytest.mark.slow
def test_check_finds_what_somebody_put_back(folder):
    _byline("takedown", "apply", "--record", "test:0", "--yes", cwd=folder)
    (folder / "corpus/shards/forgotten.bin").write_bytes(b"x" * 77 + PHOTO.read_bytes()[-4000:])
    checked = _byline("takedown", "check", "--picture", PHOTO, cwd=folder)
    assert checked.returncode == 1
    assert "left: shards/forgotten.bin at byte" in checked.stdout


@pytest.mark.slow
def test_check_names_what_it_could_not_read_and_proves_nothing_of_it(folder):
    _byline("takedown", "apply", "--record", "test:0", "--yes", cwd=folder)
    with zipfile.ZipFile(folder / "corpus/shards/put-away.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    (folder / "corpus/facts/broken").symlink_to("/proc/self/mem")
    (folder / "corpus/facts/half.parquet").write_bytes(b"PAR1" + b"x" * 50)
    checked = _byline("takedown", "check", cwd=folder)
    assert checked.returncode == 1
    told = checked.stdout.splitlines()
    assert [line.rpartition(" (")[0] or line for line in told[:-1]] == [
        "unread: facts/half.parquet: its cells cannot be decoded",
        "unread: facts/broken: it cannot be read",
        "unread: shards/put-away.zip: it is packed as zip, which is not looked into",
    ]
    assert told[-1].startswith("nothing was found in what could be read in corpus: ")
    assert told[-1].endswith("3 files could not be read, of which nothing is shown")


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
