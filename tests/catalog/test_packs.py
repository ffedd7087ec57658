import pytest

from byline.catalog.corpora.packs import Outcome, read_images, read_index, remove_records, write_segment
from byline.catalog.digests import sha256_hex
from byline.catalog.disk.storage import Store
from byline.catalog.disk.tars import read_tar
from byline.catalog.errors import CorpusError
from tests.builders import tree_digest


def a_row(record_id, data, outcome=Outcome.FETCHED):
    if data is None:
        return {"record_id": record_id, "url": "u", "key": "", "outcome": outcome}, None
    digest = sha256_hex(data)
    row = {"record_id": record_id, "url": "u", "key": digest, "sha256": digest, "stored_sha256": digest}
    return {**row, "outcome": outcome}, data


def test_equal_bytes_are_stored_once_and_read_once(tmp_path):
    store = Store(str(tmp_path))
    write_segment(store, "p", [a_row("s:2", b"x"), a_row("s:1", b"x"), a_row("s:3", None, Outcome.TIMEOUT)], {})
    index = read_index(store, "p")
    assert index["record_id"].to_pylist() == ["s:1", "s:2", "s:3"]
    assert list(read_images(store, index, only={sha256_hex(b"x")})) == [(sha256_hex(b"x"), b"x")]


def test_the_newest_row_of_a_record_counts(tmp_path):
    store = Store(str(tmp_path))
    write_segment(store, "p", [a_row("s:1", None, Outcome.TIMEOUT)], {})
    write_segment(store, "p", [a_row("s:1", b"x")], {})
    assert read_index(store, "p")["outcome"].to_pylist() == ["fetched"]


def test_of_two_writers_of_a_segment_one_wins_and_its_bytes_are_whole(tmp_path, monkeypatch):
    store = Store(str(tmp_path))
    numbered = Store.numbered

    def slow_numbered(self, prefix, suffix):
        found = numbered(self, prefix, suffix)
        if prefix == "packs/p." and not store.exists("packs/p.000.parquet") and not slow_numbered.entered:
            slow_numbered.entered = True
            assert write_segment(store, "p", [a_row("s:1", b"one"), a_row("s:2", b"two")], {})
        return found

    slow_numbered.entered = False
    monkeypatch.setattr(Store, "numbered", slow_numbered)
    assert not write_segment(store, "p", [a_row("s:1", b"other")], {})
    index = read_index(store, "p")
    assert [data for _, data in read_images(store, index, only=index["key"].to_pylist())] == [
        data for _, data in sorted((sha256_hex(data), data) for data in (b"one", b"two"))
    ]


def test_damaged_bytes_are_not_handed_out(tmp_path):
    store = Store(str(tmp_path))
    write_segment(store, "p", [a_row("s:1", b"abc")], {})
    (tar,) = tmp_path.glob("packs/*.tar")
    tar.write_bytes(tar.read_bytes().replace(b"abc", b"abd"))
    with pytest.raises(CorpusError, match="is damaged at"):
        list(read_images(store, read_index(store, "p"), only={sha256_hex(b"abc")}))


def test_originals_lie_beside_what_is_stored_and_leave_with_it(tmp_path):
    store = Store(str(tmp_path))
    rows = [(*a_row(f"s:{data.decode()}", data), data * 700) for data in (b"a", b"b", b"c")]
    write_segment(store, "p", rows, {})
    remove_records(store, "p", ["s:b"])
    left = b"".join(path.read_bytes() for path in (tmp_path / "packs").iterdir())
    assert (b"b" * 700 in left, b"a" * 700 in left) == (False, True)
    for row in read_index(store, "p").to_pylist():
        start = row["original_offset"]
        original = store.read_bytes(f"packs/{row['originals']}", start=start, end=start + row["original_size"])
        assert original == row["record_id"][2:].encode() * 700


@pytest.mark.parametrize(("media_type", "ending"), [("image/jpeg", "jpg"), ("image/tiff", "tif"), (None, "original")])
def test_originals_are_named_by_their_media_type(tmp_path, media_type, ending):
    row, stored = a_row("s:1", b"x")
    write_segment(Store(str(tmp_path)), "p", [({**row, "media_type": media_type}, stored, b"fetched")], {})
    (tar,) = tmp_path.glob("packs/*.originals.tar")
    with tar.open("rb") as file:
        assert list(read_tar(file)) == [(f"{row['sha256']}.{ending}", b"fetched")]


def test_equal_originals_are_kept_once(tmp_path):
    store = Store(str(tmp_path))
    write_segment(store, "p", [(*a_row("s:1", b"x"), b"fetched"), (*a_row("s:2", b"x"), b"fetched")], {})
    (tar,) = tmp_path.glob("packs/*.originals.tar")
    assert tar.read_bytes().count(b"fetched") == 1
    assert len(set(read_index(store, "p")["original_offset"].to_pylist())) == 1


def test_without_originals_there_is_no_tar_of_them(tmp_path):
    store = Store(str(tmp_path))
    write_segment(store, "p", [a_row("s:1", b"x")], {})
    assert read_index(store, "p")["originals"].to_pylist() == [None]
    assert not list(tmp_path.glob("packs/*.originals.tar"))


def test_a_removal_that_is_done_again_changes_nothing(tmp_path):
    store = Store(str(tmp_path))
    write_segment(store, "p", [(*a_row("s:1", b"x"), b"one"), (*a_row("s:2", b"y"), b"two")], {})
    assert len(remove_records(store, "p", ["s:1"])) == 3
    before = tree_digest(tmp_path)
    assert remove_records(store, "p", ["s:1"]) == []
    assert tree_digest(tmp_path) == before


def _digests(folder):
    return {f"packs/{path.name}": sha256_hex(path.read_bytes()) for path in (folder / "packs").iterdir()}


def test_a_removal_tells_every_file_that_changed_or_went(tmp_path):
    store = Store(str(tmp_path))
    write_segment(store, "p", [(*a_row("s:1", b"x"), b"one"), (*a_row("s:2", b"y"), b"two")], {})
    before = _digests(tmp_path)
    told = remove_records(store, "p", ["s:1"])
    after = _digests(tmp_path)
    assert sorted(told) == sorted(path for path in before if after.get(path) != before[path])


def test_a_removal_leaves_tars_alone_that_hold_nothing_of_it(tmp_path):
    store = Store(str(tmp_path))
    rows = [a_row("s:1", None, Outcome.TIMEOUT), a_row("s:2", b"x"), (*a_row("s:3", b"y"), b"fetched")]
    write_segment(store, "p", rows, {})
    places = {path: path.stat().st_ino for path in tmp_path.glob("packs/*.tar")}
    assert remove_records(store, "p", ["s:1"]) == ["packs/p.000.parquet"]
    assert {path: path.stat().st_ino for path in tmp_path.glob("packs/*.tar")} == places
    (originals,) = tmp_path.glob("packs/*.originals.tar")
    remove_records(store, "p", ["s:2"])
    assert originals.stat().st_ino == places[originals]
