"""Scan the packs of a corpus for records that are wanted, and tell the part that holds each.

Record ids come sorted. When several ingest runs of a source have the same record, the part is of the run that the
newest release judged. Nothing is cached, nothing is written.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.manifest import Release
from byline.catalog.corpora.packs import num_pack_segments, read_attempts
from byline.catalog.corpora.parts import PackPart, parts_of
from byline.catalog.disk import layout
from byline.catalog.disk.json_files import read_json
from byline.catalog.disk.storage import Store
from byline.catalog.threads import in_threads

PartsByRecord = dict[str, PackPart]
Mask: TypeAlias = Any
"""Arrow booleans, one a row."""
_NO_RECORDS = (".unreadable.parquet", ".urls.parquet")


def all_parts(store: Store) -> list[PackPart]:
    """Return the packs of every ingest run: by source, of a source the newest run first, of a run by pack.

    The newest run is that of the newest release; runs that no release was made of come last, by name.
    """
    return [part for source in store.folders(layout.RECORDS) for part in parts_of_source(store, source)]


def parts_of_source(store: Store, source: str) -> list[PackPart]:
    """Return the packs of every ingest run of a source, in the order of `all_parts`."""
    return [part for path in runs_of(store, source) for part in parts_of(store, path)]


def runs_of(store: Store, source: str) -> list[str]:
    """Return the records files of a source, the one that the newest release judged first."""
    folder = layout.records_of(source)
    names = [name for name in store.files(folder, suffix=".parquet") if not name.endswith(_NO_RECORDS)]
    there = [f"{folder}/{name}" for name in names]
    if len(there) < 2:
        return there
    judged = [path for path in _judged_runs(store, source) if path in there]
    return list(dict.fromkeys([*judged, *there]))


def _judged_runs(store: Store, source: str) -> list[str]:
    """Return which records of a source the builds judged, newest first. What is damaged says nothing."""
    runs = []
    for name in reversed(store.files(layout.BUILDS, suffix=".json")):
        try:
            release = read_json(store, layout.build_file(name))["release"]
            runs.append(Release(store.url(release)).manifest.records.get(source, ""))
        except (ValueError, KeyError, TypeError):  # a BylineError is a ValueError
            continue
    return runs


def scan(store: Store, parts: list[PackPart], columns: list[str], wanted: Callable[[pa.Table], Mask]) -> PartsByRecord:
    """Return the records of these parts that are wanted; of several parts with one record the first."""

    def ids_of(part: PackPart) -> list[str]:
        rows = part.read_records(store, ["record_id", *columns])
        return list(rows["record_id"].filter(wanted(rows)).to_pylist())

    placed: PartsByRecord = {}
    for part, ids in zip(parts, in_threads(ids_of, parts), strict=True):
        for record_id in ids:
            placed.setdefault(record_id, part)
    return dict(sorted(placed.items()))


def by_attempts(store: Store, columns: list[str], wanted: Callable[[pa.Table], Mask]) -> PartsByRecord:
    """Return the records with an attempt that is wanted, of every pack. Reads all indices."""
    parts = all_parts(store)
    packs = packs_of(parts)
    ids_by_pack = in_threads(lambda pack: _ids_with_attempt(store, pack, columns, wanted), packs)
    return placed_in(store, parts, dict(zip(packs, ids_by_pack, strict=True)))


def packs_of(parts: Iterable[PackPart]) -> list[str]:
    """Return the packs of these parts, each once, sorted."""
    return sorted({part.pack for part in parts})


def _ids_with_attempt(store: Store, pack: str, columns: list[str], wanted: Callable[[pa.Table], Mask]) -> list[str]:
    """Return the ids of the records of a pack with an attempt that is wanted."""
    number = num_pack_segments(store, pack)  # a build may add to them
    is_wanted = wanted(read_attempts(store, pack, columns, num_segments=number))
    if not pc.any(is_wanted).as_py():
        return []  # as of nearly all packs: ids are most of what would be read
    ids = read_attempts(store, pack, ["record_id"], num_segments=number)["record_id"]
    return list(ids.filter(is_wanted).unique().to_pylist())


def placed_in(store: Store, parts: list[PackPart], ids: Mapping[str, list[str]]) -> PartsByRecord:
    """Return the parts of records that are known by pack."""
    placed: PartsByRecord = {}
    for part in parts:
        if wanted := set(ids.get(part.pack, ())) - set(placed):
            there = set(part.read_records(store, ["record_id"])["record_id"].to_pylist())
            placed |= dict.fromkeys(wanted & there, part)
    return dict(sorted(placed.items()))


def any_of(masks: Iterable[Mask]) -> Mask:
    """Tell which rows are in any of these masks; null is no."""
    first, *others = (pc.fill_null(mask, False) for mask in masks)
    for mask in others:
        first = pc.or_(first, mask)
    return first
