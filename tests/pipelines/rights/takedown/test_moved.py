"""Records whose URL changed between two builds, and so have two pictures; answers that were no picture."""

import shutil

import pytest

from byline.catalog.corpora.corpus import read_settings
from byline.catalog.corpora.packs import read_attempts
from byline.catalog.denylists.lists import load_denylist
from byline.catalog.digests import sha256_hex
from byline.catalog.disk.storage import Store
from byline.pipelines.beam.build import build
from byline.pipelines.releases.verify import verify
from byline.pipelines.rights.takedown.checking import check_corpus
from byline.pipelines.rights.takedown.selecting import select
from tests.builders import a_picture, a_yfcc_line, encoded, write_corpus
from tests.pipelines.rights.takedown.corpora import HOST, a_request, latest, selected, shipped, take_down

pytestmark = pytest.mark.beam
PICTURES = {name: encoded(a_picture(seed)) for name, seed in {"0": 0, "1": 1, "2": 2, "moved": 77}.items()}
OLD, NEW = PICTURES["1"], PICTURES["moved"]
NO_PICTURE = b"<html>gone</html>"


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """Return the folder of a corpus: 1 moved to another picture, 2 to the bytes of 0; a and b never were pictures."""
    folder = tmp_path_factory.mktemp("moved")
    (folder / "pictures").mkdir()
    for name, data in {**PICTURES, "same": PICTURES["0"], "a": NO_PICTURE, "b": NO_PICTURE}.items():
        (folder / f"pictures/{name}.jpg").write_bytes(data)
    config = write_corpus(folder, [a_yfcc_line(name, f"{HOST}/{name}.jpg") for name in "012ab"], num_packs=2)
    build(str(config), workers=1)
    metadata = folder / "metadata.tsv"
    metadata.write_text(metadata.read_text().replace("/1.jpg", "/moved.jpg").replace("/2.jpg", "/same.jpg"))
    build(str(config), workers=1)
    return folder


@pytest.fixture
def store(moved, tmp_path):
    shutil.copytree(moved / "corpus", tmp_path / "corpus")
    return Store(str(tmp_path / "corpus"))


def _left(store, *pictures):
    named = {str(number): data for number, data in enumerate(pictures)}
    return [hit for hit in check_corpus(store, (), named, lambda path, num_bytes: None) if hit.kind != "shared"]


@pytest.mark.slow
def test_a_record_goes_with_all_the_pictures_it_ever_brought(store):
    receipt = take_down(store, records=("test:1",))
    assert {(row["record_id"], row["sha256"], row["reason"]) for row in receipt.removed} == {
        ("test:1", sha256_hex(data), "asked for") for data in (OLD, NEW)
    }
    assert len(receipt.releases) == 2
    assert _left(store) == []
    assert list(verify(latest(store))) == []
    assert shipped(latest(store)) == {"test:0"}


@pytest.mark.parametrize(("asked", "other"), [(OLD, NEW), (NEW, OLD)])
def test_what_is_asked_for_by_one_of_its_pictures_goes_with_the_other(store, asked, other):
    receipt = take_down(store, sha256s=(sha256_hex(asked),))
    assert {row["sha256"]: row["reason"] for row in receipt.removed} == {
        sha256_hex(asked): "asked for",
        sha256_hex(other): "same record",
    }
    assert _left(store) == []


def test_every_url_and_picture_that_a_record_had_is_denied(store):
    take_down(store, records=("test:1",))
    denylist = load_denylist(store)
    urls = [f"{HOST}/{name}.jpg" for name in ("1", "moved", "0")]
    assert denylist.denied("url", urls).tolist() == [True, True, False]
    assert [denylist.denies_bytes(sha256_hex(data)) for data in (OLD, NEW, PICTURES["0"])] == [True, True, False]


def test_a_picture_that_another_record_has_too_stays(store):
    receipt = take_down(store, sha256s=(sha256_hex(PICTURES["2"]),))
    assert [row["sha256"] for row in receipt.removed] == [sha256_hex(PICTURES["2"])]
    assert shipped(latest(store)) == {"test:0", "test:1"}
    assert list(verify(latest(store))) == []
    assert not load_denylist(store).denies_bytes(sha256_hex(PICTURES["0"]))


@pytest.mark.parametrize(
    ("options", "chosen"),
    [({"sha256s": (sha256_hex(NO_PICTURE),)}, {}), ({"records": ("test:a",)}, {"a": "asked for"})],
)
def test_an_answer_that_was_no_picture_selects_nothing(moved, options, chosen):
    store = Store(str(moved / "corpus"))
    assert (
        sha256_hex(NO_PICTURE)
        in read_attempts(store, "test-00000")["sha256"].to_pylist()
        + read_attempts(store, "test-00001")["sha256"].to_pylist()
    )
    assert selected(store, **options) == chosen


def test_records_of_several_runs_count_once(moved):
    store = Store(str(moved / "corpus"))
    assert len(store.files("records/test", suffix=".urls.parquet")) == 2
    selection = select(store, a_request(domains=("pictures.example",)), read_settings(store)["pixels"])
    assert (len(selection.record_ids), selection.num_records) == (5, 5)


def test_an_answer_that_others_got_too_is_not_denied(store):
    take_down(store, records=("test:a",))
    assert not load_denylist(store).denies_bytes(sha256_hex(NO_PICTURE))
