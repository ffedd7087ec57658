"""What the rules that look at one record say of a pack: the first half of every judgement. Pure, on columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.consent import is_synthetic, read_consent
from byline.catalog.corpora.packs import Outcome
from byline.catalog.corpora.rechecks import NEWEST_COLUMNS
from byline.catalog.licenses.claims import ClaimsColumn, read_claims_column
from byline.catalog.policies.custom_rules import METRIC, columns_read, custom_reasons, refuse_unmeasured
from byline.catalog.policies.policy import RecordRules, choose_license
from byline.catalog.policies.rules import (
    Mask,
    agreement_reasons,
    caption_reasons,
    consent_reasons,
    credit_reasons,
    image_reasons,
    language_reasons,
    license_reasons,
    metric_reasons,
    origin_reasons,
    safety_reasons,
)
from byline.pipelines.facts.rows import CREDIT_COLUMNS

Int32s = npt.NDArray[np.int32]
NUMBERS = (
    "original_width",
    "original_height",
    "contrast",
    "flatness",
    "sharpness",
    "spread",
    "nsfw",
    "caption_characters",
    "caption_flags",
)
WEIGHED_COLUMNS = ["license_claims", "lacks", "outcome", "consent", *NEWEST_COLUMNS, *NUMBERS]
"""What `screen` reads of `pipelines.facts.rows.ROW_SCHEMA`, whatever the rules."""
FEW = 1 << 16
"""Numbers up to this are looked up, larger ones sorted."""
NOT_ASKED = "fetch:not-asked"
"""The reason of a record that its claims admit and that was not asked for yet: only in plans, and before fetching."""
NOT_MEASURED = "measure:missing"
"""The reason of a picture that was fetched and not measured yet: only in plans, and in what a takedown makes of a build
that was killed."""


@dataclass(frozen=True, kw_only=True)
class Reasons:
    """Why each row is refused: `lists[codes[row]]`; an empty list is admitted so far."""

    codes: Int32s
    lists: tuple[tuple[str, ...], ...]

    @cached_property
    def admitted(self) -> Mask:
        """Which rows have no reason against them."""
        return np.array([not reasons for reasons in self.lists], np.bool_)[self.codes]

    def column(self) -> pa.Array:
        """Return the reasons as a column of lists."""
        return pa.array(self.lists, pa.list_(pa.string())).take(pa.array(self.codes))


@dataclass(frozen=True, kw_only=True)
class Claims:
    """The claims of a pack, judged by license and credit alone."""

    read: ClaimsColumn
    licenses: tuple[str, ...]
    """The license that is made use of, for each of `read.readings`."""
    reasons: Reasons


@dataclass(frozen=True, kw_only=True)
class Screened:
    """A pack's records, in order, with what speaks against each of them alone."""

    claims: Claims
    reasons: Reasons
    lacks_caption: Mask
    """Which pictures only a caption that was not made yet speaks against."""
    lacks_measures: Mask
    """Which pictures that the claims admit were not measured yet. Where only metrics of people's own are lacking, which
    a corpus may get later, the reason `NOT_MEASURED` says so."""


def screen_claims(rows: pa.Table, rules: RecordRules) -> Claims:
    """Judge `license_claims` and `lacks`."""
    read = read_claims_column(rows["license_claims"])
    licenses = tuple(choose_license(reading.spdx, rules.license) for reading in read.readings)

    def reasons_of(claim: int, lacks: int) -> tuple[str, ...]:
        lacking = [name for bit, name in enumerate(CREDIT_COLUMNS) if lacks >> bit & 1]
        claim_reasons = license_reasons(read.readings[claim].spdx, rules.license)
        return claim_reasons + credit_reasons(licenses[claim], lacking, rules.credit)

    groups, codes = groups_of(read.codes, rows["lacks"].to_numpy())
    reasons = Reasons(codes=codes, lists=tuple(reasons_of(*group) for group in groups))
    return Claims(read=read, licenses=licenses, reasons=reasons)


def screened_columns(rules: RecordRules, metrics: Sequence[str] = ()) -> list[str]:
    """Return what `screen` reads of joined rows, in a corpus with these metrics."""
    asked = [f"{METRIC}{name}" for name in metrics]
    asked += ["caption_language", "caption_language_score"] if rules.caption.languages else []
    asked += ["caption_agreement"] if rules.caption.min_agreement is not None else []
    return list(dict.fromkeys([*WEIGHED_COLUMNS, *asked, *columns_read(rules)]))


def screen(rows: pa.Table, rules: RecordRules, *, is_classified: bool = False, metrics: Sequence[str] = ()) -> Screened:
    """Apply every rule that looks at one record to the joined rows of a pack (`screened_columns`).

    `is_classified` says that the corpus has a safety instrument, so that a picture without its score is yet to be
    measured; so is one that lacks one of the corpus' `metrics`. Raises `ConfigError` for a rule on any other metric.

    What the claims refuse is judged by its claims alone, even if another policy once let it be fetched: a corpus says
    the same whatever was built in it before.
    """
    refuse_unmeasured(rules, metrics, "policy")
    claims = screen_claims(rows, rules)
    outcomes, outcome = _words(rows["outcome"])
    fetched = outcomes.index(Outcome.FETCHED) if Outcome.FETCHED in outcomes else len(outcomes)
    is_picture = (outcome == fetched) & claims.reasons.admitted
    masks = _picture_masks(rows, rules)
    length, contrast, nsfw = (_numbers(rows[name]) for name in ("caption_characters", "contrast", "nsfw"))
    lacks_measures = is_picture & (np.isnan(contrast) | (is_classified & np.isnan(nsfw)))
    unmeasured = lacks_measures.copy()
    for name in metrics:
        unmeasured |= is_picture & rows[f"{METRIC}{name}"].is_null().to_numpy()
    masks |= _added_masks(rows, rules, is_picture & ~unmeasured)
    usable = is_picture & ~unmeasured & ~np.logical_or.reduce(list(masks.values()))  # nothing else is captioned
    captions = {reason: mask & usable for reason, mask in _caption_masks(rows, length, rules).items()}
    masks = {NOT_MEASURED: unmeasured} | {reason: mask & ~unmeasured for reason, mask in masks.items()} | captions
    bits = np.zeros(len(rows), np.int64)
    masks = {reason: mask for reason, mask in masks.items() if mask.any()}  # a bit each: only for what is said
    for bit, mask in enumerate(masks.values()):
        bits |= np.where(mask & is_picture, 1 << bit, 0)

    def reasons_of(claim: int, outcome: int, bits: int) -> tuple[str, ...]:
        if claim_reasons := claims.reasons.lists[claim]:
            return claim_reasons
        if outcome != fetched:
            return (NOT_ASKED if outcome < 0 else f"fetch:{outcomes[outcome]}",)
        return tuple(reason for bit, reason in enumerate(masks) if bits >> bit & 1)

    groups, codes = groups_of(claims.reasons.codes, outcome, bits)
    reasons = Reasons(codes=codes, lists=tuple(reasons_of(*group) for group in groups))
    return Screened(
        claims=claims,
        reasons=reasons,
        lacks_caption=usable & np.isnan(length),
        lacks_measures=lacks_measures,
    )


def _picture_masks(rows: pa.Table, rules: RecordRules) -> dict[str, Mask]:
    columns = {name: _numbers(rows[name]) for name in NUMBERS}
    masks = image_reasons(columns, rules.image)
    evidences, codes = _words(rows["consent"])
    judged = [
        consent_reasons(read_consent(evidence).state, rules.consent)
        + origin_reasons(is_synthetic(evidence), rules.image)
        for evidence in [*evidences, None]
    ]
    for reason in sorted({reason for reasons in judged for reason in reasons}):
        masks[reason] = np.array([reason in reasons for reasons in judged], np.bool_)[codes]
    return masks | safety_reasons(columns["nsfw"], rules.safety) | _recheck_masks(rows, rules)


def _caption_masks(rows: pa.Table, length: npt.NDArray[np.float64], rules: RecordRules) -> dict[str, Mask]:
    flags = np.nan_to_num(_numbers(rows["caption_flags"]))
    masks = caption_reasons(np.nan_to_num(length), flags, rules.caption)
    if rules.caption.languages:
        words, codes = _words(rows["caption_language"])
        is_wanted = np.array([*(word in rules.caption.languages for word in words), True], np.bool_)[codes]
        masks |= language_reasons(is_wanted, _numbers(rows["caption_language_score"]), rules.caption)
    if rules.caption.min_agreement is not None:
        masks |= agreement_reasons(_numbers(rows["caption_agreement"]), rules.caption)
    return masks


def _added_masks(rows: pa.Table, rules: RecordRules, shown: Mask) -> dict[str, Mask]:
    """Return which pictures the rules on metrics, and rules of extensions, refuse; these see what is `shown` alone."""
    masks: dict[str, Mask] = {}
    for name, bounds in sorted(rules.metrics.items()):
        masks |= metric_reasons(name, _numbers(rows[f"{METRIC}{name}"]), bounds)
    if not rules.rules or not shown.any():
        return masks
    here = np.flatnonzero(shown)

    def column(name: str) -> npt.NDArray[Any]:
        values = rows[name].take(pa.array(here))
        return np.array(values.to_pylist(), object) if pa.types.is_string(values.type) else _numbers(values)

    for reason, mask in custom_reasons(rules.rules, column, len(here)).items():
        masks[reason] = np.zeros(len(rows), np.bool_)
        masks[reason][here] = mask
    return masks


def _recheck_masks(rows: pa.Table, rules: RecordRules) -> dict[str, Mask]:
    """Return which pictures what was found since they were fetched refuses; nothing where nobody looked."""
    if rows["recheck"].null_count == len(rows):
        return {}

    def holds(column: str, is_so: Callable[[str], bool]) -> Mask:
        words, codes = _words(rows[column])
        return np.array([*map(is_so, words), False], np.bool_)[codes]

    def is_relicensed(claims: str) -> bool:
        return bool(license_reasons(read_claims_column(pa.array([claims])).readings[0].spdx, rules.license))

    def is_opted_out(evidence: str) -> bool:
        return "consent:opted-out" in consent_reasons(read_consent(evidence).state, rules.consent)

    masks = {}
    for finding in rules.recheck.refuse:
        if finding == "opted-out":
            mask = holds("recheck_consent", is_opted_out)
        elif finding == "relicensed":
            mask = holds("recheck_claims", is_relicensed)
        else:
            mask = holds("recheck", finding.__eq__)
        masks[f"recheck:{finding}"] = mask
    return masks


def _words(column: pa.ChunkedArray) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the distinct words of a column and the number of each row's, -1 for none."""
    whole = column.combine_chunks()
    if not pa.types.is_dictionary(column.type):
        whole = pc.dictionary_encode(whole)
    if isinstance(whole, pa.ChunkedArray):  # pyarrow gives no array for no rows
        return [], np.zeros(0, np.int64)
    return whole.dictionary.to_pylist(), whole.indices.fill_null(-1).to_numpy().astype(np.int64)


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    return np.asarray(column.to_numpy(), np.float64)


def groups_of(*columns: npt.NDArray[np.integer]) -> tuple[list[tuple[int, ...]], Int32s]:
    """Return the distinct rows of these columns of small numbers, and for each row which of them it is."""
    whole = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        least, most = int(column.min(initial=0)), int(column.max(initial=0))
        assert whole.max(initial=0) < 2**62 // (most - least + 1)
        whole = whole * (most - least + 1) + (column - least)
    first, codes = _firsts(whole)
    return list(zip(*(column[first].tolist() for column in columns), strict=True)), codes.astype(np.int32)


def _firsts(numbers: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return where each distinct number comes first, least number first, and for each which of them it is."""
    limit = int(numbers.max(initial=0)) + 1
    if limit > FEW:
        _, first, codes = np.unique(numbers, return_index=True, return_inverse=True)
        return first, codes
    at = np.full(limit, -1)
    at[numbers[::-1]] = np.arange(len(numbers))[::-1]
    distinct = np.flatnonzero(at >= 0)
    code_of = np.zeros(limit, np.int64)
    code_of[distinct] = np.arange(len(distinct))
    return at[distinct], code_of[numbers]
