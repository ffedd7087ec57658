"""What differs between two releases, of one corpus or of two: records, images and credits, each with its reasons.

Records are matched by their ids, images by the digests of their bytes. Packs of equal names are compared one by one,
so memory is that of the differences; records that lie in other packs are matched at the end.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import CorpusError
from byline.catalog.policies.rules import Mask
from byline.pipelines.judging.verdicts import VERDICT_SCHEMA
from byline.pipelines.releases.released import ReleasedPack, check_manifest, read_paper, released_packs

COLUMNS = ["record_id", "admitted", "reasons", "license", "sha256", "keeper_record_id", "split"]
CREDITED = {
    "title": "title",
    "creator": "creator",
    "creator_url": "creator_url",
    "url": "source_url",
    "license": "license",
}
"""Part of a credit -> its column in credits.parquet."""
ABSENT = "record:absent"
"""Reason of a record that the other release knows nothing of."""
OTHER_BYTES = "picture:other-bytes"
"""Reason of a picture whose record shows another one in the other release."""


class _Part(BaseModel, frozen=True, extra="forbid"):
    """A part of a difference."""


class Moved(_Part):
    """A record that only one of the releases admits, or an image that only one of them ships."""

    record_id: str
    sha256: str
    license: str
    reasons: tuple[str, ...]
    """The reasons for which the other release does not have it."""


class Change(_Part):
    """A record of which the releases say different things."""

    record_id: str
    a: str | None
    b: str | None


class CreditChange(_Part):
    """A part of the credit of an image that both ship."""

    sha256: str
    part: str
    """The part of the credit: `title`, `creator`, `creator_url`, `url` or `license`."""
    a: str | None
    b: str | None


class Group(_Part):
    """Images of one license or one source."""

    a: int
    b: int
    added: int
    removed: int


class Difference(_Part):
    """What B has and A has not, and the other way round. Lists are sorted."""

    a: str
    b: str
    """Name and version of release B; `a` has those of release A."""
    added: tuple[Moved, ...]
    removed: tuple[Moved, ...]
    relicensed: tuple[Change, ...]
    """Records that both admit, under different licenses."""
    resplit: tuple[Change, ...]
    """Records that both admit, in different splits."""
    rekept: tuple[Change, ...]
    """Records that both refuse as copies, each in favor of another keeper."""
    images_added: tuple[Moved, ...]
    images_removed: tuple[Moved, ...]
    by_license: dict[str, Group]
    by_source: dict[str, Group]
    credits: tuple[CreditChange, ...]


def difference(a: Release, b: Release) -> Difference:
    """Compare two releases.

    Raises `CorpusError` when they are one release, or when either was edited by hand.
    """
    for release in (a, b):
        check_manifest(release)
    if a.manifest.digest == b.manifest.digest:
        raise CorpusError(f"{a.store.url(a.path)} and {b.store.url(b.path)} are the same release; name two")
    differences = _Differences()
    packs_a, packs_b = set(released_packs(a)), set(released_packs(b))
    rest_a, rest_b = [_NOTHING], [_NOTHING]
    for pack in sorted(packs_a | packs_b):
        table_a, table_b = (
            ReleasedPack(release, pack).read(COLUMNS).cast(_NOTHING.schema) if pack in packs else _NOTHING
            for release, packs in ((a, packs_a), (b, packs_b))
        )
        differences.count(pack.rsplit("-", 1)[0], table_a, table_b)
        only_a, only_b = differences.compare(table_a, table_b)
        rest_a.append(only_a)
        rest_b.append(only_b)
    only_a, only_b = differences.compare(pa.concat_tables(rest_a), pa.concat_tables(rest_b))
    differences.move("removed", only_a, _mask(only_a["admitted"]), ABSENT)
    differences.move("added", only_b, _mask(only_b["admitted"]), ABSENT)
    return _difference(a, b, differences)


_NOTHING = VERDICT_SCHEMA.empty_table().select(COLUMNS)


@dataclass
class _Differences:
    """What was found so far. `added` is what B has and A has not."""

    records: dict[str, list[Moved]] = field(default_factory=lambda: {"added": [], "removed": []})
    images: dict[str, dict[str, Moved]] = field(default_factory=lambda: {"added": {}, "removed": {}})
    changes: dict[str, list[Change]] = field(default_factory=dict)
    admitted: dict[str, Counter[str]] = field(default_factory=lambda: {"a": Counter(), "b": Counter()})
    """Side -> admitted records by source."""

    def count(self, source: str, table_a: pa.Table, table_b: pa.Table) -> None:
        """Count what either release admits of a source."""
        for side, table in (("a", table_a), ("b", table_b)):
            self.admitted[side][source] += int(_mask(table["admitted"]).sum())

    def compare(self, table_a: pa.Table, table_b: pa.Table) -> tuple[pa.Table, pa.Table]:
        """Compare the records that both tables have; return those that only the one and only the other has."""
        positions = pc.index_in(table_a["record_id"], value_set=table_b["record_id"].combine_chunks())
        known = pc.is_in(table_b["record_id"], value_set=table_a["record_id"].combine_chunks())
        a, b = table_a.filter(pc.is_valid(positions)), table_b.take(pc.drop_null(positions))
        in_a, in_b = _mask(a["admitted"]), _mask(b["admitted"])
        self.move("removed", a, in_a & ~in_b, b["reasons"])
        self.move("added", b, in_b & ~in_a, a["reasons"])
        other_bytes = in_a & in_b & _differ(a["sha256"], b["sha256"])
        self.exchange("removed", a, other_bytes)
        self.exchange("added", b, other_bytes)
        is_copy = _mask(pc.and_(pc.is_valid(a["keeper_record_id"]), pc.is_valid(b["keeper_record_id"])))
        for name, mask in (("license", in_a & in_b), ("split", in_a & in_b), ("keeper_record_id", is_copy)):
            rows = pa.array(np.flatnonzero(mask & _differ(a[name], b[name])))
            columns = zip(
                *(column.take(rows).to_pylist() for column in (a["record_id"], a[name], b[name])), strict=True
            )
            self.changes.setdefault(name, []).extend(
                Change(record_id=i, a=before, b=after) for i, before, after in columns
            )
        return table_a.filter(pc.is_null(positions)), table_b.filter(pc.invert(known))

    def move(self, way: str, table: pa.Table, mask: Mask, reasons: pa.ChunkedArray | str) -> None:
        """Note records that one release admits, and why the other does not."""
        rows = pa.array(np.flatnonzero(mask))
        why = [[reasons]] * len(rows) if isinstance(reasons, str) else reasons.take(rows).to_pylist()
        for row, row_reasons in zip(table.take(rows).to_pylist(), why, strict=True):
            moved = _moved(row, row_reasons)
            self.records[way].append(moved)
            self.images[way][moved.sha256] = moved

    def exchange(self, way: str, table: pa.Table, mask: Mask) -> None:
        """Note images of records that both releases admit, with other bytes."""
        for row in table.take(pa.array(np.flatnonzero(mask))).to_pylist():
            self.images[way][row["sha256"]] = _moved(row, [OTHER_BYTES])


def _moved(row: dict[str, str], reasons: list[str]) -> Moved:
    return Moved(record_id=row["record_id"], sha256=row["sha256"], license=row["license"], reasons=tuple(reasons))


def _mask(column: pa.ChunkedArray) -> Mask:
    return np.asarray(pc.fill_null(column, False).to_numpy(), np.bool_)


def _differ(column: pa.ChunkedArray, other: pa.ChunkedArray) -> Mask:
    same = pc.fill_null(pc.equal(column, other), False)
    return np.asarray(~pc.or_(same, pc.and_(pc.is_null(column), pc.is_null(other))).to_numpy(), np.bool_)


def _difference(a: Release, b: Release, differences: _Differences) -> Difference:
    images = {
        way: [
            differences.images[way][key]
            for key in sorted(set(differences.images[way]) - set(differences.images[other]))
        ]
        for way, other in (("added", "removed"), ("removed", "added"))
    }
    records = {way: sorted(moved, key=lambda record: record.record_id) for way, moved in differences.records.items()}
    changes = {
        name: sorted(differences.changes[name], key=lambda change: change.record_id) for name in differences.changes
    }
    licenses = {"a": a.manifest.licenses, "b": b.manifest.licenses}
    return Difference(
        a=f"{a.name}/{a.version}",
        b=f"{b.name}/{b.version}",
        added=tuple(records["added"]),
        removed=tuple(records["removed"]),
        relicensed=tuple(changes["license"]),
        resplit=tuple(changes["split"]),
        rekept=tuple(changes["keeper_record_id"]),
        images_added=tuple(images["added"]),
        images_removed=tuple(images["removed"]),
        by_license=_groups(licenses, images, lambda image: image.license),
        by_source=_groups(differences.admitted, images, lambda image: image.record_id.split(":", 1)[0]),
        credits=tuple(_credit_changes(a, b)),
    )


def _groups(
    totals: Mapping[str, Mapping[str, int]], images: Mapping[str, list[Moved]], group: Callable[[Moved], str]
) -> dict[str, Group]:
    counts = {**totals, **{way: Counter(map(group, moved)) for way, moved in images.items()}}
    names = sorted({name for by_name in counts.values() for name, number in by_name.items() if number})
    return {name: Group(**{column: by_name.get(name, 0) for column, by_name in counts.items()}) for name in names}


def _credit_changes(a: Release, b: Release) -> Iterator[CreditChange]:
    """Yield what differs in the credits of images that both releases ship, by image and part."""
    columns = ["sha256", *CREDITED.values()]
    credits_a, credits_b = (
        pq.ParquetFile(pa.BufferReader(read_paper(release, "credits.parquet")), pre_buffer=False).read(
            columns=columns, use_threads=False
        )
        for release in (a, b)
    )
    credits_a = credits_a.sort_by("sha256")
    positions = pc.index_in(credits_a["sha256"], value_set=credits_b["sha256"].combine_chunks())
    credits_a, credits_b = credits_a.filter(pc.is_valid(positions)), credits_b.take(pc.drop_null(positions))
    changes = []
    for part, name in CREDITED.items():
        rows = pa.array(np.flatnonzero(_differ(credits_a[name], credits_b[name])))
        values = zip(
            *(column.take(rows).to_pylist() for column in (credits_a["sha256"], credits_a[name], credits_b[name])),
            strict=True,
        )
        changes += [CreditChange(sha256=key, part=part, a=before, b=after) for key, before, after in values]
    yield from sorted(changes, key=lambda change: (change.sha256, change.part))
