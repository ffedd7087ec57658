"""Takedowns that are stopped, meet each other, or meet a damaged release."""

import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from byline.catalog.corpora.corpus import owned
from byline.catalog.corpora.manifest import Release
from byline.catalog.corpora.parts import write_records
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.pipelines.beam.build import build
from byline.pipelines.releases.verify import verify
from byline.pipelines.rights.takedown.apply import complete, is_pending
from byline.pipelines.rights.takedown.checking import check_corpus
from byline.pipelines.rights.traces.lookup import find_record
from tests.builders import tree_digest
from tests.pipelines.rights.takedown.corpora import a_request, begun, latest, shipped, stop_after, take_down

pytestmark = pytest.mark.beam


@pytest.fixture(scope="module")
def files_of_whole(built, tmp_path_factory):
    """Return what the receipt of a takedown that was not stopped says of files."""
    folder = tmp_path_factory.mktemp("whole") / "corpus"
    shutil.copytree(built[0] / "corpus", folder)
    return take_down(Store(str(folder)), records=("test:1", "test:3")).files


@pytest.mark.slow
@pytest.mark.parametrize("step", range(0, 60, 4))
def test_stopped_at_any_moment_it_is_completed_by_the_next(corpus, files_of_whole, monkeypatch, step):
    store, config, _ = corpus
    request = a_request(records=("test:1", "test:3"))
    begun(store, request)
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        stop_after(patch, step)
        complete(store)
    receipt = complete(store) if is_pending(store) else None
    assert not is_pending(store)
    release = latest(store)
    assert list(verify(release)) == []
    assert shipped(release) == {f"test:{i}" for i in (0, 2, 4, 5)}
    if receipt is not None:
        assert {row["record_id"] for row in receipt.removed} == {"test:1", "test:3", "test:6"}
        assert len(receipt.releases) == 1
        assert receipt.files == files_of_whole
    assert build(config, workers=1).version == release.version


@pytest.mark.slow
@pytest.mark.parametrize("step", [20, 50, 80, 110, 140])
def test_every_kept_version_is_made_again_and_the_newest_stays_the_newest(corpus, monkeypatch, step):
    store, config, first = corpus
    policy = Path(config).parent / "policy.toml"
    policy.write_text(policy.read_text() + "[caps]\nmax_per_creator = 3\n")
    second = build(config, workers=1)
    request = a_request(records=("test:0", "test:1"))
    begun(store, request)
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        stop_after(patch, step)
        complete(store)
    if is_pending(store):
        complete(store)
    versions = {
        version for version in store.folders("releases/small") if version not in (first.version, second.version)
    }
    assert len(versions) == 2
    assert all(list(verify(Release(store.url(f"releases/small/{version}")))) == [] for version in versions)
    for old in (first, second):
        assert set(store.files(old.path)) == {"manifest.json", "samples.parquet", "withdrawn.json"}
        assert store.files(f"{old.path}/verdicts") == []
    assert latest(store).manifest.policy_digest == second.manifest.policy_digest
    assert build(config, workers=1).version == latest(store).version


def test_an_unfinished_takedown_stops_a_build(corpus):
    store, config, _ = corpus
    request = a_request(records=("test:0",))
    begun(store, request)
    with pytest.raises(CorpusError, match="takedown was begun and not completed"):
        build(config, workers=1)


def test_a_key_that_is_lost_while_a_takedown_is_pending_stops_it(corpus):
    store, _, _ = corpus
    begun(store, a_request(records=("test:0",)))
    store.remove("denylist/key")
    with pytest.raises(CorpusError, match="restore it"):
        complete(store)


@pytest.mark.parametrize("measure", ["hashes", "quality"])
def test_a_picture_that_was_not_measured_yet_stops_it(corpus, measure):
    store, _, _ = corpus
    (instrument,) = store.folders(f"facts/{measure}")
    path = f"facts/{measure}/{instrument}/{find_record(store, 'test:4')['test:4'].pack}.000.parquet"
    store.write_table(path, store.read_table(path).slice(1))
    before = tree_digest(store.local_path(""))
    with pytest.raises(CorpusError, match="1 pictures were fetched and not measured yet .*run byline build first"):
        begun(store, a_request(records=("test:0",)))
    assert tree_digest(store.local_path("")) == before


def test_a_release_that_was_edited_by_hand_stops_it_and_nothing_is_done(corpus):
    store, _, before = corpus
    for name in before.manifest.papers:
        if name.startswith("verdicts/"):
            store.write_table(f"{before.path}/{name}", store.read_table(f"{before.path}/{name}").slice(0, 1))
    digest = tree_digest(store.local_path(""))
    with pytest.raises(CorpusError, match=r"verdicts/.*edited by hand"):
        take_down(store, records=("test:0",))
    assert not is_pending(store)
    store.remove("denylist/key")
    assert tree_digest(store.local_path("")) == digest


@pytest.mark.parametrize("missing", ["verdicts", "policy.json", "settings.json", "records", "shards", "empty policy"])
def test_a_release_that_lacks_something_stops_it_and_nothing_is_done(corpus, missing):
    store, _, before = corpus
    match missing:
        case "verdicts":
            paths = [f"{before.path}/{name}" for name in before.manifest.papers if name.startswith("verdicts/")]
        case "records":
            paths = []
            (path,) = before.manifest.records.values()
            write_records(store, path.replace(".parquet", "0.parquet"), store.read_table(path))
            store.remove(path)
        case "shards":
            paths = [f"shards/{name}" for name in store.files("shards", suffix=".parquet")]
        case "empty policy":
            paths = []
            store.write_bytes(f"{before.path}/policy.json", b"{}")
        case name:
            paths = [f"{before.path}/{name}"]
    for path in paths:
        store.remove(path)
    digest = tree_digest(store.local_path(""))
    with pytest.raises(CorpusError, match="cannot be made again.*restore"):
        begun(store, a_request(records=("test:0",)))
    assert tree_digest(store.local_path("")) == digest


def test_a_version_that_somebody_deleted_meanwhile_is_passed_over(corpus):
    store, config, before = corpus
    held = shipped(before)
    begun(store, a_request(records=("test:0",)))
    shutil.rmtree(store.local_path(before.path))
    assert complete(store).releases == []
    assert shipped(build(config, workers=1)) == held - {"test:0"}


def test_a_check_waits_until_a_takedown_is_completed(corpus):
    store, _, _ = corpus
    begun(store, a_request(records=("test:0",)))
    with pytest.raises(CorpusError, match="takedown was begun and not completed"):
        check_corpus(store, (), {}, lambda path, num_bytes: None)


def test_a_second_takedown_does_not_begin_before_the_first_is_completed(corpus):
    store, _, _ = corpus
    begun(store, a_request(records=("test:0",)))
    journal = store.read_bytes(layout.PENDING)
    with pytest.raises(CorpusError, match="takedown was begun and not completed"):
        begun(store, a_request(records=("test:3",)))
    assert store.read_bytes(layout.PENDING) == journal


def test_two_takedowns_do_not_share_a_corpus(corpus):
    store, _, _ = corpus
    with owned(store), pytest.raises(CorpusError, match="another build or takedown is at work"):
        take_down(store, records=("test:0",))
