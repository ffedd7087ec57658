"""Search the hashes of a corpus for pairs: from nothing, or what is new among what was searched before.

Every picture has several codes: its own hash and those of its views. A pair depends on two codes alone, so a search
that is continued finds what one from nothing finds, byte for byte; and so does one that is divided over many machines.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from byline.catalog.corpora.parts import PackPart
from byline.catalog.digests import canonical_json, digest_of
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.catalog.json_text import parse_json
from byline.dedup.banding import band_plan
from byline.dedup.neighbors import NearIndex, Unit, first_of_equals, near_pairs, search_unit, units_of
from byline.dedup.views import unpack_views
from byline.pipelines.facts.edges import FOLDER, Edges, as_bytes, edges_stem, is_searched, searched, stored_edges
from byline.pipelines.facts.measures import CODE_SCHEMA, EDGE_SCHEMA, SEARCH_RADIUS_BITS, hash_facts

CONTINUED_UP_TO = 0.25
"""New segments, as a share of all, up to which a search is continued: with more, one from nothing costs less."""
DIVIDED_FROM = 2_000_000
"""Codes from which a search is worth dividing over workers: it takes longer than handing it out."""
PLAN = band_plan(256)
Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, order=True)
class SearchTask:
    """A part of a search, for any worker: the codes lie in scratch, and so will its pairs."""

    stem: str
    unit: Unit

    @property
    def pairs_path(self) -> str:
        """Where its pairs will lie."""
        return f"{_scratch(self.stem)}/pairs-{'-'.join(f'{number:05d}' for number in self.unit)}.arrow"


def read_edges(store: Store, parts: list[PackPart]) -> Edges:
    """Return the pairs among the pictures of these packs: those on disk, or else found now and not written."""
    if is_searched(store, parts):
        return stored_edges(store, edges_stem(store, parts))
    return search_edges(store, parts)


def search_edges(store: Store, parts: list[PackPart]) -> Edges:
    """Find the pairs among the pictures of these packs, on this machine."""
    now = searched(store, parts)
    before = _searched_before(store, now)
    if before is None:
        return find_pairs(_codes(store, now, {}))
    stem, segments = before
    return find_more(
        stored_edges(store, stem), old=_codes(store, list(segments.items()), {}), new=_codes(store, now, segments)
    )


def write_edges(store: Store, parts: list[PackPart], edges: Edges) -> None:
    """Write what a search of these packs found."""
    stem = edges_stem(store, parts)
    store.write_table(f"{stem}.recurring.parquet", edges.recurring)
    store.write_bytes(f"{stem}.searched.json", canonical_json(searched(store, parts)))
    store.write_table(f"{stem}.pairs.parquet", edges.pairs)


def search_tasks(store: Store, parts: list[PackPart], divided_from: int = DIVIDED_FROM) -> Iterator[SearchTask]:
    """Search these packs, or say how to divide that: yield nothing where it is done, or where it was quick to do."""
    now = searched(store, parts)
    if is_searched(store, parts):
        return
    if sum(number for _, number in now) == 0 or _searched_before(store, now) is not None:
        write_edges(store, parts, search_edges(store, parts))
        return
    codes = _codes(store, now, {})
    if len(codes) < divided_from:
        write_edges(store, parts, find_pairs(codes))
        return
    stem = edges_stem(store, parts)
    first_of = first_of_equals(codes)
    is_first = first_of == np.arange(len(codes))
    recurring = np.unique(first_of[~is_first])
    store.write_scratch(f"{_scratch(stem)}/recurring.arrow", _code_table(codes[recurring]))
    store.write_scratch(f"{_scratch(stem)}/codes.arrow", _code_table(codes[is_first]))
    yield from (SearchTask(stem=stem, unit=unit) for unit in units_of(int(is_first.sum()), PLAN))


def run_task(store: Store, task: SearchTask) -> SearchTask:
    """Search one part, unless that was done before."""
    if not store.exists(task.pairs_path):
        codes = as_bytes(store.read_scratch(f"{_scratch(task.stem)}/codes.arrow")["phash256"])
        words, every = codes.view("<u8"), np.ones(len(codes), np.bool_)
        pairs = search_unit(words, every, task.unit, plan=PLAN, radius_bits=SEARCH_RADIUS_BITS)
        store.write_scratch(task.pairs_path, _edge_table(codes[pairs["i"]], codes[pairs["j"]], pairs["distance"]))
    return task


def finish_search(store: Store, parts: list[PackPart], tasks: Iterable[SearchTask]) -> None:
    """Put together what the parts of a search found."""
    tasks = sorted(tasks)
    if not tasks:
        return
    scratch = _scratch(tasks[0].stem)
    pairs = pa.concat_tables([store.read_scratch(task.pairs_path) for task in tasks])
    recurring = store.read_scratch(f"{scratch}/recurring.arrow")
    write_edges(store, parts, Edges(pairs=_sorted(pairs), recurring=_sorted(recurring)))
    for name in store.files(scratch):
        store.remove(f"{scratch}/{name}")


def find_pairs(codes: Codes) -> Edges:
    """Return every pair of distinct codes at most `SEARCH_RADIUS_BITS` apart, and the codes that recur."""
    pairs = near_pairs(codes, radius_bits=SEARCH_RADIUS_BITS)
    is_equal = pairs["distance"] == 0
    near = pairs[~is_equal]
    return Edges(
        pairs=_sorted(_edge_table(codes[near["i"]], codes[near["j"]], near["distance"])),
        recurring=_sorted(_code_table(codes[np.unique(pairs["i"][is_equal])])),
    )


def find_more(known: Edges, *, old: Codes, new: Codes) -> Edges:
    """Return what `find_pairs` returns for old and new codes together, given what it returned for the old ones."""
    among = find_pairs(new)
    distinct = new[first_of_equals(new) == np.arange(len(new))]
    pairs = NearIndex(distinct, radius_bits=SEARCH_RADIUS_BITS).pairs_with(old)
    is_equal = pairs["distance"] == 0
    is_known = np.zeros(len(distinct), np.bool_)
    is_known[pairs["j"][is_equal]] = True  # its pairs with old codes were found before
    near = pairs[~is_equal & ~is_known[pairs["j"]]]
    between = _edge_table(old[near["i"]], distinct[near["j"]], near["distance"])
    recurring = pa.concat_tables([known.recurring, among.recurring, _code_table(distinct[is_known])])
    return Edges(
        pairs=_sorted(pa.concat_tables([known.pairs, among.pairs, between])),
        recurring=_sorted(recurring),
    )


def _searched_before(store: Store, now: list[list[Any]]) -> tuple[str, dict[str, int]] | None:
    """Return the earlier search that covers most of these segments and nothing else, if it is worth continuing."""
    segments, best = dict(now), None
    for name in store.files(FOLDER, suffix=".searched.json"):
        stem = f"{FOLDER}/{name.removesuffix('.searched.json')}"
        listed = _listed(store, stem)
        if listed is None:
            continue
        before = dict(listed)
        if any(number > segments.get(pack, 0) for pack, number in before.items()):
            continue
        if store.exists(f"{stem}.pairs.parquet") and (best is None or sum(before.values()) > sum(best[1].values())):
            best = stem, before
    if best is None or sum(best[1].values()) < (1 - CONTINUED_UP_TO) * sum(segments.values()):
        return None
    return best


def _listed(store: Store, stem: str) -> list[list[Any]] | None:
    """Return which segments a search saw; none where the file is damaged: its name is its digest."""
    try:
        listed: list[list[Any]] = parse_json(store.read_bytes(f"{stem}.searched.json"))
    except ValueError:
        return None
    return listed if digest_of(listed)[:16] == stem.rsplit("/", 1)[1] else None


def _codes(store: Store, segments: Iterable[Sequence[Any]], without: Mapping[str, int]) -> Codes:
    """Return the codes of all pictures and their views in segments of hashes, but for those that are `without`.

    Raises `CorpusError` where a hash is missing or the views are damaged: a search would pass over them in silence.
    """
    facts, blocks = hash_facts(store), [np.zeros((0, 32), np.uint8)]
    for pack, number in segments:
        table = facts.read(pack, ["phash256", "views"], first=without.get(pack, 0), last=number)
        try:
            if table["phash256"].type != pa.binary(32):
                raise ValueError(f"their type is {table['phash256'].type}")
            if missing := table["phash256"].null_count:
                raise ValueError(f"{missing} of them are missing")
            blocks += [as_bytes(table["phash256"]), unpack_views(table["views"])[2]]
        except ValueError as error:
            where = store.url(f"{facts.folder}/{pack}.*.parquet")
            raise CorpusError(f"{where} holds damaged hashes ({error}); delete these files and build again") from error
    return np.concatenate(blocks)


def _scratch(stem: str) -> str:
    return f"{layout.SEARCHES}/{stem.rsplit('/', 1)[1]}"


def _edge_table(codes: Codes, other: Codes, distance: npt.NDArray[np.uint32]) -> pa.Table:
    """Return pairs of codes, the lesser first."""
    differs = codes != other
    first = differs.argmax(axis=1)
    rows = np.arange(len(codes))
    is_less = (codes[rows, first] < other[rows, first])[:, None]
    sides = [_column(np.where(is_less, codes, other)), _column(np.where(is_less, other, codes))]
    return pa.Table.from_arrays([*sides, pa.array(distance.astype(np.int32))], schema=EDGE_SCHEMA)


def _code_table(codes: Codes) -> pa.Table:
    return pa.Table.from_arrays([_column(codes)], schema=CODE_SCHEMA)


def _sorted(table: pa.Table) -> pa.Table:
    """Return the rows in order and once each."""
    table = table.group_by(table.column_names, use_threads=False).aggregate([])
    return table.sort_by([(name, "ascending") for name in table.column_names]).combine_chunks()


def _column(codes: Codes) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(32), len(codes), [None, pa.py_buffer(np.ascontiguousarray(codes).tobytes())]
    )
