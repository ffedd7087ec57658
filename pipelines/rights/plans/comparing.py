"""Compare a judgement of one pack with the verdicts that a release has of it. On columns; nothing is written."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.manifest import SPLITS
from byline.catalog.policies.rules import Mask
from byline.pipelines.judging.screening import NOT_ASKED, NOT_MEASURED, Screened, groups_of
from byline.pipelines.releases.released import ReleasedPack

Ints = npt.NDArray[np.int64]
Tally = Counter[tuple[str, str, str]]
"""(what, by what, which) -> records: `("added", "license", "CC0-1.0")`; `("added", "", "")` is all of them."""
CAPTION_MISSING = "caption:missing"
GONE = "record:gone"
"""Reason of what a release has and the records of the corpus have no longer."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one judgement says of each record of a pack."""

    admitted: Mask
    heldout: Mask
    """Which records are held out; it has a meaning only where `admitted`."""
    license: Ints
    """Place in `licenses`, which ends with the empty name of those that have none."""
    licenses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Before:
    """A pack of a release (or of none), its rows in the order of the records that are judged now."""

    side: Side
    released: ReleasedPack | None
    places: pa.Array | None
    """Row of each record in the release, null for what it lacks; None means the same rows in the same order."""

    def read(self, column: str, rows: Ints) -> pa.ChunkedArray:
        """Return a column of verdicts at these rows."""
        assert self.released is not None
        taken = pa.array(rows) if self.places is None else self.places.take(pa.array(rows))
        return self.released.read([column], taken)[column]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One pack under two judgements."""

    before: Before
    after: Side
    not_asked: Mask
    """Records that license and credit admit and whose picture was not fetched yet."""
    to_measure: Mask
    """Records whose picture was fetched and not measured yet."""
    to_caption: Mask
    """Records that would be admitted but for a caption that was not made yet."""

    @cached_property
    def waiting(self) -> Mask:
        """What is neither admitted nor refused before the next build."""
        return self.not_asked | self.to_measure | self.to_caption

    @cached_property
    def added(self) -> Mask:
        """Admitted now and not before."""
        return self.after.admitted & ~self.before.side.admitted

    @cached_property
    def removed(self) -> Mask:
        """Admitted before, and refused now."""
        return self.before.side.admitted & ~self.after.admitted & ~self.waiting

    @cached_property
    def relicensed(self) -> Mask:
        """Admitted by both under different licenses."""
        before, after = self.before.side, self.after
        numbers = {name: number for number, name in enumerate({*before.licenses, *after.licenses})}
        numbers_before, numbers_after = (
            np.array([numbers[name] for name in s.licenses], np.int64)[s.license] for s in (before, after)
        )
        return np.asarray(before.admitted & after.admitted & (numbers_before != numbers_after), np.bool_)

    @cached_property
    def moved(self) -> Mask:
        """Admitted by both, in different splits."""
        before, after = self.before.side, self.after
        return np.asarray(before.admitted & after.admitted & (before.heldout != after.heldout), np.bool_)


def compare(screened: Screened, verdicts: pa.Table, released: ReleasedPack | None) -> Comparison:
    """Set a judgement of a pack beside what a release has of it; beside nothing when `released` is None."""
    not_asked = np.array([NOT_ASKED in reasons for reasons in screened.reasons.lists], np.bool_)
    side = Side(
        admitted=np.asarray(verdicts["admitted"].to_numpy(), np.bool_),
        heldout=np.asarray(pc.fill_null(pc.equal(verdicts["split"], "heldout"), False).to_numpy(), np.bool_),
        license=screened.claims.read.codes.astype(np.int64),
        licenses=(*screened.claims.licenses, ""),
    )
    return Comparison(
        before=_before(verdicts["record_id"], released),
        after=side,
        not_asked=not_asked[screened.reasons.codes] if len(not_asked) else np.zeros(len(verdicts), np.bool_),
        to_measure=screened.lacks_measures,
        to_caption=screened.lacks_caption,
    )


def _before(record_ids: pa.ChunkedArray, released: ReleasedPack | None) -> Before:
    are_all = released is None or released.num_records == len(record_ids)  # the records of a run only ever become fewer
    places = None if released is None or are_all else released.places_of(record_ids)
    if released is None:
        no = np.zeros(len(record_ids), np.bool_)
        nothing = Side(admitted=no, heldout=no, license=np.zeros(len(no), np.int64), licenses=("",))
        return Before(side=nothing, released=None, places=None)
    return Before(side=released_side(released, places), released=released, places=places)


def released_side(released: ReleasedPack, places: pa.Array | None = None) -> Side:
    """Return what a release says of its records, or of the records at these places."""
    table = released.read(["admitted", "license", "split"], places)
    licenses, license = _words(table["license"])
    splits, split = _words(table["split"])
    return Side(
        admitted=np.asarray(pc.fill_null(table["admitted"], False).to_numpy(), np.bool_),
        heldout=np.array([name == "heldout" for name in splits], np.bool_)[split],
        license=license,
        licenses=licenses,
    )


def _words(column: pa.ChunkedArray) -> tuple[tuple[str, ...], Ints]:
    """Return the distinct words of a column, and at last an empty one for nulls, and the place of each row's."""
    whole = column.combine_chunks() if len(column) else pa.array([], pa.string())
    words = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    names = (*words.dictionary.to_pylist(), "")
    return names, words.indices.fill_null(len(names) - 1).to_numpy().astype(np.int64)


def tally_of(source: str, compared: Comparison, verdicts: pa.Table) -> Tally:
    """Count all that a comparison shows."""
    before, after = compared.before.side, compared.after
    added, removed = np.flatnonzero(compared.added), np.flatnonzero(compared.removed)
    tally: Tally = Counter()
    for what, side, mask in (
        ("before", before, before.admitted),
        ("after", after, after.admitted),
        ("added", after, compared.added),
        ("removed", before, compared.removed),
        ("fetch", after, compared.not_asked),
        ("captions", after, compared.to_caption),
    ):
        if mask.any():
            tally.update(_groups(what, source, side, mask))
    if len(removed):
        tally.update(_reasons("removed", verdicts["reasons"].take(pa.array(removed))))
    if compared.before.released is not None and len(added):
        tally.update(_reasons("added", compared.before.read("reasons", added)))
    tally.update(_reasons_after(compared, verdicts))
    if compared.relicensed.any():
        tally.update(_relicensed(compared))
    for old, new in ((0, 1), (1, 0)):
        moved = compared.moved & (before.heldout == bool(old))
        tally["moved", "splits", f"{SPLITS[old]} -> {SPLITS[new]}"] = int(moved.sum())
    totals = {"records": len(verdicts), "waiting": compared.waiting.sum(), "moved": compared.moved.sum()}
    totals["heldout"] = (after.admitted & after.heldout).sum()
    tally.update({(what, "", ""): int(number) for what, number in totals.items()})
    return +tally


def tally_gone(source: str, gone: pa.Table) -> Tally:
    """Count what a release admits (`admitted`, `license`) of records that nothing is judged of any more."""
    licenses = gone.filter(gone["admitted"])["license"].to_pylist()
    tally: Tally = Counter()
    for what in ("before", "removed"):
        tally += Counter({(what, "license", name): number for name, number in Counter(licenses).items()})
        tally.update({(what, "", ""): len(licenses), (what, "source", source): len(licenses)})
    tally["removed", "reason", GONE] = len(licenses)
    return +tally


def _groups(what: str, source: str, side: Side, mask: Mask) -> Tally:
    times = np.bincount(side.license[mask], minlength=len(side.licenses))
    tally: Tally = Counter()
    for index in np.flatnonzero(times):
        tally[what, "license", side.licenses[index]] += int(times[index])
    tally[what, "", ""] = tally[what, "source", source] = int(mask.sum())
    return tally


def _reasons(what: str, reasons: pa.ChunkedArray) -> Tally:
    counted = pc.value_counts(pc.list_flatten(reasons)).to_pylist()
    return Counter({(what, "reason", row["values"]): row["counts"] for row in counted})


def _reasons_after(compared: Comparison, verdicts: pa.Table) -> Tally:
    """Count the reasons that a build would publish: without those of what it is yet to fetch or to caption."""
    tally = _reasons("after", verdicts["reasons"])
    tally["after", "reason", NOT_ASKED] -= int(compared.not_asked.sum())
    tally["after", "reason", NOT_MEASURED] -= int(compared.to_measure.sum())
    tally["after", "reason", CAPTION_MISSING] -= int(compared.to_caption.sum())
    return +tally


def _relicensed(compared: Comparison) -> Tally:
    before, after, mask = compared.before.side, compared.after, compared.relicensed
    groups, codes = groups_of(before.license[mask], after.license[mask])
    tally: Tally = Counter({("relicensed", "", ""): int(mask.sum())})
    for (old, new), times in zip(groups, np.bincount(codes, minlength=len(groups)), strict=True):
        tally["relicensed", "licenses", f"{before.licenses[old]} -> {after.licenses[new]}"] += int(times)
    return tally
