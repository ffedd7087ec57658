"""When the files of a source are read again, and when not."""

import json
import os
import time

import pytest

from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.pipelines.sources.config import SourceConfig
from byline.pipelines.sources.ingested import records_path
from byline.pipelines.sources.readers.files import files_of
from byline.pipelines.sources.readers.unchanged import SourceFiles, remembered


@pytest.fixture
def folder(tmp_path):
    """Return a folder of a source with two files of equal length, touched at one time."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("a.tsv", "b.tsv"):
        (folder / name).write_text(f"{name} says this")
        os.utime(folder / name, ns=(10**18, 10**18))
    time.sleep(0.02)
    return folder


def _reads(folder, *, keep=True, **options):
    """Return how often the files are read, and the digest, when it is asked for once more."""
    reads = []
    source = SourceFiles(name="test", path=str(folder), files=files_of(str(folder)))

    def read():
        reads.append(folder)
        return "".join(open(file).read() for file in source.files)

    store = Store(str(folder.parent / "corpus"))
    digest = remembered(source, read, store, keep=keep, **{"settled_s": 0.0, **options})
    return len(reads), digest


def test_files_that_nothing_touched_are_read_once(folder):
    assert [_reads(folder)[0] for _ in range(3)] == [1, 0, 0]
    assert _reads(folder)[1] == "a.tsv says thisb.tsv says this"


def _changed_in_place(folder):
    with (folder / "a.tsv").open("r+") as file:
        file.write("A")
    os.utime(folder / "a.tsv", ns=(10**18, 10**18))


def _replaced(folder):
    (folder / "new").write_text("a.tsv says that")
    os.utime(folder / "new", ns=(10**18, 10**18))
    (folder / "new").replace(folder / "a.tsv")


def _swapped(folder):
    (folder / "a.tsv").rename(folder / "c")
    (folder / "b.tsv").rename(folder / "a.tsv")
    (folder / "c").rename(folder / "b.tsv")


def _appended(folder):
    with (folder / "b.tsv").open("a") as file:
        file.write("more")


def _removed(folder):
    (folder / "b.tsv").unlink()


def _added(folder):
    (folder / "c.tsv").write_text("c.tsv says this")


@pytest.mark.parametrize("change", [_changed_in_place, _replaced, _swapped, _appended, _removed, _added])
def test_every_change_is_seen_one_that_keeps_size_and_time_too(folder, change):
    _, before = _reads(folder)
    change(folder)
    num_reads, after = _reads(folder)
    assert (num_reads, after == before) == (1, False)


def test_what_was_touched_just_now_is_read_again(folder):
    assert [_reads(folder, settled_s=60.0)[0] for _ in range(2)] == [1, 1]


def test_without_keep_nothing_is_written(folder):
    _reads(folder, keep=False)
    assert not (folder.parent / "corpus").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_what_is_damaged_is_as_if_it_had_not_been_kept(folder, text):
    _reads(folder)
    (folder.parent / "corpus" / layout.SOURCES / "test.json").write_text(text)
    assert _reads(folder)[0] == 1


def test_nothing_is_kept_that_tells_of_one_file(folder):
    _reads(folder)
    kept = json.loads((folder.parent / "corpus" / layout.SOURCES / "test.json").read_text())
    assert [len(state) for state in kept if state != "digest"] == [64]


def test_a_file_and_a_glob_for_it_are_not_taken_for_each_other(folder):
    store = Store(str(folder.parent / "corpus"))
    digests = []
    for path in (folder / "a.tsv", folder / "a*.tsv"):
        source = SourceFiles(name="test", path=str(path), files=files_of(str(path)))
        digests.append(remembered(source, lambda path=path: str(path), store, keep=True, settled_s=0.0))
    assert len(set(digests)) == 2


def test_a_source_in_a_corpus_has_the_run_that_its_bytes_have(folder):
    store = Store(str(folder.parent / "corpus"))
    source = SourceConfig(name="test", reader="yfcc", path=str(folder), num_packs=1)
    assert {records_path(source, (), store, keep=True) for _ in range(2)} == {records_path(source)}
