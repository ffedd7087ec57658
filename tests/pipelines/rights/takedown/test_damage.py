"""A denylist that lost something stops takedowns and checks: they would deny less, or find nothing."""

import shutil

import pytest

from byline.catalog.corpora.corpus import TAKEDOWNS, read_settings, write_settings
from byline.catalog.corpora.packs import read_images, read_index
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
        case "list damaged":
            store.write_bytes(path, store.read_bytes(path)[:-9])


DAMAGES = pytest.mark.parametrize("damage", ["key gone", "list gone", "settings emptied", "list damaged"])


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


def test_a_check_for_a_picture_alone_finds_it_and_writes_nothing(built):
    store = Store(str(built[0] / "corpus"))
    before = tree_digest(store.local_path(""))
    assert _check(store, stored=next(iter(_stored(store))))
    assert tree_digest(store.local_path("")) == before


def _stored(store):
    index = read_index(store, "test-00000")
    return dict(read_images(store, index, only=set(index["sha256"].to_pylist()))).values()
