"""Which pictures of a release are to be looked at, and in which order."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.manifest import Release
from byline.catalog.corpora.packs import read_rows_of
from byline.catalog.corpora.parts import PackPart, parts_of
from byline.catalog.corpora.rechecks import last_checked
from byline.pipelines.releases.released import ReleasedPack, check_manifest, released_packs

MS_PER_DAY = 86_400_000
NEVER = -1
Int32s = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture of a release, as it was when it was fetched."""

    record_id: str
    url: str
    license_claims: str
    sha256: str | None
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True, kw_only=True)
class Due:
    """What is to be looked at: a place in a pack for each picture, in order."""

    release: Release
    parts: tuple[PackPart, ...]
    packs: Int32s
    """The number of the part, for each picture."""
    rows: Int32s
    """The row of each picture within its part."""
    num_held: int
    """Pictures that came from this machine's own files, which nobody can be asked for."""

    def __len__(self) -> int:
        return len(self.packs)

    def batches(self, size: int) -> Iterator[tuple[PackPart, list[Picture]]]:
        """Yield the pictures in order, of one pack at a time and at most `size` at once."""
        start = 0
        while start < len(self):
            of_pack = self.packs[start : start + size] == self.packs[start]
            stop = start + (len(of_pack) if of_pack.all() else int(np.argmin(of_pack)))
            part = self.parts[self.packs[start]]
            yield part, self._pictures(part, self.rows[start:stop])
            start = stop

    def _pictures(self, part: PackPart, rows: Int32s) -> list[Picture]:
        store = self.release.store
        records = part.read_records(store, ["record_id", "url", "license_claims"]).take(pa.array(rows))
        known = read_rows_of(store, part.pack, records, ["sha256", "etag", "last_modified"])
        for name in known.column_names:
            records = records.append_column(name, known[name])
        return [Picture(**row) for row in records.to_pylist()]


def admitted_parts(release: Release) -> list[PackPart]:
    """Return the packs of a release, sorted. Raises `CorpusError` when it was edited."""
    check_manifest(release)
    packs = set(released_packs(release))
    parts = [part for path in release.manifest.records.values() for part in parts_of(release.store, path)]
    return sorted(part for part in parts if part.pack in packs)


def admitted_rows(release: Release, part: PackPart, records: pa.Table) -> Int32s:
    """Return the rows of a pack's records whose pictures the release ships."""
    verdicts = ReleasedPack(release, part.pack).read(["record_id", "admitted"])
    admitted = verdicts["record_id"].filter(verdicts["admitted"])
    return np.flatnonzero(pc.is_in(records["record_id"], value_set=admitted.combine_chunks())).astype(np.int32)


def find_due(release: Release, *, checked_before: datetime) -> Due:
    """Return the pictures that were never looked at, or the last time before `checked_before`.

    Never looked at comes first, then the oldest look, by days (UTC); within a day by pack and record.
    """
    parts = admitted_parts(release)
    limit_ms = int(checked_before.timestamp() * 1000)
    triples, num_held = [(np.zeros(0, np.int32),) * 3], 0
    for number, part in enumerate(parts):
        records = part.read_records(release.store, ["record_id", "url", "held"])
        rows = admitted_rows(release, part, records)
        if "held" in records.column_names:
            is_held = records["held"].is_valid().to_numpy()[rows]
            num_held, rows = num_held + int(is_held.sum()), rows[~is_held]
        checked = last_checked(release.store, part.pack, records).cast(pa.int64())
        checked_ms = pc.fill_null(checked, NEVER).to_numpy()[rows]
        is_due = checked_ms < limit_ms
        days = (checked_ms[is_due] // MS_PER_DAY).astype(np.int32)
        triples.append((days, np.full(len(days), number, np.int32), rows[is_due]))
    day_N, part_N, row_N = (np.concatenate(column) for column in zip(*triples, strict=True))
    order = np.lexsort((row_N, part_N, day_N))
    return Due(release=release, parts=tuple(parts), packs=part_N[order], rows=row_N[order], num_held=num_held)
