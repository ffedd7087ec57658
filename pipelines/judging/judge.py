"""Judge every record: admitted, or refused with every reason. Pure; made anew by every build and by every plan.

Two passes over the packs, by threads, since Arrow and numpy leave Python alone. The first screens each pack and keeps a
few bytes a record; then duplicates are resolved over all packs; the second writes the verdicts. So memory is that of a
few packs and of the candidates, not of the corpus.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.parts import PackPart
from byline.catalog.denylists.denylist import NOTHING_DENIED, Denylist
from byline.catalog.denylists.keyed_vectors import ALIKE_FROM, VECTOR
from byline.catalog.denylists.lists import load_denylist
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError
from byline.catalog.policies.policy import Policy
from byline.catalog.threads import in_threads
from byline.pipelines.facts.edge_search import read_edges
from byline.pipelines.facts.edges import similar_words, suspect_words, suspects_of
from byline.pipelines.facts.evaluation_sets import EvaluationSets, corpus_evaluation_sets
from byline.pipelines.facts.rows import Instruments, read_rows
from byline.pipelines.facts.similar_search import read_similar, told_vectors
from byline.pipelines.judging.candidates import KEPT_COLUMNS, Kept, contaminated_rows, denied_rows, keep, without
from byline.pipelines.judging.placeholders import placeholder_rows
from byline.pipelines.judging.resolving import (
    CANDIDATE_SCHEMA,
    CONTAMINATED,
    DENIED,
    PLACEHOLDER,
    Resolved,
    caps_of,
    over_cap,
    resolve_duplicates,
)
from byline.pipelines.judging.screening import Screened, screen, screened_columns
from byline.pipelines.judging.splitting import HeldOut, choose_heldout
from byline.pipelines.judging.verdicts import Decisions, Pack, Sides, verdicts_of, verdicts_path, with_reasons


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
    metrics: Sequence[str] = (),
    denied_alike: Callable[[str], pa.Array] | None = None,
) -> Iterator[tuple[Screened, pa.Table]]:
    """Yield, for every pack in order, what was screened and the verdicts: one a record, in the order of its rows.

    `pairs` (`EDGE_SCHEMA`), `recurring` (`CODE_SCHEMA`) and `similar` (`SIMILAR_SCHEMA`) are what is known of copies;
    `is_classified` says that the corpus has a safety instrument, `metrics` which metrics of people's own, and
    `denied_alike` which pictures of a pack, by digest, are to its embedding edited copies of what was taken down.
    The verdict of a record depends on the order of neither packs, rows nor pairs.
    """
    rules = {source: policy.rules_of(source) for source in {pack.source for pack in packs}}
    radius_bits = max(policy.duplicates.radius_bits, policy.split.radius_bits)
    suspects = suspects_of(suspect_words(pairs, recurring, radius_bits))
    look_alikes = suspects_of(similar_words(similar, policy.duplicates.min_cosine))

    def first(pack: Pack) -> Kept:
        is_evaluated = evaluation is not None and not evaluation.is_empty
        columns = [*screened_columns(rules[pack.source], metrics), *KEPT_COLUMNS]
        columns += ["final_url"] if denylist.sees_urls else []
        columns += [column for column, _, _ in caps_of(policy)]
        rows = pack.read(list(dict.fromkeys(columns)))
        alone = screen(rows, rules[pack.source], is_classified=is_classified, metrics=metrics)
        screened = _with_lists(rows, alone, policy, denylist, evaluation if is_evaluated else None)
        if denied_alike is not None:
            screened = _without_alike(rows, screened, denied_alike(pack.name))
        return keep(rows, screened, policy, suspects, look_alikes)

    kept = list(in_threads(first, packs))
    limits = [rules[pack.source].image.placeholder_from for pack in packs]
    placeholders = placeholder_rows([kept_pack.recurring for kept_pack in kept], limits)
    kept = [without(kept_pack, rows) for kept_pack, rows in zip(kept, placeholders, strict=True)]
    candidates = pa.concat_tables(
        [CANDIDATE_SCHEMA.empty_table(), *(kept_pack.candidates for kept_pack in kept)]
    ).combine_chunks()
    kept = [replace(kept_pack, candidates=CANDIDATE_SCHEMA.empty_table()) for kept_pack in kept]  # not held twice
    decisions = _by_pack(kept, placeholders, resolve_duplicates(candidates, pairs, policy, similar), policy)
    sides = _sides(kept, decisions, candidates, pairs, policy)

    def second(pack: tuple[Pack, Kept, Decisions, Sides]) -> tuple[Screened, pa.Table]:
        return pack[1].screened, verdicts_of(*pack, candidates, policy)

    yield from in_threads(second, zip(packs, kept, decisions, sides, strict=True))


def _with_lists(
    rows: pa.Table, screened: Screened, policy: Policy, denylist: Denylist, evaluation: EvaluationSets | None
) -> Screened:
    """Add what lists of pictures refuse: what was taken down, and what something is measured with."""
    asked, bits = screened.claims.reasons.admitted, np.zeros(len(rows), np.int64)
    if not denylist.is_empty:
        bits |= np.where(denied_rows(rows, asked, denylist, policy), DENIED, 0)
    if evaluation is not None:
        bits |= np.where(contaminated_rows(rows, asked, evaluation, policy), CONTAMINATED, 0)
    return replace(screened, reasons=with_reasons(screened.reasons, bits)) if bits.any() else screened


def _without_alike(rows: pa.Table, screened: Screened, denied: pa.Array) -> Screened:
    asked = screened.claims.reasons.admitted & pc.is_in(rows["sha256"], value_set=denied).to_numpy()
    bits = np.where(asked, DENIED, 0)
    return replace(screened, reasons=with_reasons(screened.reasons, bits)) if bits.any() else screened


def _by_pack(
    kept: list[Kept], placeholders: list[npt.NDArray[np.int64]], resolved: Resolved, policy: Policy
) -> list[Decisions]:
    decisions, start = [], 0
    for pack, hollow in zip(kept, placeholders, strict=True):
        span = slice(start, start + len(pack.candidate_rows))
        bits = np.zeros(len(pack.screened.reasons.codes), np.int64)
        bits[pack.candidate_rows] = resolved.bits[span]
        bits[hollow] |= PLACEHOLDER
        keeper = np.where(resolved.keeper[span] == np.arange(span.start, span.stop), -1, resolved.keeper[span])
        decisions.append(
            Decisions(
                bits=bits,
                keeper=keeper,
                distance_bits=resolved.distance_bits[span],
                kinds=resolved.kinds[span],
                cosine=resolved.cosine[span],
            )
        )
        start = span.stop
    for column, most, reason in caps_of(policy):
        _cap(kept, decisions, column, most, reason)
    return decisions


def _cap(kept: list[Kept], decisions: list[Decisions], column: str, most: int, reason: int) -> None:
    admitted = [np.flatnonzero(pack.screened.reasons.admitted) for pack in kept]
    left = [decision.bits[rows] == 0 for decision, rows in zip(decisions, admitted, strict=True)]
    none = np.zeros(0, np.uint64)
    numbers = np.concatenate([none, *(pack.capped[column][rows] for pack, rows in zip(kept, left, strict=True))])
    digests = np.concatenate([none, *(pack.digests[rows] for pack, rows in zip(kept, left, strict=True))])
    refused = over_cap(numbers, digests, most)
    for decision, rows, is_left in zip(decisions, admitted, left, strict=True):
        rows = rows[is_left]
        decision.bits[rows[refused[: len(rows)]]] |= reason
        refused = refused[len(rows) :]


def _sides(
    kept: list[Kept], decisions: list[Decisions], candidates: pa.Table, pairs: pa.Table, policy: Policy
) -> list[Sides]:
    """Say of what is admitted of all packs how many look like it, and on which side of the split it is for that."""
    admitted = [decision.bits[pack.candidate_rows] == 0 for pack, decision in zip(kept, decisions, strict=True)]
    rows = np.flatnonzero(np.concatenate([np.zeros(0, np.bool_), *admitted]))
    split, sides, start = choose_heldout(candidates, rows, pairs, policy.split), [], 0
    for pack, is_admitted in zip(kept, admitted, strict=True):
        span = slice(start, start := start + int(is_admitted.sum()))
        heldout = HeldOut(near_left=split.near_left[span], is_heldout=split.is_heldout[span])
        sides.append(Sides(rows=pack.candidate_rows[is_admitted], heldout=heldout))
    return sides


def write_verdicts(
    parts: Sequence[PackPart],
    store: Store,
    policy: Policy,
    instruments: Instruments,
    denylists: Sequence[str],
    check: Callable[[PackPart, Screened, pa.Table], None],
) -> Iterator[PackPart]:
    """Judge packs and write their verdicts for the stages that follow; yield each pack when it is done.

    `check` is given each pack, what was screened and the verdicts before they are written; what it raises ends all.
    """

    def write(judged: tuple[PackPart, tuple[Screened, pa.Table]]) -> PackPart:
        part, (screened, verdicts) = judged
        check(part, screened, verdicts)
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
) -> Iterator[tuple[Screened, pa.Table]]:
    """Judge packs of a corpus, in the order of `parts`. With `keep` their joined rows are kept for the next time.

    What was taken down, here or in the corpora that `denylists` name, is refused. `evaluation` takes the place of the
    evaluation sets that the corpus has copies of.
    """

    def pack_of(part: PackPart) -> Pack:
        return Pack(name=part.pack, read=lambda columns: read_rows(part, store, instruments, columns, keep=keep))

    edges, rules, denylist = read_edges(store, list(parts)), policy.duplicates, load_denylist(store, denylists)
    embedding = instruments.embedding if VECTOR in denylist.kinds else None
    min_cosine = max(ALIKE_FROM, rules.min_cosine or 0.0)  # never less than what a takedown shows before

    def denied_alike(pack: str) -> pa.Array:
        sha256_N, vectors_ND = told_vectors(store, pack, str(embedding))
        denied_N = denylist.alike(str(embedding), vectors_ND, min_cosine)
        return pa.array(sha256_N[denied_N].tolist(), pa.string())

    return judge_packs(
        [pack_of(part) for part in parts],
        edges.pairs,
        edges.recurring,
        policy,
        denylist,
        evaluation or corpus_evaluation_sets(store, instruments.evaluation, policy.evaluation.radius_bits),
        _similar(parts, store, instruments) if rules.min_cosine is not None else None,
        is_classified=instruments.safety is not None,
        metrics=instruments.metric_names,
        denied_alike=denied_alike if embedding else None,
    )


def _similar(parts: Sequence[PackPart], store: Store, instruments: Instruments) -> pa.Table:
    if instruments.embedding is None:
        raise ConfigError("duplicates.min_cosine needs vectors, and none were made here; add [embedding] to the corpus")
    return read_similar(store, list(parts), instruments.embedding)
