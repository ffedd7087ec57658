import re

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.testing.util import assert_that, equal_to

from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.catalog.progress import Meter
from byline.dedup.views import TURNED, View, pack_views
from byline.pipelines.beam.stages.find_duplicates import FindDuplicates
from byline.pipelines.facts.edge_search import (
    finish_search,
    read_edges,
    run_task,
    search_edges,
    search_tasks,
    write_edges,
)
from byline.pipelines.facts.edges import FOLDER, edges_stem, is_searched
from byline.pipelines.facts.measures import hash_facts

NUM_PACKS = 3
GRAY = b"\x80" * 48


def parts():
    return [PackPart(pack=f"s-{n:05d}", records_path="unused", row_group=n, num_records=0) for n in range(NUM_PACKS)]


def some_codes(num_codes, *, seed):
    """Codes of which a third is near or equal to another one, wherever that is."""
    random = np.random.default_rng(seed)
    codes = np.random.default_rng(0).integers(0, 256, (200, 32), dtype=np.uint8)[random.integers(0, 200, num_codes)]
    bits = np.unpackbits(codes, axis=1)
    for row in bits[num_codes // 3 :]:
        row[random.choice(256, random.integers(0, 45), replace=False)] ^= 1
    return np.packbits(bits, axis=1)


def measure(store, codes, *, first=0):
    """Add pictures with these hashes to the packs in turn; every fifth has a view with the hash of another one."""
    for number, part in enumerate(parts()):
        rows = [
            {
                "sha256": f"{first + place:064x}",
                "phash256": code.tobytes(),
                "colors": GRAY,
                "pixels": f"{place:064x}",
                "views": pack_views([View(kind=TURNED, code=codes[place - 1].tobytes(), colors=GRAY)])
                if place % 5 == 0
                else b"",
            }
            for place, code in enumerate(codes)
            if place % NUM_PACKS == number
        ]
        hash_facts(store).append(part.pack, rows)


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


def test_pairs_join_hashes_of_pictures_and_of_their_views(store):
    one, other, third = (np.full((32,), value, np.uint8) for value in (0x0F, 0xF0, 0x3C))
    measure(store, np.stack([one, other, other ^ np.eye(32, dtype=np.uint8)[0], third]))
    edges = search_edges(store, parts())
    near = sorted([other.tobytes(), (other ^ np.eye(32, dtype=np.uint8)[0]).tobytes()])
    assert edges.pairs.to_pylist() == [{"a": near[0], "b": near[1], "distance_bits": 1}]
    assert edges.recurring.to_pylist() == [{"phash256": third.tobytes()}]  # picture 0, turned, looks like picture 3


def test_a_search_that_is_continued_finds_what_one_from_nothing_finds(store, tmp_path):
    codes = some_codes(900, seed=1)
    measure(store, codes[:400])
    for number in range(8):
        measure(store, codes[400 + 50 * number : 450 + 50 * number], first=400 + 50 * number)
    write_edges(store, parts(), search_edges(store, parts()))
    measure(store, codes[800:], first=800)
    continued = search_edges(store, parts())
    for name in store.files(FOLDER):
        store.remove(f"{FOLDER}/{name}")
    from_nothing = search_edges(store, parts())
    assert len(from_nothing.pairs) > 100
    assert continued.pairs.equals(from_nothing.pairs)
    assert continued.recurring.equals(from_nothing.recurring)


def test_it_is_continued_only_when_little_is_new(store, monkeypatch):
    monkeypatch.setattr(
        "byline.pipelines.facts.edge_search.find_more", lambda *args, **kwargs: pytest.fail("continued")
    )
    measure(store, some_codes(90, seed=1))
    write_edges(store, parts(), search_edges(store, parts()))
    measure(store, some_codes(90, seed=2), first=90)
    search_edges(store, parts())


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, -1])
def test_a_divided_search_finds_what_one_machine_finds(store, order):
    measure(store, some_codes(300, seed=1))
    whole = search_edges(store, parts())
    tasks = list(search_tasks(store, parts(), divided_from=10))
    assert len(tasks) == 42
    assert not is_searched(store, parts())
    finish_search(store, parts(), [run_task(store, task) for task in tasks[::order]])
    found = read_edges(store, parts())
    assert (found.pairs, found.recurring) == (whole.pairs, whole.recurring)
    assert [name for stem in store.folders(layout.SEARCHES) for name in store.files(f"{layout.SEARCHES}/{stem}")] == []


def test_a_divided_search_that_was_killed_goes_on(store):
    measure(store, some_codes(300, seed=1))
    whole = search_edges(store, parts())
    for task in list(search_tasks(store, parts(), divided_from=10))[:20]:
        run_task(store, task)
    tasks = list(search_tasks(store, parts(), divided_from=10))
    finish_search(store, parts(), [run_task(store, task) for task in tasks])
    assert read_edges(store, parts()).pairs == whole.pairs


def test_nothing_measured_has_no_pairs(store):
    assert list(search_tasks(store, parts())) == []
    assert len(read_edges(store, parts()).pairs) == 0


@pytest.mark.beam
def test_the_stage_divides_a_search_over_workers(store):
    measure(store, some_codes(300, seed=1))
    whole = search_edges(store, parts())
    with beam.Pipeline() as pipeline:
        found = pipeline | beam.Create([parts()]) | FindDuplicates(store, None, Meter(), divided_from=10)
        assert_that(found, equal_to([parts()]))
    assert store.exists(f"{edges_stem(store, parts())}.pairs.parquet")
    assert read_edges(store, parts()).pairs == whole.pairs


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("views", pa.array([b"\x01" * 80] * 3, pa.binary()), "views of row 0 have 80 bytes, no multiple of 81"),
        ("phash256", pa.array([None] * 3, pa.binary(32)), "3 of them are missing"),
    ],
)
def test_damaged_hashes_are_told_and_never_passed_over(store, column, values, said):
    measure(store, some_codes(9, seed=1))
    path = f"{hash_facts(store).folder}/s-00000.000.parquet"
    table = store.read_table(path)
    store.write_table(path, table.set_column(table.schema.get_field_index(column), column, values))
    with pytest.raises(CorpusError, match=re.escape(f"s-00000.*.parquet holds damaged hashes ({said}); delete these")):
        search_edges(store, parts())


def test_hashes_of_another_width_are_told(store):
    measure(store, some_codes(9, seed=1))
    path = f"{hash_facts(store).folder}/s-00000.000.parquet"
    table = store.read_table(path)
    short = pa.array([bytes(16)] * 3, pa.binary(16))
    store.write_table(path, table.set_column(table.schema.get_field_index("phash256"), "phash256", short))
    with pytest.raises(CorpusError, match="holds damaged hashes"):
        search_edges(store, parts())


def test_damaged_pairs_are_told(store):
    measure(store, some_codes(30, seed=1))
    write_edges(store, parts(), search_edges(store, parts()))
    path = f"{edges_stem(store, parts())}.pairs.parquet"
    table = store.read_table(path)
    store.write_table(path, table.set_column(0, "a", pa.nulls(len(table), pa.binary(32))))
    with pytest.raises(CorpusError, match="pairs.parquet is damaged: values are missing; delete it"):
        read_edges(store, parts())
