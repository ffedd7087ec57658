"""A denylist that lost something stops takedowns and checks: they would deny less, or find nothing."""

import json
import shutil
from dataclasses import asdict

import pytest

from byline.catalog.corpora.corpus import TAKEDOWNS, read_settings, write_settings
from byline.catalog.corpora.packs import read_images, read_index
from byline.catalog.denylists.lists import load_denylist, read_key, receipt_ids
from byline.catalog.denylists.values import keyed_text
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.pipelines.rights.takedown.checking import check_corpus
from tests.builders import tree_digest
from tests.pipelines.rights.takedown.corpora import PHOTO, take_down

pytestmark = pytest.mark.beam


@pytest.fixture(scope="module")
def taken(built, tmp_path_factory):
    """Return a corpus of which something was taken down."""
    store = _copy(built[0] / "corpus", tmp_path_factory.mktemp("taken"))
    take_down(store, records=("test:0",))
    return store.local_path("")


def _copy(corpus, folder):
    shutil.copytree(corpus, folder / "corpus")
    return Store(str(folder / "corpus"))


def _check(store, **pictures):
    return list(check_corpus(store, (), pictures, lambda path, num_bytes: None))


def _damage(store, damage):
    (name,) = store.files("denylist", suffix=".parquet")
    path = f"denylist/{name}"
    match damage:
        case "key gone":
            store.remove("denylist/key")
        case "list gone":
            store.remove(path)
        case "settings emptied":
            write_settings(store, {**read_settings(store), TAKEDOWNS: []})
        case "all but the receipt gone":
            write_settings(store, {**read_settings(store), TAKEDOWNS: []})
            store.remove("denylist/key")
            store.remove(path)
        case "settings lost, list gone":
            write_settings(store, {name: said for name, said in read_settings(store).items() if name != TAKEDOWNS})
            store.remove(path)
        case "list damaged":
            store.write_bytes(path, store.read_bytes(path)[:-9])


DAMAGES = pytest.mark.parametrize(
    "damage",
    [
        "key gone",
        "list gone",
        "settings emptied",
        "list damaged",
        "all but the receipt gone",
        "settings lost, list gone",
    ],
)


@DAMAGES
def test_a_damaged_denylist_stops_a_takedown_and_nothing_is_done(taken, tmp_path, damage):
    store = _copy(taken, tmp_path)
    _damage(store, damage)
    before = tree_digest(store.local_path(""))
    with pytest.raises(CorpusError, match="restore it"):
        take_down(store, records=("test:3",))
    assert tree_digest(store.local_path("")) == before


@DAMAGES
@pytest.mark.parametrize("pictures", [{}, {"photo": PHOTO.read_bytes()}])
def test_a_damaged_denylist_stops_a_check(taken, tmp_path, damage, pictures):
    store = _copy(taken, tmp_path)
    _damage(store, damage)
    with pytest.raises(CorpusError, match="restore it"):
        _check(store, **pictures)


def test_a_missing_fingerprints_file_stops_a_check(taken, tmp_path):
    store = _copy(taken, tmp_path)
    (name,) = store.files("receipts", suffix=".fingerprints.parquet")
    store.remove(f"receipts/{name}")
    with pytest.raises(CorpusError, match="is missing: it says what was removed"):
        _check(store, photo=PHOTO.read_bytes())


def test_a_build_is_stopped_by_the_receipt_alone(taken, tmp_path):
    store = _copy(taken, tmp_path)
    _damage(store, "all but the receipt gone")
    with pytest.raises(CorpusError, match="is missing: it says what was taken down; restore it, nothing is built"):
        load_denylist(store)


def _edited(store, receipt, **said):
    path = f"receipts/{receipt}.json"
    store.write_bytes(path, json.dumps({**json.loads(store.read_bytes(path)), **said}).encode())


def test_a_receipt_that_was_edited_stops_a_check(taken, tmp_path):
    store = _copy(taken, tmp_path)
    (receipt,) = receipt_ids(store)
    _edited(store, receipt)
    assert _check(store) == [], "only how it is written changed"
    _edited(store, receipt, removed=[])
    with pytest.raises(CorpusError, match=f"{receipt}.json is not as its takedown wrote it: its seal is another"):
        _check(store)


def test_fingerprints_of_something_else_stop_a_check(taken, tmp_path):
    store = _copy(taken, tmp_path)
    (receipt,) = receipt_ids(store)
    path = f"receipts/{receipt}.fingerprints.parquet"
    store.write_table(path, store.read_table(path).slice(1))
    with pytest.raises(CorpusError, match="fingerprints.parquet is not the file that .*json names by its SHA-256"):
        _check(store)


def test_a_receipt_in_clear_of_an_earlier_version_is_checked_and_then_put_under_the_key(built, tmp_path):
    store = _copy(built[0] / "corpus", tmp_path)
    receipt = take_down(store, creators=("Grace",))
    store.write_bytes(f"receipts/{receipt.id}.json", json.dumps(asdict(receipt)).encode())
    assert _check(store) == []
    take_down(store, records=("test:0",))
    said = store.read_bytes(f"receipts/{receipt.id}.json")
    assert b"Grace" not in said
    assert keyed_text(read_key(store), "creator", "Grace").encode() in said
    assert _check(store) == []


def test_a_check_for_a_picture_alone_finds_it_and_writes_nothing(built):
    store = Store(str(built[0] / "corpus"))
    before = tree_digest(store.local_path(""))
    assert _check(store, stored=next(iter(_stored(store))))
    assert tree_digest(store.local_path("")) == before


def _stored(store):
    index = read_index(store, "test-00000")
    return dict(read_images(store, index, only=set(index["sha256"].to_pylist()))).values()
