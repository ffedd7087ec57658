"""Judge every record: admitted, or refused with every reason. Pure; made anew by every build and by every plan.

Two passes over the packs, by threads, since Arrow and numpy leave Python alone. The first weighs each pack and keeps a
few bytes a record; then copies are settled over all packs; the second writes the verdicts. So memory is that of a few
packs and of the contenders, not of the corpus.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.denylist import NOTHING_DENIED, Denylist, load_denylist
from catalog.errors import ConfigError
from catalog.policy import CapRules, Policy, RecordRules
from catalog.rules import heldout
from catalog.storage import Store
from dedup.views import KIND_NAMES
from pipelines.contending import Kept, contaminated_rows, denied_rows, keep, kept_columns, without
from pipelines.edge_search import read_edges
from pipelines.edges import first_word, similar_words, suspect_words, suspects_of
from pipelines.evaluation_sets import EvaluationSets, corpus_evaluation_sets
from pipelines.parts import PackPart
from pipelines.placeholders import placeholder_rows
from pipelines.rows import Instruments, read_rows
from pipelines.settling import (
    CAP,
    CONTAMINATED,
    CONTENDER_SCHEMA,
    DENIED,
    PLACEHOLDER,
    REASONS,
    Settled,
    over_cap,
    settle,
)
from pipelines.similar_search import read_similar
from pipelines.splitting import Alike, alike
from pipelines.threads import in_threads
from pipelines.weighing import WEIGHED_COLUMNS, Reasons, Weighed, groups_of, weigh

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
"""As on disk; in memory the columns of few words are dictionaries. `license` is what is made use of: of a choice, the
side that the policy wants most. `keeper_*` name the picture that stands for this one; they are null for what stands for
itself. `distance_bits` and `view` (`dedup.views.KIND_NAMES`) say how near the two are, by which look at them; where an
embedding decided, `cosine` does. `near_left` counts the other admitted pictures that are near an admitted one, by the
radius of the split and whatever their colors; null is 0."""


@dataclass(frozen=True, kw_only=True)
class Pack:
    """A pack as a judgement sees it."""

    name: str
    read: Callable[[list[str]], pa.Table]
    """Gives columns of `pipelines.rows.ROW_SCHEMA`; twice the same."""

    @property
    def source(self) -> str:
        """The source whose rules hold."""
        return self.name.rsplit("-", 1)[0]


def judge_packs(
    packs: Sequence[Pack],
    pairs: pa.Table,
    recurring: pa.Table,
    policy: Policy,
    denylist: Denylist = NOTHING_DENIED,
    evaluation: EvaluationSets | None = None,
    similar: pa.Table | None = None,
    *,
    is_classified: bool = False,
) -> Iterator[tuple[Weighed, pa.Table]]:
    """Yield, for every pack in order, what was weighed and the verdicts: one a record, in the order of its rows.

    `pairs` (`EDGE_SCHEMA`), `recurring` (`CODE_SCHEMA`) and `similar` (`SIMILAR_SCHEMA`) are what is known of copies;
    `is_classified` says that the corpus has a safety instrument. The verdict of a record depends on the order of
    neither packs, rows nor pairs.
    """
    rules = {source: policy.rules_of(source) for source in {pack.source for pack in packs}}
    radius_bits = max(policy.duplicates.radius_bits, policy.split.radius_bits)
    suspects = suspects_of(suspect_words(pairs, recurring, radius_bits))
    look_alikes = suspects_of(similar_words(similar, policy.duplicates.min_cosine))

    def first(pack: Pack) -> Kept:
        rows, weighed = _weighed(pack, rules[pack.source], policy, denylist, evaluation, is_classified=is_classified)
        return keep(rows, weighed, policy, suspects, look_alikes)

    kept = list(in_threads(first, packs))
    limits = [rules[pack.source].image.placeholder_from for pack in packs]
    placeholders = placeholder_rows([one.recurring for one in kept], limits)
    kept = [without(one, rows) for one, rows in zip(kept, placeholders, strict=True)]
    contenders = pa.concat_tables([CONTENDER_SCHEMA.empty_table(), *(one.contenders for one in kept)]).combine_chunks()
    decisions = _by_pack(kept, placeholders, settle(contenders, pairs, policy, similar), policy)
    sides = _sides(kept, decisions, contenders, pairs, policy)

    def second(pack: tuple[Pack, Kept, _Decisions, _Sides]) -> tuple[Weighed, pa.Table]:
        return pack[1].weighed, _verdicts(*pack, contenders, policy)

    yield from in_threads(second, zip(packs, kept, decisions, sides, strict=True))


def _weighed(
    pack: Pack,
    rules: RecordRules,
    policy: Policy,
    denylist: Denylist,
    evaluation: EvaluationSets | None,
    *,
    is_classified: bool,
) -> tuple[pa.Table, Weighed]:
    is_evaluated = evaluation is not None and not evaluation.is_empty
    rows = pack.read([*WEIGHED_COLUMNS, *kept_columns(policy, all_views=is_evaluated or denylist.sees_views)])
    weighed = weigh(rows, rules, is_classified=is_classified)
    asked, bits = weighed.claims.reasons.admitted, np.zeros(len(rows), np.int64)
    if not denylist.is_empty:
        bits |= np.where(denied_rows(rows, asked, denylist, policy), DENIED, 0)
    if evaluation is not None and is_evaluated:
        bits |= np.where(contaminated_rows(rows, asked, evaluation, policy), CONTAMINATED, 0)
    return rows, replace(weighed, reasons=_with(weighed.reasons, bits)) if bits.any() else weighed


@dataclass(frozen=True, kw_only=True)
class _Decisions:
    """What settling adds to the rows of one pack."""

    bits: npt.NDArray[np.int64]
    """Of every row."""
    keeper: npt.NDArray[np.int64]
    """For each contender of the pack the contender, of all packs, that stands for it; -1 for itself."""
    distance_bits: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]
    cosine: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class _Sides:
    """What is said of the admitted contenders of one pack beside each other."""

    rows: npt.NDArray[np.int64]
    alike: Alike


def _by_pack(
    kept: list[Kept], placeholders: list[npt.NDArray[np.int64]], settled: Settled, policy: Policy
) -> list[_Decisions]:
    decisions, start = [], 0
    for pack, hollow in zip(kept, placeholders, strict=True):
        mine = slice(start, start + len(pack.contender_rows))
        bits = np.zeros(len(pack.weighed.reasons.codes), np.int64)
        bits[pack.contender_rows] = settled.bits[mine]
        bits[hollow] |= PLACEHOLDER
        keeper = np.where(settled.keeper[mine] == np.arange(mine.start, mine.stop), -1, settled.keeper[mine])
        decisions.append(
            _Decisions(
                bits=bits,
                keeper=keeper,
                distance_bits=settled.distance_bits[mine],
                kinds=settled.kinds[mine],
                cosine=settled.cosine[mine],
            )
        )
        start = mine.stop
    if policy.caps is not None:
        _cap(kept, decisions, policy.caps)
    return decisions


def _cap(kept: list[Kept], decisions: list[_Decisions], rules: CapRules) -> None:
    admitted = [np.flatnonzero(one.weighed.reasons.admitted) for one in kept]
    left = [decision.bits[rows] == 0 for decision, rows in zip(decisions, admitted, strict=True)]
    creators = np.concatenate([one.creators[rows] for one, rows in zip(kept, left, strict=True)])
    digests = np.concatenate([one.digests[rows] for one, rows in zip(kept, left, strict=True)])
    refused = over_cap(creators, digests, rules)
    for decision, rows, is_left in zip(decisions, admitted, left, strict=True):
        rows = rows[is_left]
        decision.bits[rows[refused[: len(rows)]]] |= CAP
        refused = refused[len(rows) :]


def _sides(
    kept: list[Kept], decisions: list[_Decisions], contenders: pa.Table, pairs: pa.Table, policy: Policy
) -> list[_Sides]:
    """Say of what is admitted of all packs how many look like it, and on which side of the split it is for that."""
    admitted = [decision.bits[pack.contender_rows] == 0 for pack, decision in zip(kept, decisions, strict=True)]
    pictures = contenders.filter(pa.array(np.concatenate([np.zeros(0, np.bool_), *admitted])))
    found, sides, start = alike(pictures, pairs, policy.split), [], 0
    for pack, is_admitted in zip(kept, admitted, strict=True):
        mine = slice(start, start := start + int(is_admitted.sum()))
        one = Alike(near_left=found.near_left[mine], is_heldout=found.is_heldout[mine])
        sides.append(_Sides(rows=pack.contender_rows[is_admitted], alike=one))
    return sides


def _verdicts(
    pack: Pack, kept: Kept, decisions: _Decisions, sides: _Sides, contenders: pa.Table, policy: Policy
) -> pa.Table:
    claims = kept.weighed.claims
    rows = pack.read(["record_id", "outcome", "sha256"])
    # what the claims refuse is judged by its claims alone, even if another policy once let it be fetched
    refused = pa.array(~claims.reasons.admitted)
    reasons = _with(kept.weighed.reasons, decisions.bits)
    num = len(rows)
    keeper, distance, cosine = np.full(num, -1, np.int64), np.full(num, -1, np.int32), np.full(num, np.nan, np.float32)
    kinds, near_left = np.zeros(num, np.int8), np.zeros(num, np.int32)
    keeper[kept.contender_rows], distance[kept.contender_rows] = decisions.keeper, decisions.distance_bits
    kinds[kept.contender_rows], cosine[kept.contender_rows] = decisions.kinds, decisions.cosine
    is_copy = keeper >= 0
    stood_for = pa.array(keeper, mask=~is_copy)
    split = heldout(first_word(rows["sha256"]), policy.split).astype(np.int8)
    split[sides.rows], near_left[sides.rows] = sides.alike.is_heldout, sides.alike.near_left
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
        "keeper_record_id": contenders["record_id"].take(stood_for),
        "keeper_sha256": contenders["sha256"].take(stood_for),
        "distance_bits": pa.array(distance, mask=~is_copy | (distance < 0)),
        "view": _words(pa.array(kinds, mask=~is_copy | (distance < 0)), KIND_NAMES),
        "cosine": pa.array(cosine, mask=~is_copy | np.isnan(cosine)),
        "near_left": pa.array(near_left, mask=~reasons.admitted | (near_left == 0)),
        "split": _words(pa.array(split, mask=~reasons.admitted), ["train", "heldout"]),
    }
    return pa.table(columns)


def _words(codes: Any, words: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(words, pa.string()))


def _with(reasons: Reasons, bits: npt.NDArray[np.int64]) -> Reasons:
    """Add what settling found to what was weighed."""
    groups, codes = groups_of(reasons.codes, bits)
    lists = tuple(
        reasons.lists[code] + tuple(reason for bit, reason in enumerate(REASONS) if found >> bit & 1)
        for code, found in groups
    )
    return Reasons(codes=codes, lists=lists)


def verdicts_path(pack: str) -> str:
    """Where the verdicts of a pack lie, as scratch, before they are released."""
    return f"judgements/verdicts/{pack}.arrow"


def write_verdicts(
    parts: Sequence[PackPart],
    store: Store,
    policy: Policy,
    instruments: Instruments,
    denylists: Sequence[str],
    check: Callable[[PackPart, Weighed, pa.Table], None],
) -> Iterator[PackPart]:
    """Judge packs and write their verdicts for the stages that follow; yield each pack when it is done.

    `check` is given each pack, what was weighed and the verdicts before they are written; what it raises ends all.
    """

    def write(judged: tuple[PackPart, tuple[Weighed, pa.Table]]) -> PackPart:
        part, (weighed, verdicts) = judged
        check(part, weighed, verdicts)
        store.write_scratch(verdicts_path(part.pack), verdicts)
        return part

    judged = judge_parts(parts, store, policy, instruments, denylists, keep=True)
    yield from in_threads(write, zip(parts, judged, strict=True))


def judge_parts(
    parts: Sequence[PackPart],
    store: Store,
    policy: Policy,
    instruments: Instruments,
    denylists: Sequence[str] = (),
    evaluation: EvaluationSets | None = None,
    *,
    keep: bool = False,
) -> Iterator[tuple[Weighed, pa.Table]]:
    """Judge packs of a corpus, in the order of `parts`. With `keep` their joined rows are kept for the next time.

    What was taken down, here or in the corpora that `denylists` name, is refused. `evaluation` takes the place of the
    evaluation sets that the corpus has copies of.
    """

    def pack_of(part: PackPart) -> Pack:
        return Pack(name=part.pack, read=lambda columns: read_rows(part, store, instruments, columns, keep=keep))

    edges, rules = read_edges(store, list(parts)), policy.duplicates
    return judge_packs(
        [pack_of(part) for part in parts],
        edges.pairs,
        edges.recurring,
        policy,
        load_denylist(store, denylists),
        evaluation or corpus_evaluation_sets(store, instruments.evaluation, policy.evaluation.radius_bits),
        _similar(parts, store, instruments) if rules.min_cosine is not None else None,
        is_classified=instruments.safety is not None,
    )


def _similar(parts: Sequence[PackPart], store: Store, instruments: Instruments) -> pa.Table:
    if instruments.embedding is None:
        raise ConfigError("duplicates.min_cosine needs vectors, and none were made here; add [embedding] to the corpus")
    return read_similar(store, list(parts), instruments.embedding)
