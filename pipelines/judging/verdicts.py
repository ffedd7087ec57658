"""The verdicts of a pack as a table: what is said of each record, and where that lies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.disk import layout
from byline.catalog.policies.policy import Policy
from byline.catalog.policies.rules import heldout
from byline.dedup.views import KIND_NAMES
from byline.pipelines.facts.edges import first_word
from byline.pipelines.judging.candidates import Kept
from byline.pipelines.judging.resolving import REASONS
from byline.pipelines.judging.screening import Reasons, groups_of
from byline.pipelines.judging.splitting import HeldOut

VERDICT_SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),
        ("pack", pa.string()),
        ("admitted", pa.bool_()),
        ("reasons", pa.list_(pa.string())),
        ("license", pa.string()),
        ("license_rule", pa.string()),
        ("license_seen", pa.string()),
        ("outcome", pa.string()),
        ("sha256", pa.string()),
        ("keeper_record_id", pa.string()),
        ("keeper_sha256", pa.string()),
        ("distance_bits", pa.int32()),
        ("view", pa.string()),
        ("cosine", pa.float32()),
        ("near_left", pa.int32()),
        ("split", pa.string()),
    ]
)
"""The columns of verdicts, as on disk; in memory the columns of few words are dictionaries. `license` is what is made
use of: of a choice, the side that the policy wants most. `keeper_*` name the picture that stands for this one; they are
null for what stands for itself. `distance_bits` and `view` (`dedup.views.KIND_NAMES`) say how near the two are, by
which look at them; where an embedding decided, `cosine` does. `near_left` counts the other admitted pictures that are
near an admitted one, by the radius of the split and whatever their colors; null is 0."""


@dataclass(frozen=True, kw_only=True)
class Pack:
    """A pack as a judgement sees it."""

    name: str
    read: Callable[[list[str]], pa.Table]
    """Gives columns of `pipelines.facts.rows.ROW_SCHEMA`; twice the same."""

    @property
    def source(self) -> str:
        """The source whose rules hold."""
        return self.name.rsplit("-", 1)[0]


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What the resolving of duplicates adds to the rows of one pack."""

    bits: npt.NDArray[np.int64]
    """The reasons of every row, bit `n` for reason `n` of `REASONS`."""
    keeper: npt.NDArray[np.int64]
    """The candidate, numbered over all packs, that stands for each candidate of this pack; -1 for itself."""
    distance_bits: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]
    cosine: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What is said of the admitted candidates of one pack beside each other."""

    rows: npt.NDArray[np.int64]
    heldout: HeldOut


def verdicts_of(
    pack: Pack, kept: Kept, decisions: Decisions, sides: Sides, candidates: pa.Table, policy: Policy
) -> pa.Table:
    """Return the verdicts of a pack: what screening and resolving duplicates say of each record, in row order."""
    claims = kept.screened.claims
    rows = pack.read(["record_id", "outcome", "sha256"])
    # what the claims refuse is judged by its claims alone, even if another policy once let it be fetched
    refused = pa.array(~claims.reasons.admitted)
    reasons = with_reasons(kept.screened.reasons, decisions.bits)
    num = len(rows)
    keeper, distance, cosine = np.full(num, -1, np.int64), np.full(num, -1, np.int32), np.full(num, np.nan, np.float32)
    kinds, near_left = np.zeros(num, np.int8), np.zeros(num, np.int32)
    keeper[kept.candidate_rows], distance[kept.candidate_rows] = decisions.keeper, decisions.distance_bits
    kinds[kept.candidate_rows], cosine[kept.candidate_rows] = decisions.kinds, decisions.cosine
    is_copy = keeper >= 0
    stood_for = pa.array(keeper, mask=~is_copy)
    split = heldout(first_word(rows["sha256"]), policy.split).astype(np.int8)
    split[sides.rows], near_left[sides.rows] = sides.heldout.is_heldout, sides.heldout.near_left
    claim = pa.array(claims.read.codes)
    rules, seen = (
        zip(*((reading.rule, reading.seen) for reading in claims.read.readings), strict=True)
        if claims.read.readings
        else ((), ())
    )
    columns = {
        "record_id": rows["record_id"],
        "pack": _words(np.zeros(num, np.int8), [pack.name]),
        "admitted": pa.array(reasons.admitted),
        "reasons": reasons.column(),
        "license": _words(claim, claims.licenses),
        "license_rule": _words(claim, rules),
        "license_seen": _words(claim, seen),
        "outcome": pc.if_else(refused, None, rows["outcome"]),
        "sha256": pc.if_else(refused, None, rows["sha256"]),
        "keeper_record_id": candidates["record_id"].take(stood_for).cast(pa.string()),
        "keeper_sha256": candidates["sha256"].take(stood_for).cast(pa.string()),
        "distance_bits": pa.array(distance, mask=~is_copy | (distance < 0)),
        "view": _words(pa.array(kinds, mask=~is_copy | (distance < 0)), KIND_NAMES),
        "cosine": pa.array(cosine, mask=~is_copy | np.isnan(cosine)),
        "near_left": pa.array(near_left, mask=~reasons.admitted | (near_left == 0)),
        "split": _words(pa.array(split, mask=~reasons.admitted), ["train", "heldout"]),
    }
    return pa.table(columns)


def _words(codes: Any, words: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(words, pa.string()))


def with_reasons(reasons: Reasons, bits: npt.NDArray[np.int64]) -> Reasons:
    """Add what the resolving of duplicates found to what screening did."""
    groups, codes = groups_of(reasons.codes, bits)
    lists = tuple(
        reasons.lists[code] + tuple(reason for bit, reason in enumerate(REASONS) if added_bits >> bit & 1)
        for code, added_bits in groups
    )
    return Reasons(codes=codes, lists=lists)


def verdicts_path(pack: str) -> str:
    """Where the verdicts of a pack lie, as scratch, before they are released."""
    return layout.judged(pack)
