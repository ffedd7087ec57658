"""Read one source into the records of an ingest run, sorted by pack, in memory that does not grow with the source.

What is read is spilled into groups of packs, and each group is then sorted, freed of repeated ids and written, a row
group for each pack. The bytes depend on the rows and their order alone, never on how they were batched. Loads no Beam.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.parts import packs_of, writing_records
from byline.catalog.corpora.records import (
    RECORD_SCHEMA,
    UNREADABLE_SCHEMA,
    ImageRecord,
    LeftOut,
    Row,
    UnreadableRow,
    unreadable_table,
    unsorted_records,
)
from byline.catalog.denylists.denylist import Denylist
from byline.catalog.disk.json_files import write_json
from byline.catalog.disk.spilling import Spill, write_regrouped
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError
from byline.pipelines.sources.readers.bounds import Repeats, bounded, characters_of

BATCH_ROWS = 4096
BATCH_CHARACTERS = 1 << 24
"""Characters of rows that are held before they are spilled."""
MAX_GROUPS = 1024
"""Most groups of packs. With a hundred million records, a group has about a hundred thousand."""
PACK_RECORDS = 10_000
"""Records of a pack, about: see `docs/architecture.md`."""
MAX_PACK_ROWS = 100_000
"""Most records of a pack, which is in memory whole, here and in every later stage; a larger one is refused."""
MAX_PACK_BYTES = 1 << 29
"""Most text of the records of a pack, for the same reason: about fifty times that of most packs."""
ROWS_PER_RANGE = 1 << 18
"""Rows of the source whose unreadable ones are sorted together."""
UNREADABLE_ROWS_PER_GROUP = 1 << 16
_NUMBER = pa.field("number", pa.int64())
_SPILLED = RECORD_SCHEMA.append(_NUMBER).append(pa.field("is_denied", pa.bool_()))
_TOLD = UNREADABLE_SCHEMA.append(_NUMBER)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What became of the rows of a source."""

    records: int
    unreadable: int
    left_out: dict[str, int]
    """Kind -> rows that speak of no picture."""
    not_used: dict[str, str] = field(default_factory=dict)
    """Name in the source that is taken for no field -> the field that it comes nearest to, empty when none is near."""


def write_run(
    rows: Iterable[Row],
    store: Store,
    path: str,
    denylist: Denylist,
    *,
    num_packs: int,
    not_used: Mapping[str, str] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Counts:
    """Write the ingest run of one source's rows, and its counts. The records, whose existence makes the run, come last.

    Of the rows with one id the first that is not denied becomes the record. Each row that does not become one is
    listed with its place and the reason, in the order of the source. `not_used` is kept among the counts.
    """
    with store.scratch_folder() as scratch, writing_records(store, path, RECORD_SCHEMA) as add:
        run = _Run(scratch, denylist, num_packs)
        run.take(rows, batch_rows)
        run.refuse_large_packs(path.split("/")[1])
        num_records = 0
        for pack in run.packs():
            add(pack)
            num_records += len(pack)
        stem = path.removesuffix(".parquet")
        run.write_unreadable(store, f"{stem}.unreadable.parquet")
        left_out = dict(sorted(run.left_out.items()))
        counts = Counts(
            records=num_records, unreadable=run.num_unreadable, left_out=left_out, not_used=dict(not_used or {})
        )
        write_json(store, f"{stem}.counts.json", asdict(counts))
    return counts


class _Run:
    """The rows of a source on their way into an ingest run."""

    def __init__(self, scratch: Path, denylist: Denylist, num_packs: int) -> None:
        self.denylist, self.num_packs = denylist, num_packs
        self.left_out: Counter[str] = Counter()
        self.num_unreadable = 0
        self._records = Spill(scratch / "records", _SPILLED)
        self._unreadable = Spill(scratch / "unreadable", _TOLD)
        self._groups = groups_of_packs(num_packs)
        self._pack_rows = np.zeros(num_packs, np.int64)
        self._pack_bytes = np.zeros(num_packs, np.int64)

    def take(self, rows: Iterable[Row], batch_rows: int) -> None:
        """Spill all rows, numbered in their order. Raises `SourceError` for a URL that far too many rows have."""
        numbered, repeats = enumerate(map(bounded, rows)), Repeats()
        while batch := list(_taken(numbered, batch_rows)):
            records = [(number, row) for number, row in batch if isinstance(row, ImageRecord)]
            repeats.add([record for _, record in records])
            unreadable = [(number, row) for number, row in batch if isinstance(row, UnreadableRow)]
            self.left_out.update(row.kind for _, row in batch if isinstance(row, LeftOut))
            if records:
                self._spill_records([number for number, _ in records], [record for _, record in records])
            if unreadable:
                self._tell([number for number, _ in unreadable], unreadable_table([row for _, row in unreadable]))

    def refuse_large_packs(self, source: str) -> None:
        """Raise `ConfigError` when a pack has more rows, or more text, than are held at once. Told after the last row,
        with a number that is right: what is read before lies on the disk.
        """
        most, wanted = int(self._pack_rows.max()), -(-int(self._pack_rows.sum()) // PACK_RECORDS)
        if most > MAX_PACK_ROWS:
            raise ConfigError(
                f"source {source}: num_packs = {self.num_packs} makes a pack of {most:,} rows, and at most "
                f"{MAX_PACK_ROWS:,} are held at once; set num_packs = {wanted}, for about {PACK_RECORDS:,} each, or, "
                "where this corpus has packs of the source already, name the new rows as a source of their own"
            )
        if (num_bytes := int(self._pack_bytes.max())) > MAX_PACK_BYTES:
            raise ConfigError(
                f"source {source}: a pack of {num_bytes:,} bytes of text, and at most {MAX_PACK_BYTES:,} are held at "
                "once; leave long columns out, or set a greater num_packs for a new corpus"
            )

    def packs(self) -> Iterator[pa.Table]:
        """Yield the records of every pack that has some, sorted by pack and id."""
        for _, group in self._records.read():
            order = [(name, "ascending") for name in ("pack", "record_id", "number")]
            rows = group.take(pc.sort_indices(group, order))
            kept, repeated, denied = sort_out(rows)
            ids = pc.utf8_slice_codeunits(rows["record_id"].take(repeated), self._id_start(rows))
            came_before = pc.binary_join_element_wise("id ", ids, " came before", "")
            self._refuse(rows.take(repeated), came_before)
            self._refuse(rows.take(denied), pa.array(["taken down"] * len(denied), pa.string()))
            yield from packs_of(rows.take(kept).select(RECORD_SCHEMA.names))

    def write_unreadable(self, store: Store, path: str) -> None:
        """Write what became no record, in the order of the source."""
        tables = (rows.sort_by("number").select(UNREADABLE_SCHEMA.names) for _, rows in self._unreadable.read())
        words = UNREADABLE_SCHEMA.names
        with store.writing_groups(
            path, UNREADABLE_SCHEMA, compression="zstd", use_dictionary=words, store_schema=False
        ) as writer:
            write_regrouped(writer, tables, UNREADABLE_ROWS_PER_GROUP)

    def _spill_records(self, numbers: list[int], records: list[ImageRecord]) -> None:
        table = unsorted_records(records, num_packs=self.num_packs)
        is_denied = pa.array([self.denylist.denies_record(record) for record in records], pa.bool_())
        rows = pa.Table.from_arrays([*table.columns, pa.array(numbers, pa.int64()), is_denied], schema=_SPILLED)
        packs = [int(name.rsplit("-", 1)[1]) for name in table["pack"].to_pylist()]
        self._pack_rows += np.bincount(packs, minlength=self.num_packs)
        sizes = [characters_of(record) for record in records]
        self._pack_bytes += np.bincount(packs, sizes, minlength=self.num_packs).astype(np.int64)
        self._records.add(rows, self._groups[packs])

    def _refuse(self, rows: pa.Table, problem: pa.Array) -> None:
        if len(rows):
            places = pc.binary_join_element_wise(rows["evidence_file"], rows["evidence_place"], " ")
            unreadable = pa.table({"place": places, "problem": problem}, schema=UNREADABLE_SCHEMA)
            self._tell(rows["number"].to_pylist(), unreadable)

    def _tell(self, numbers: list[int], unreadable: pa.Table) -> None:
        rows = unreadable.append_column(_NUMBER, pa.array(numbers, pa.int64()))
        self._unreadable.add(rows, np.array(numbers, np.int64) // ROWS_PER_RANGE)
        self.num_unreadable += len(rows)

    @staticmethod
    def _id_start(rows: pa.Table) -> int:
        return len(rows["pack"][0].as_py().rsplit("-", 1)[0]) + 1  # after `source:`


def _taken(numbered: Iterator[tuple[int, Row]], num_rows: int) -> Iterator[tuple[int, Row]]:
    """Yield the next rows, as many as are held at once."""
    num_characters = 0
    for number, row in islice(numbered, num_rows):
        yield number, row
        num_characters += characters_of(row) if isinstance(row, ImageRecord) else 0
        if num_characters >= BATCH_CHARACTERS:
            return


def groups_of_packs(num_packs: int) -> npt.NDArray[np.int64]:
    """Return the group of every pack, so that sorting groups and then packs by name sorts all packs by name."""
    names = np.array([f"{number:05d}" for number in range(num_packs)])
    groups = np.empty(num_packs, np.int64)
    groups[np.argsort(names, kind="stable")] = np.arange(num_packs) // -(-num_packs // MAX_GROUPS)
    return groups


def sort_out(rows: pa.Table) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Return which rows are kept, which repeat a kept id, and which are denied, of rows sorted by id and number.

    Kept is the first row of an id that is not denied; those before it are denied, those after it repeat it.
    """
    ids = rows["record_id"].combine_chunks()
    starts = np.ones(len(rows), np.bool_)
    starts[1:] = pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1)).to_numpy(zero_copy_only=False)
    of_id = np.cumsum(starts) - 1
    admitted = np.flatnonzero(~rows["is_denied"].to_numpy())
    _, first = np.unique(of_id[admitted], return_index=True)
    kept = admitted[first]
    kept_at = np.full(of_id[-1] + 1, len(rows))
    kept_at[of_id[kept]] = kept
    here = np.arange(len(rows))
    repeated, denied = np.flatnonzero(here > kept_at[of_id]), np.flatnonzero(here < kept_at[of_id])
    return pa.array(kept), pa.array(repeated), pa.array(denied)
