"""A store that refuses, breaks off, loses answers and stalls: what is built there is what a folder would hold."""

import os
import re
from contextlib import contextmanager
from datetime import UTC, datetime

import fsspec
import pyarrow as pa
import pytest

from byline.catalog.corpora.facts import FactTable, FactWriter
from byline.catalog.disk import s3
from byline.catalog.disk.storage import Store
from byline.catalog.errors import StorageError, UnreachableError
from byline.pipelines.beam.build import build
from byline.pipelines.beam.stages import caption
from byline.pipelines.facts.measures import CAPTION_SCHEMA
from byline.pipelines.fetching.journal import Journal
from byline.pipelines.releases.verify import verify
from harness.failing_store import FAULTS, failing_store
from tests.builders import a_corpus

BUSY = re.compile(
    r"the object store did not (read|write) s3://corpora/small/\S+: asked \d+ times, "
    r"it answered (SlowDown \(503\)|503); "
    "run the same command again, which goes on from what is there; with fewer workers if it stays busy"
)
SCHEMA = pa.schema([("sha256", pa.string()), ("value", pa.int64())])


@contextmanager
def behind(monkeypatch, **options):
    """Let clients of this process and of its children reach the store through a proxy that fails."""
    with failing_store(os.environ["AWS_ENDPOINT_URL"], **options) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        monkeypatch.setenv("FSSPEC_S3_ENDPOINT_URL", proxy.url)
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        yield proxy


@pytest.mark.slow
def test_a_build_through_a_store_that_fails_gives_the_release_of_a_folder(s3_root, monkeypatch, tmp_path):
    local = build(str(a_corpus(tmp_path / "local")), workers=1)
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"read_timeout": 1}})
    with behind(monkeypatch, every=20, stall_s=3) as proxy:
        far = build(str(a_corpus(tmp_path / "far", root=f"{s3_root}/failing")), workers=1)
        assert far.version == local.version
        assert list(verify(far)) == []
        stats = [name for name in far.store.files("packs") if name.endswith("_stats.json")]
    assert stats == Store(str(tmp_path / "local/corpus")).files("packs", suffix="_stats.json")
    assert set(proxy.failed) == set(FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_happens_to_it_a_request_is_done_once(s3_root, monkeypatch, fault):
    with behind(monkeypatch, every=2, faults=(fault,), stall_s=0.1) as proxy:
        store = Store(f"{s3_root}/{fault}")
        assert store.write_new("a", b"first")
        assert store.write_new("b", b"first")
        assert not store.write_new("b", b"other")
        assert (store.read_bytes("a"), store.read_bytes("b")) == (b"first", b"first")
        assert store.files("") == ["a", "b"]
        store.remove("a")
        assert (store.exists("a"), store.exists("b")) == (False, True)
    assert proxy.failed[fault] > 3


def test_whether_a_file_is_there_is_asked_without_a_listing(s3_root, monkeypatch):
    store = Store(f"{s3_root}/asked")
    with behind(monkeypatch) as proxy:
        assert not store.exists("a")
        store.write_bytes("a", b"")
        assert store.exists("a")
        store.remove("a")
        store.remove("a")
    assert dict(proxy.asked) == {"HEAD": 2, "PUT": 1, "DELETE": 2}


def test_a_file_is_read_by_one_request_and_a_large_one_by_the_block(s3_root, monkeypatch):
    monkeypatch.setattr(s3, "BLOCK_BYTES", 10)
    store = Store(f"{s3_root}/read")
    with behind(monkeypatch) as proxy:
        for size, asked in ((1, 1), (9, 1), (10, 2), (11, 3), (35, 5)):
            data = bytes(range(size))
            store.write_bytes("a", data)
            proxy.asked.clear()
            assert store.read_bytes("a") == data
            assert proxy.asked.total() == asked
        store.write_bytes("a", b"")
        assert store.read_bytes("a") == b""


@pytest.mark.parametrize(
    ("numbers", "length", "asked"),
    [
        ([], 0, {"HEAD": 1}),
        ([0], 1, {"HEAD": 2}),
        ([1, 2], 0, {"HEAD": 1}),
        ([0, 1, 2, 4], 3, {"HEAD": 2, "list": 1}),
        (range(40), 40, {"HEAD": 2, "list": 1}),
    ],
)
def test_many_segments_are_listed_and_few_are_asked_for(s3_root, monkeypatch, numbers, length, asked):
    with behind(monkeypatch) as proxy:
        store = Store(f"{s3_root}/numbered-{len(numbers)}-{length}")
        for path in (*(f"packs/p.{number:03d}.a" for number in numbers), "packs/p.002.b", "packs/p2.000.a"):
            store.write_bytes(path, b"")
        proxy.asked.clear()
        assert store.numbered("packs/p.", ".a") == [f"packs/p.{number:03d}" for number in range(length)]
    assert dict(proxy.asked) == asked


def test_facts_are_added_without_asking_for_those_that_are_there(s3_root, monkeypatch):
    rows = [{"sha256": f"{number:02d}", "value": number} for number in range(20)]
    with behind(monkeypatch) as proxy:
        table = FactTable(store=Store(f"{s3_root}/facts"), measure="m", instrument="i", schema=SCHEMA)
        writer = FactWriter(table, "p")
        assert dict(proxy.asked) == {"HEAD": 1}
        for row in rows:
            writer.append([row])
        assert dict(proxy.asked) == {"HEAD": 1, "PUT": 20}
        assert table.read("p").to_pylist() == rows


def test_captions_are_taken_down_by_one_request_a_batch(s3_root, monkeypatch):
    monkeypatch.setattr(caption, "SEGMENT_CAPTIONS", 5 * caption.BATCH)
    captions = [dict.fromkeys(CAPTION_SCHEMA.names) for _ in range(caption.SEGMENT_CAPTIONS)]
    with behind(monkeypatch) as proxy:
        store = Store(f"{s3_root}/captions")
        notebook = caption.Notebook(store, "made", "p")
        proxy.asked.clear()
        for number, row in enumerate(captions):
            notebook.note({**row, "shown_sha256": f"{number:03d}"})
        assert proxy.asked["PUT"] == 6
        assert proxy.asked.total() - proxy.asked["PUT"] == 3  # whether there is one segment or two, and it is deleted
        assert [len(table.read("p")) for table in (notebook.facts.table, notebook.unsettled)] == [len(captions), 0]


def test_what_a_kill_left_taken_down_is_settled_once(s3_root):
    rows = [{**dict.fromkeys(CAPTION_SCHEMA.names), "shown_sha256": f"{number:03d}"} for number in range(40)]
    store = Store(f"{s3_root}/killed")
    killed = caption.Notebook(store, "made", "p")
    for row in rows[:32]:
        killed.note(row)
    caption.Notebook(store, "made", "p")
    for row in rows[32:]:
        killed.note(row)  # which was not killed after all: a runner gave its pack to another worker too
    killed.settle()
    facts = killed.facts.table
    assert [facts.read("p", first=number, last=number + 1).num_rows for number in range(3)] == [32, 8, 0]


ONE_TRY = {"config_kwargs": {"retries": {"max_attempts": 0}}}
"""Of what botocore does; s3fs asks again by itself. By its own it would wait for more than a minute."""


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 100])
def test_a_store_that_stays_busy_is_one_line_and_the_same_command_goes_on(s3_root, monkeypatch, tmp_path, small, after):
    config = a_corpus(tmp_path, root=f"{s3_root}/busy-{after}")
    config.write_text(config.read_text().replace("timeout_s = 2.0", "timeout_s = 60.0"))
    with monkeypatch.context() as patched:
        patched.setitem(fsspec.config.conf, "s3", ONE_TRY)
        with behind(patched, every=1, faults=("SlowDown",), after=after) as proxy:
            with pytest.raises(StorageError) as raised:
                build(str(config), workers=1)
            assert proxy.asked.total() > after
    assert BUSY.fullmatch(str(raised.value))
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    assert build(str(config), workers=1).version == small[1].version


@pytest.mark.parametrize(
    ("fault", "answers"),
    [("SlowDown", {"GET": "SlowDown (503)", "HEAD": "503"}), ("InternalError", {"GET": "InternalError (500)"})],
)
def test_what_a_store_answers_is_told_with_how_often_it_was_asked(s3_root, monkeypatch, fault, answers):
    monkeypatch.setitem(fsspec.config.conf, "s3", ONE_TRY)
    with behind(monkeypatch, every=0, faults=(fault,)) as proxy:
        store = Store(f"{s3_root}/{fault}")
        store.write_table("t.parquet", pa.table({"a": [1]}))
        asking = {"GET": store.read_bytes, "HEAD": store.exists}
        proxy.every = 1
        for kind, answer in answers.items():
            proxy.asked.clear()
            with pytest.raises(StorageError) as raised:
                asking[kind]("t.parquet")
            assert f"asked {proxy.asked[kind]} times, it answered {answer};" in str(raised.value)


def test_a_busy_store_is_asked_as_often_whether_a_file_is_there_as_for_its_bytes(s3_root, monkeypatch):
    monkeypatch.setitem(fsspec.config.conf, "s3", ONE_TRY)
    with behind(monkeypatch, every=0, faults=("SlowDown",)) as proxy:
        store = Store(f"{s3_root}/as-often")
        store.write_bytes("a", b"bytes")
        proxy.every = 1
        proxy.asked.clear()
        for ask in (store.exists, store.read_bytes):
            with pytest.raises(UnreachableError):
                ask("a")
        assert proxy.asked["HEAD"] == proxy.asked["GET"] > 1


def test_what_hosts_answered_is_not_forgotten_since_the_store_is_busy(s3_root, monkeypatch):
    monkeypatch.setitem(fsspec.config.conf, "s3", ONE_TRY)
    with behind(monkeypatch, every=0, faults=("SlowDown",)) as proxy:
        store = Store(f"{s3_root}/journal")
        journal = Journal(store, "p-00000")
        journal.begin(datetime(2026, 11, 29, tzinfo=UTC))
        proxy.every = 1
        with pytest.raises(UnreachableError):
            assert journal.began
        with pytest.raises(UnreachableError):
            Journal(store, "p-00000")


def test_a_store_that_is_busy_in_the_middle_of_a_table_has_not_damaged_it(s3_root, monkeypatch):
    monkeypatch.setitem(fsspec.config.conf, "s3", ONE_TRY)
    with behind(monkeypatch, every=0, faults=("SlowDown",)) as proxy:
        store = Store(f"{s3_root}/middle")
        store.write_table("t.parquet", pa.table({"a": [1]}))
        footer = store.read_footer("t.parquet")
        proxy.every, proxy.after = 1, proxy.asked.total() + 1  # it says how long the table is
        with pytest.raises(StorageError) as raised:
            store.read_footer("t.parquet")
        assert BUSY.fullmatch(str(raised.value))
        with pytest.raises(StorageError) as raised:
            store.read_row_group("t.parquet", 0, footer)
        assert BUSY.fullmatch(str(raised.value))


def test_bodies_that_always_end_early_are_one_line(s3_root, monkeypatch, tmp_path):
    Store(f"{s3_root}/early").write_bytes("a", bytes(100))
    with behind(monkeypatch, every=1, faults=("broken",)):
        store = Store(f"{s3_root}/early")
        for ask in (lambda: store.read_bytes("a", start=1, end=9), lambda: store.download("a", tmp_path / "a")):
            with pytest.raises(StorageError, match="cannot reach s3://.*/early/a: .*not completed"):
                ask()
