"""Which clusters and copies of a release's ledger (`clusters.parquet`) the page of duplicates has room for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from byline.catalog.corpora.manifest import Release
from byline.pipelines.releases.released import read_paper
from byline.pipelines.rights.traces.release_traces import CLUSTERS

MIN_COPIES = 2_000
COPIES_PER_CLUSTER = 4
"""Copies per cluster that are shown, on average over the clusters that were asked for: more make a page that opens
slowly."""
REQUIRED = ("record_id", "sha256", "license", "keeper_record_id", "keeper_sha256", "distance_bits", "reasons")
OPTIONAL = ("view", "cosine")
"""Columns that ledgers of older releases lack."""
CONFLICT = "quarantine:license-conflict"
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A cluster as the ledger has it."""

    keeper_record_id: str
    keeper_sha256: str
    num_copies: int
    copies: tuple[Row, ...]
    """The farthest copies, as many as there is room for; by distance, then by id."""


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What there is in all, and what is shown of it."""

    num_clusters: int
    num_copies: int
    num_same_bytes: int
    """Copies whose bytes are those of their keeper."""
    num_conflicts: int
    """Copies in clusters whose licenses ask for different things."""
    chosen: tuple[Chosen, ...]
    """The clusters with the most copies first, then by digest of the keeper."""


def read_ledger(release: Release, *, limit: int) -> Ledger:
    """Return the `limit` clusters with most copies, and the farthest copies of each as far as there is room.

    Room is `COPIES_PER_CLUSTER` for each cluster that was asked for, at least `MIN_COPIES`: the small clusters are
    whole, the large ones are all cut to one size. So a blank page with a million copies costs no more than others.
    Raises `CorpusError` when the file is not the one that the manifest lists.
    """
    file = pq.ParquetFile(pa.BufferReader(read_paper(release, CLUSTERS)), pre_buffer=False)
    sizes = _sizes(_column(file, "keeper_sha256"))
    shown = sizes[:limit]
    each = copies_each(np.array([size for _, size in shown], np.int64), max(MIN_COPIES, COPIES_PER_CLUSTER * limit))
    rows = _rows_of(file, [keeper for keeper, _ in shown], each)
    same_bytes = pc.equal(_column(file, "sha256"), _column(file, "keeper_sha256"))
    conflicts = pc.equal(pc.list_flatten(_column(file, "reasons")), CONFLICT)
    return Ledger(
        num_clusters=len(sizes),
        num_copies=file.metadata.num_rows,
        num_same_bytes=pc.sum(same_bytes).as_py() or 0,
        num_conflicts=pc.sum(conflicts).as_py() or 0,
        chosen=tuple(
            Chosen(
                keeper_record_id=rows[keeper][0]["keeper_record_id"],
                keeper_sha256=keeper,
                num_copies=size,
                copies=tuple(rows[keeper]),
            )
            for keeper, size in shown
        ),
    )


def copies_each(sizes: npt.NDArray[np.int64], room: int) -> int:
    """Return the greatest number of copies, at least 1, that every cluster may show so that all fit into `room`."""
    fits, too_many = 1, int(sizes.max(initial=1)) + 1
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if np.minimum(sizes, middle).sum() <= room:
            fits = middle
        else:
            too_many = middle
    return fits


def _sizes(keepers: pa.ChunkedArray) -> list[tuple[str, int]]:
    counted = pa.table(pc.value_counts(keepers).flatten(), names=["keeper", "size"])
    ordered = counted.sort_by([("size", "descending"), ("keeper", "ascending")])
    return list(zip(ordered["keeper"].to_pylist(), ordered["size"].to_pylist(), strict=True))


def _rows_of(file: pq.ParquetFile, keepers: list[str], each: int) -> dict[str, list[Row]]:
    """Return the copies of these keepers, at most `each` of one. Columns are read one by one: a ledger may be large."""
    is_chosen = pc.is_in(_column(file, "keeper_sha256"), value_set=pa.array(keepers, pa.string()))
    names = [*REQUIRED, *(name for name in OPTIONAL if name in file.schema_arrow.names)]
    table = pa.table({name: _column(file, name).filter(is_chosen) for name in names})
    table = table.sort_by(_order(names))
    codes = pc.dictionary_encode(table["keeper_sha256"].combine_chunks()).indices.to_numpy()
    from_end = np.searchsorted(codes, codes, side="right") - np.arange(len(codes))
    copies: dict[str, list[Row]] = {}
    for row in table.filter(pa.array(from_end <= each)).to_pylist():
        copies.setdefault(row["keeper_sha256"], []).append(row)
    return copies


def _order(names: list[str]) -> list[tuple[str, str]]:
    """Sort the copies of a keeper by distance; those that only an embedding finds are the farthest."""
    alike = [("cosine", "descending")] if "cosine" in names else []
    return [("keeper_sha256", "ascending"), ("distance_bits", "ascending"), *alike, ("record_id", "ascending")]


def _column(file: pq.ParquetFile, name: str) -> pa.ChunkedArray:
    return file.read(columns=[name], use_threads=False)[name]
