"""`byline verify CORPUS` names a damaged file of what a takedown leaves: notes, receipts, manifests, the denylist."""

import json
import shutil

import pytest

from byline.catalog.corpora.withdrawn import read_note, withdrawn_versions
from byline.catalog.denylists.lists import receipt_ids
from byline.catalog.disk import layout
from byline.catalog.disk.json_files import DIGEST
from byline.catalog.disk.storage import Store
from byline.catalog.errors import BylineError
from byline.pipelines.beam.build import build
from byline.pipelines.rights.takedown.checking import check_corpus
from byline.pipelines.rights.verify_corpus import paths_of, verify_corpus
from tests.pipelines.rights.takedown.corpora import take_down

pytestmark = pytest.mark.beam


@pytest.fixture(scope="module")
def taken(built, tmp_path_factory):
    """Return the place of a corpus of which something was taken down, with a copy of an evaluation set."""
    place = tmp_path_factory.mktemp("taken") / "corpus"
    shutil.copytree(built[0] / "corpus", place)
    store = Store(str(place))
    take_down(store, records=("test:0",))
    path = next(path for path in paths_of(store, layout.PACKS) if path.endswith(".parquet"))
    data = store.read_bytes(path)  # any file will do: it is named after its digest
    from byline.catalog.digests import sha256_hex

    store.write_bytes(layout.evaluation_set(sha256_hex(data)), data)
    return place


@pytest.fixture
def store(taken, tmp_path):
    shutil.copytree(taken, tmp_path / "corpus")
    return Store(str(tmp_path / "corpus"))


def _problems(store):
    """Return what is wrong, and what cannot be checked any longer, in a corpus of which all can."""
    unsealed = []
    return [*verify_corpus(store, unsealed, deep=False), *unsealed]


@pytest.mark.parametrize("at", [0.0, 0.25, 0.5, 0.75, 0.999])
def test_a_flipped_bit_of_what_a_takedown_leaves_is_named(store, at):
    assert _problems(store) == []
    (version,) = withdrawn_versions(store)
    left = {f"{version}/{name}" for name in (layout.MANIFEST, layout.WITHDRAWN, layout.WITHDRAWN_SAMPLES)}
    paths = [path for path in paths_of(store) if path.startswith((layout.RECEIPTS, layout.EVALUATION))]
    paths += [path for path in paths_of(store) if path.endswith("_stats.json")]
    for path in [*left, *paths, layout.CORPUS_FILE, layout.DENYLIST_KEY]:
        place = store.local_path(path)
        whole = place.read_bytes()
        flipped = bytearray(whole)
        if path.endswith(".parquet") and path.startswith(version):
            flipped[-20] ^= 0x04  # without `--deep` of footers only
        else:
            flipped[int(at * len(whole))] ^= 0x04
        place.write_bytes(flipped)
        assert any(path.rpartition("/")[2] in problem for problem in _problems(store)), (path, at)
        place.write_bytes(whole)
    assert _problems(store) == []


def test_a_damaged_note_stops_whoever_reads_it_in_one_line(store):
    (version,) = withdrawn_versions(store)
    place = store.local_path(f"{version}/{layout.WITHDRAWN}")
    place.write_bytes(place.read_bytes().replace(b"successor", b"successes"))
    with pytest.raises(BylineError, match=r"withdrawn\.json is damaged .*; restore it: it says what was taken down"):
        read_note(store, version)


def test_a_receipt_without_its_seal_is_no_older_one(store):
    (receipt,) = receipt_ids(store)
    place = store.local_path(layout.receipt_file(f"{receipt}.json"))
    said = json.loads(place.read_text())
    del said["seal"]
    place.write_text(json.dumps(said))
    assert any(f"{receipt}.json is not as its takedown wrote it" in problem for problem in _problems(store))


def test_a_corpus_of_an_older_byline_opens_and_its_files_without_digest_are_named(built, store):
    """Notes had no digest, and `corpus.toml` none either."""
    without = []
    for path in paths_of(store):
        place = store.local_path(path)
        if path == layout.CORPUS_FILE:
            place.write_bytes(place.read_bytes().partition(b"\n")[2])
            without.append(path)
        elif path.endswith(".json") and DIGEST in (said := json.loads(place.read_bytes())):
            del said[DIGEST]
            place.write_text(json.dumps(said))
            without += [] if path.startswith(layout.SHARDS) else [path]
    unsealed = []
    assert list(verify_corpus(store, unsealed, deep=False)) == []
    assert sorted(unsealed) == sorted(without)
    assert {layout.CORPUS_FILE, next(withdrawn_versions(store)) + "/" + layout.WITHDRAWN} <= set(unsealed)
    assert list(check_corpus(store, (), {}, lambda path, num_bytes: None)) == []
    config = store.local_path("").parent / "corpus.toml"
    config.write_text((built[0] / "corpus.toml").read_text().replace(str(built[0] / "corpus"), str(store.root)))
    build(str(config), workers=1)
    assert layout.CORPUS_FILE not in _problems(store)


@pytest.mark.parametrize("change", [lambda text: text.replace("num_packs", "num_pacs"), lambda text: text + "# mine\n"])
def test_settings_that_were_edited_are_refused_until_their_digest_is_taken_out(store, change):
    from byline.catalog.corpora.corpus import read_settings

    place = store.local_path(layout.CORPUS_FILE)
    place.write_text(change(place.read_text()))
    with pytest.raises(BylineError, match=r"corpus\.toml is damaged: .*delete its first line, which begins with dig"):
        read_settings(store)
    place.write_text(place.read_text().partition("\n")[2])
    assert read_settings(store)["takedowns"]
