import json
import os
import random
import signal
import subprocess
import sys
import time
from io import BytesIO
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byline.catalog.corpora import url_index
from byline.catalog.corpora.records import ImageRecord, LeftOut, UnreadableRow, records_table, unreadable_table
from byline.catalog.denylists.denylist import NOTHING_DENIED, Entry
from byline.catalog.denylists.lists import add_entries, load_denylist
from byline.catalog.disk import spilling
from byline.catalog.disk.spilling import Spill, regrouped
from byline.catalog.disk.storage import Store, parquet_bytes
from byline.catalog.errors import ConfigError, SourceError, StorageError
from byline.pipelines.beam.stages.ingest import ingest
from byline.pipelines.sources import ingesting
from byline.pipelines.sources.config import SourceConfig
from byline.pipelines.sources.ingested import records_path
from byline.pipelines.sources.ingesting import groups_of_packs, sort_out, write_run
from tests.builders import a_record, a_yfcc_line, tree_digest

PATH = "records/test/1.parquet"


def _some_rows(number: int, *, seed: int = 0) -> list:
    """Return rows of all kinds, a tenth of the ids repeated, in no order."""
    chance = random.Random(seed)
    rows: list = []
    for place in range(number):
        if chance.random() < 0.05:
            rows.append(UnreadableRow(place=f"line {place}", problem="no url"))
        elif chance.random() < 0.05:
            rows.append(LeftOut(kind="video"))
        else:
            name = str(chance.randrange(number * 5))
            page = f"https://pages.example/{name[:-1]}" if chance.random() < 0.5 else None
            tags = tuple(f"tag {tag}" for tag in range(chance.randrange(4)))
            rows.append(a_record(id=name, url=f"https://a.example/{name}", landing_url=page, tags=tags, title="é" * 9))
    return rows


def _place(record: ImageRecord) -> str:
    return f"{record.evidence.file} {record.evidence.place}"


def _in_memory(rows, denylist, num_packs) -> dict[str, tuple[bytes, list[int]]]:
    """Return the files of an ingest run, made in the plainest way: everything in memory, sorted at once."""
    records, unreadable = {}, []
    for row in rows:
        if isinstance(row, UnreadableRow):
            unreadable.append(row)
        elif isinstance(row, LeftOut):
            continue
        elif row.record_id in records:
            unreadable.append(UnreadableRow(place=_place(row), problem=f"id {row.id} came before"))
        elif denylist.denies_record(row):
            unreadable.append(UnreadableRow(place=_place(row), problem="taken down"))
        else:
            records[row.record_id] = row
    table = records_table(records.values(), num_packs=num_packs)
    sink, urls, start = BytesIO(), set(), 0
    with pq.ParquetWriter(sink, table.schema, compression="zstd") as writer:
        for group, (_, same) in enumerate(groupby(table["pack"].to_pylist())):
            pack = table.slice(start, len(list(same)))
            writer.write_table(pack, row_group_size=len(pack))
            start += len(pack)
            for name in ("url", "landing_url"):
                urls |= {(url_index._hashes([url])[0], group) for url in pack[name].to_pylist() if url}
    hashes, groups = zip(*sorted(urls), strict=True) if urls else ((), ())
    index = pa.table(
        {"url_hash": np.array(hashes, np.uint64), "row_group": np.array(groups, np.int32)},
        schema=url_index.URL_INDEX_SCHEMA,
    )
    of_index = BytesIO()
    pq.write_table(
        index,
        of_index,
        row_group_size=1 << 16,
        compression={"url_hash": "NONE", "row_group": "ZSTD"},
        use_dictionary=["row_group"],
    )
    return {
        "1.parquet": _unsealed(sink.getvalue()),
        "1.urls.parquet": _unsealed(of_index.getvalue()),
        "1.unreadable.parquet": _unsealed(parquet_bytes(unreadable_table(unreadable))),
    }


def _files(store: Store) -> dict[str, tuple[bytes, list[int]]]:
    names = store.files("records/test", suffix=".parquet")
    return {name: _unsealed(store.read_bytes(f"records/test/{name}")) for name in names}


def _unsealed(data: bytes) -> tuple[bytes, list[int]]:
    """Return the columns of a Parquet file, byte for byte, and the rows of each row group: all but seal and footer."""
    footer = pq.read_metadata(BytesIO(data))
    groups = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    return data[: len(data) - 8 - footer.serialized_size], groups


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1, 40, 5_000])
@pytest.mark.parametrize("num_packs", [1, 7, 1_500])
def test_the_files_are_those_that_sorting_everything_in_memory_gives(number, num_packs, tmp_path):
    rows, store = _some_rows(number), Store(str(tmp_path))
    write_run(rows, store, PATH, NOTHING_DENIED, num_packs=num_packs)
    assert _files(store) == _in_memory(rows, NOTHING_DENIED, num_packs)


@pytest.mark.slow
def test_a_large_url_index_has_the_row_groups_that_sorting_in_memory_gives(tmp_path):
    rows, store = [a_record(id=str(n), url=f"https://a.example/{n}") for n in range(70_000)], Store(str(tmp_path))
    write_run(rows, store, PATH, NOTHING_DENIED, num_packs=7)
    assert _files(store) == _in_memory(rows, NOTHING_DENIED, 7)
    assert pq.ParquetFile(tmp_path / "records/test/1.urls.parquet").num_row_groups == 2


@pytest.mark.slow
@pytest.mark.parametrize("batch_rows", [1, 7, 100_000])
def test_the_bytes_do_not_depend_on_how_rows_were_batched_and_spilled(batch_rows, tmp_path, monkeypatch):
    rows, once, again = _some_rows(2_000), Store(str(tmp_path / "a")), Store(str(tmp_path / "b"))
    write_run(rows, once, PATH, NOTHING_DENIED, num_packs=20)
    monkeypatch.setattr(spilling.Spill.__init__, "__kwdefaults__", {"pending_bytes": 5_000})
    monkeypatch.setattr(ingesting, "MAX_GROUPS", 3)
    monkeypatch.setattr(ingesting, "ROWS_PER_RANGE", 100)
    write_run(rows, again, PATH, NOTHING_DENIED, num_packs=20, batch_rows=batch_rows)
    assert tree_digest(tmp_path / "a") == tree_digest(tmp_path / "b")


def test_what_is_taken_down_is_listed_and_the_next_row_with_its_id_becomes_the_record(tmp_path):
    store = Store(str(tmp_path))
    add_entries(store, [Entry(kind="url", value="https://a.example/denied")])
    urls = ["denied", "kept", "denied", "again"]
    rows = [a_record(id="7", url=f"https://a.example/{url}") for url in urls]
    denylist = load_denylist(store)
    write_run(rows, store, PATH, denylist, num_packs=2)
    assert _files(store) == _in_memory(rows, denylist, 2)
    problems = store.read_table("records/test/1.unreadable.parquet")["problem"].to_pylist()
    assert problems == ["taken down", "id 7 came before", "id 7 came before"]


def test_every_row_is_counted_those_that_speak_of_no_picture_too(tmp_path):
    rows, store = _some_rows(1_000), Store(str(tmp_path))
    counts = write_run(rows, store, PATH, NOTHING_DENIED, num_packs=3)
    assert counts.records + counts.unreadable + counts.left_out["video"] == len(rows)
    assert json.loads(store.read_text("records/test/1.counts.json"))["left_out"] == counts.left_out


def test_a_source_that_ends_in_an_error_leaves_nothing(tmp_path):
    def rows():
        yield from _some_rows(100)
        raise SourceError("cut short")

    with pytest.raises(SourceError, match="cut short"):
        write_run(rows(), Store(str(tmp_path)), PATH, NOTHING_DENIED, num_packs=3)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_object_store_gets_the_same_bytes(tmp_path):
    rows, local, remote = _some_rows(300), Store(str(tmp_path)), Store("memory://ingest")
    for store in (local, remote):
        write_run(rows, store, PATH, NOTHING_DENIED, num_packs=3)
    assert _files(local) == _files(remote)


def test_a_scratch_folder_that_cannot_be_written_is_told_in_one_line(tmp_path):
    def rows():
        yield from _some_rows(100)
        for folder in (tmp_path / ".partial").rglob("records"):
            folder.rmdir()

    with pytest.raises(StorageError, match="cannot write .*1.parquet: .*No such file"):
        write_run(rows(), Store(str(tmp_path)), PATH, NOTHING_DENIED, num_packs=3)


def test_groups_of_packs_keep_the_order_of_the_packs_names():
    groups = groups_of_packs(100_020)  # 100000 sorts before 99999
    by_name = sorted(range(100_020), key=lambda number: f"{number:05d}")
    assert sorted(set(groups)) == list(range(max(groups) + 1))
    assert list(groups[by_name]) == sorted(groups)
    assert len(set(groups)) <= ingesting.MAX_GROUPS


def test_sorting_out_keeps_the_first_row_of_an_id_that_is_not_denied():
    ids, is_denied = ["a", "a", "a", "b", "c", "c"], [True, False, True, True, False, False]
    kept, repeated, denied = sort_out(pa.table({"record_id": ids, "is_denied": is_denied}))
    assert (kept.to_pylist(), repeated.to_pylist(), denied.to_pylist()) == ([1, 4], [2, 5], [0, 3])


def test_a_spill_gives_back_its_rows_by_bucket_in_their_order_and_leaves_no_file(tmp_path):
    spill = Spill(tmp_path / "s", pa.schema([("n", pa.int64())]), pending_bytes=200)
    numbers = np.arange(100)
    for start in range(0, 100, 10):
        some = numbers[start : start + 10]
        spill.add(pa.table({"n": some}), some % 3)
    read = {bucket: rows["n"].to_pylist() for bucket, rows in spill.read()}
    assert read == {bucket: list(range(bucket, 100, 3)) for bucket in range(3)}
    assert not list((tmp_path / "s").iterdir())


@pytest.mark.parametrize("sizes", [[], [0], [3], [4], [9], [1, 1, 1, 1, 1], [4, 4], [0, 7, 0, 2]])
def test_regrouped_rows_are_the_same_rows(sizes):
    numbers = iter(range(100))
    tables = [pa.table({"n": pa.array([next(numbers) for _ in range(size)], pa.int64())}) for size in sizes]
    groups = [group["n"].to_pylist() for group in regrouped(tables, 4)]
    assert [n for group in groups for n in group] == list(range(sum(sizes)))
    assert [len(group) for group in groups[:-1]] == [4] * (len(groups) - 1)


def _a_source(path: Path, **overrides) -> SourceConfig:
    return SourceConfig(**{"name": "test", "reader": "yfcc", "path": str(path), "num_packs": 3, **overrides})


def test_packs_that_are_too_large_are_refused_with_the_number_to_use(tmp_path, monkeypatch):
    monkeypatch.setattr(ingesting, "MAX_PACK_ROWS", 20)
    monkeypatch.setattr(ingesting, "PACK_RECORDS", 10)
    store, rows = Store(str(tmp_path)), [a_record(id=str(number)) for number in range(45)]
    said = (
        r"source test: num_packs = 1 makes a pack of 45 rows, and at most 20 are held.* set num_packs = 5, for about 10"
    )
    with pytest.raises(ConfigError, match=said):
        write_run(rows, store, PATH, NOTHING_DENIED, num_packs=1)
    assert not list(tmp_path.glob("records/**/*"))
    assert write_run(rows, store, PATH, NOTHING_DENIED, num_packs=5).records == 45


def test_the_run_of_a_folder_follows_the_names_and_bytes_of_its_files(tmp_path):
    (tmp_path / "a" / "below").mkdir(parents=True)
    (tmp_path / "a" / "1.tsv").write_text(a_yfcc_line("1", "http://x/1") + "\n")
    (tmp_path / "a" / "below" / "2.tsv").write_text(a_yfcc_line("2", "http://x/2") + "\n")
    source, store = _a_source(tmp_path / "a"), Store(str(tmp_path / "corpus"))
    first = records_path(source)
    assert sum(part.num_records for part in ingest(source, store)) == 2
    (tmp_path / "a").rename(tmp_path / "b")
    assert records_path(_a_source(tmp_path / "b")) == first
    assert records_path(_a_source(tmp_path / "b" / "**" / "*.tsv")) == first
    (tmp_path / "b" / "1.tsv").rename(tmp_path / "b" / "3.tsv")
    assert records_path(_a_source(tmp_path / "b")) != first


@pytest.mark.parametrize("path", ["none.tsv", "none-*.tsv", "empty"])
def test_a_path_without_files_is_told_with_its_source(path, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"no source file (at|for|in the folder) .*; check `path` of source test"):
        records_path(_a_source(tmp_path / path))


SCRIPT = """
import sys
from byline.catalog.disk.storage import Store
from byline.pipelines.sources.config import SourceConfig
from byline.pipelines.beam.stages.ingest import ingest
source = SourceConfig(name="test", reader="yfcc", path=sys.argv[1], num_packs=50)
print("begins", flush=True)
ingest(source, Store(sys.argv[2]))
"""


@pytest.mark.slow
def test_killed_at_any_moment_and_run_again_it_gives_the_same_bytes(tmp_path):
    path = tmp_path / "y.tsv"
    path.write_text("".join(a_yfcc_line(str(n % 29_000), f"http://x/{n}") + "\n" for n in range(30_000)))
    source, expected = _a_source(path, num_packs=50), Store(str(tmp_path / "expected"))
    start = time.monotonic()
    ingest(source, expected)
    took_s, killed = time.monotonic() - start, 0
    store = Store(str(tmp_path / "killed"))
    for moment in (0.05, 0.3, 0.5, 0.7, 0.85, 0.95):
        command = [sys.executable, "-c", SCRIPT, str(path), store.root]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"begins\n"
        time.sleep(took_s * moment)
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if store.exists(records_path(source)):
            break
    assert killed >= 2
    store.remove_partial()
    assert not list((tmp_path / "killed").rglob("*.arrows"))
    ingest(source, store)
    assert tree_digest(tmp_path / "killed" / "records") == tree_digest(tmp_path / "expected" / "records")


def test_a_row_that_came_before_is_told_with_its_file(tmp_path):
    store = Store(str(tmp_path))
    write_run([a_record(id="7"), a_record(id="7")], store, PATH, NOTHING_DENIED, num_packs=1)
    told = store.read_table(PATH.replace(".parquet", ".unreadable.parquet")).to_pylist()
    assert told == [{"place": "a.json line 1", "problem": "id 7 came before"}]
