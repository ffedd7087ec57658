"""What was taken down cannot come back, and its list must be whole."""

import json
import re
import shutil

import pytest

from byline.catalog.corpora.manifest import Release
from byline.catalog.corpora.packs import read_index
from byline.catalog.denylists.lists import load_denylist
from byline.catalog.errors import CorpusError
from byline.pipelines.beam.build import build
from byline.pipelines.rights.takedown.contents import corpus_files
from tests.builders import a_yfcc_line
from tests.pipelines.rights.takedown.corpora import HOST, latest, shipped, smaller, take_down, write_pictures

pytestmark = pytest.mark.beam


@pytest.mark.slow
def test_it_cannot_come_back_by_another_source(corpus, tmp_path):
    store, config, _ = corpus
    take_down(store, records=("test:1", "test:2"), creators=("Grace",))
    (tmp_path / "pictures/copy.png").write_bytes(smaller("PNG"))
    shutil.copy(tmp_path / "pictures/2.jpg", tmp_path / "pictures/again.jpg")
    lines = [
        a_yfcc_line("x", f"{HOST}/copy.png"),
        a_yfcc_line("y", f"{HOST}/again.jpg"),
        a_yfcc_line("z", f"{HOST}/1.jpg"),
        a_yfcc_line("g", f"{HOST}/0.jpg", unickname="Grace"),
        a_yfcc_line("new", f"{HOST}/5.jpg?new"),
    ]
    (tmp_path / "more.tsv").write_text("".join(line + "\n" for line in lines))
    with open(config, "a") as file:
        file.write(f'[[sources]]\nname = "more"\nreader = "yfcc"\npath = "{tmp_path}/more.tsv"\nnum_packs = 1\n')
    release = build(config, workers=1)
    names = [name for name in release.manifest.papers if name.startswith("verdicts/")]
    verdicts = [row for name in names for row in store.read_table(f"{release.path}/{name}").to_pylist()]
    reasons = {row["record_id"]: row["reasons"] for row in verdicts if row["record_id"].startswith("more:")}
    assert set(reasons) == {"more:x", "more:y", "more:new"}
    assert reasons["more:x"] == reasons["more:y"] == ["fetch:denied"]
    rows = {row["record_id"]: row for row in read_index(store, "more-00000").to_pylist()}
    assert rows["more:x"]["sha256"] is rows["more:y"]["tar"] is None
    (unreadable,) = store.files("records/more", suffix=".unreadable.parquet")
    assert store.read_table(f"records/more/{unreadable}")["problem"].to_pylist() == ["taken down"] * 2


@pytest.mark.slow
def test_another_corpus_can_hold_itself_to_the_same_denylist(corpus, tmp_path):
    store, _, _ = corpus
    config = write_pictures(tmp_path / "other")
    config.write_text(
        config.read_text().replace('name = "test"', 'name = "else"').replace(HOST, "https://mirror.example")
    )
    metadata = tmp_path / "other/metadata.tsv"
    metadata.write_text(metadata.read_text().replace(HOST, "https://mirror.example"))
    before = build(str(config), workers=1)
    take_down(store, records=("test:1",))
    config.write_text(f'denylists = ["{store.root}"]\n' + config.read_text())
    after = build(str(config), workers=1)
    assert shipped(before) - shipped(after) == {"else:1"}
    assert after.manifest.reasons["denied:taken-down"] == 2
    held = shipped(after)
    own = config.read_text().replace('name = "small"', 'name = "another"').replace(store.root, "")
    config.write_text(own.replace('denylists = [""]', "denylists = []"))
    assert "else:1" in shipped(build(str(config), workers=1))
    take_down(before.store, records=("else:0",))
    assert shipped(latest(before.store)) == held - {"else:0"}
    assert "else:1" in shipped(Release(before.store.url("releases/another")))


@pytest.mark.parametrize("damage", ["missing", "damaged", "no key", "another key"])
def test_nothing_is_built_without_the_denylist(corpus, damage):
    store, config, _ = corpus
    receipt = take_down(store, records=("test:0",))
    path = f"denylist/{receipt.id}.parquet"
    match damage:
        case "missing":
            store.remove(path)
        case "damaged":
            store.write_bytes(path, store.read_bytes(path)[:-9])
        case "no key":
            store.remove("denylist/key")
        case "another key":
            store.write_bytes("denylist/key", b"0" * 64)
    with pytest.raises(CorpusError, match="restore it"):
        build(config, workers=1)


def test_the_denylist_tells_nothing(corpus):
    store, _, _ = corpus
    receipt = take_down(store, records=("test:0",), creators=("Ada L.",))
    data = store.read_bytes(f"denylist/{receipt.id}.parquet")
    for word in (b"test:0", b"Ada", b"pictures.example", receipt.removed[0]["sha256"].encode()):
        assert word not in data
    assert not load_denylist(store).is_empty


def test_nothing_in_the_corpus_names_what_went(corpus):
    store, _, _ = corpus
    said = ["test:3", "test:4", "Grace", f"{HOST}/3.jpg", f"{HOST}/4.jpg"]
    assert {word for word in said if _places(store, word)} == set(said), "they are found while they are there"
    receipt = take_down(store, creators=("Grace",), urls=(f"{HOST}/2.jpg",))
    said += [row["sha256"] for row in receipt.removed] + ["test:2", f"{HOST}/2.jpg"]
    assert {word: _places(store, word) for word in said if not re.fullmatch("[0-9a-f]{64}", word)} == {
        word: [] for word in said if not re.fullmatch("[0-9a-f]{64}", word)
    }
    assert {path.rsplit("/", 1)[1] for word in said for path in _places(store, word)} <= {"samples.parquet"}


def _places(store, word):
    """Return the files that hold a word, as they lie or in a cell of Parquet."""
    return [path for path in corpus_files(store) if word.encode() in _unpacked(store, path)]


def _unpacked(store, path):
    data = store.read_bytes(path)
    if not path.endswith(".parquet"):
        return data
    return data + json.dumps(store.read_table(path).to_pylist(), default=str).encode()
