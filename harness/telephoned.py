"""What the rows of `benchmarks/telephoning.py` say: a table of arms, one of differences to titles, and the answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from byline.evaluation.agreement import NEAR
from byline.evaluation.report import Floats
from harness.crossed import Estimate, crossed, less, over_seeds, share
from harness.rows import Row

Paired = list[tuple[Row, Row]]
"""Rows of one seed each: of an arm, and of titles."""
FORMER = "dadd1cd776e3bf8258e8cb3592327b41c9c05c36f20e17a8b958906db93ae587"
"""Digest of the captioner's weights in rows that name none: tiny-blip2 until commit 9a4ddd78, 1.29 million weights."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A column: what it says of the rows of an arm, and of those of an arm beside those of titles."""

    words: str
    what: str
    """What an arm is better or worse in."""
    higher_is_better: bool
    of: Callable[[Sequence[Row]], Estimate]
    beside: Callable[[Paired], Estimate]


def _of_prompts(words: str, what: str, values: Callable[[Row], Floats]) -> Measure:
    """Return a measure that has a number for each prompt, better when higher; pairs are of one prompt and seed."""
    return Measure(
        words=words,
        what=what,
        higher_is_better=True,
        of=lambda rows: crossed(np.stack([values(row) for row in rows])).within(0, 1),
        beside=lambda pairs: crossed(np.stack([values(row) - values(titles) for row, titles in pairs])),
    )


def _farther(row: Row) -> Floats:
    return np.asarray(1 - (np.array(row["ranks"], float) - 1) / (row["different_prompts"] - 1))


def _near(row: Row) -> Floats:
    return np.asarray(np.array(row["ranks"]) <= NEAR, float)


def _of_counts(words: str, what: str, *, number: str, of: str) -> Measure:
    """Return a share that is better when lower, of all that was drawn with any seed."""

    def share_of(rows: Sequence[Row]) -> Estimate:
        return share(sum(row[number] for row in rows), sum(row[of] for row in rows))

    return Measure(
        words=words,
        what=what,
        higher_is_better=False,
        of=share_of,
        beside=lambda pairs: less(share_of([row for row, _ in pairs]), share_of([titles for _, titles in pairs])),
    )


AGREEMENT = _of_prompts("agreement: other prompts that are farther", "agreement with held-out prompts", _farther)
MEASURES = (
    AGREEMENT,
    _of_prompts(f"own prompt among the {NEAR} nearest", f"the share of own prompts among the {NEAR} nearest", _near),
    Measure(
        words="KID",
        what="KID",
        higher_is_better=False,
        of=lambda rows: over_seeds([row["kid"] for row in rows]),
        beside=lambda pairs: over_seeds([row["kid"] - titles["kid"] for row, titles in pairs]),
    ),
    _of_counts("pictures given back", "the share of pictures given back", number="extracted", of="pictures"),
    _of_counts("draws that are copies", "the share of draws that are copies", number="any_copies", of="drawn"),
)


def table_of(rows: Sequence[Row], words: Mapping[str, str]) -> str:
    """Return a Markdown table: a line an arm that has rows, in the order of `words`, which say what arms are."""
    lines = _head("captions", "seeds")
    for arm, in_words in words.items():
        if of_arm := _of(rows, arm):
            cells = [_cell(measure.of(of_arm)) for measure in MEASURES]
            lines.append(f"| {arm}: {in_words} | {len(of_arm)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def differences_of(rows: Sequence[Row], words: Mapping[str, str]) -> str:
    """Return a Markdown table of what each arm has more than the first, in seeds that both have."""
    lines = _head("less titles", "seeds")
    for arm in list(words)[1:]:
        if pairs := _pairs(rows, arm, words):
            cells = [_cell(measure.beside(pairs), signed=True) for measure in MEASURES]
            lines.append(f"| {arm} | {len(pairs)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _head(*first: str) -> list[str]:
    columns = [*first, *(measure.words for measure in MEASURES)]
    return [f"| {' | '.join(columns)} |", "|---" + "|---:" * (len(columns) - 1) + "|"]


def _cell(estimate: Estimate, *, signed: bool = False) -> str:
    form = "+.3f" if signed else ".3f"
    if not np.isfinite(estimate.interval).all():
        return f"{estimate.value:{form}}"
    low, high = estimate.interval
    return f"{estimate.value:{form}} ({low:{form}} to {high:{form}})"


def answer(rows: Sequence[Row], words: Mapping[str, str]) -> str:
    """Say whether telephoning helps, in one sentence: only intervals without zero make an arm better or worse."""
    pairs = {arm: paired for arm in list(words)[1:] if (paired := _pairs(rows, arm, words))}
    if not pairs:
        return "There are no two arms of one seed yet, so nothing can be said."
    clauses = [_clause(measure, _verdicts(measure, pairs)) for measure in MEASURES]
    return f"{_headline(_verdicts(AGREEMENT, pairs))}: beside titles, {'; '.join(clauses)}."


def _verdicts(measure: Measure, pairs: Mapping[str, Paired]) -> dict[str, int]:
    """Return of each arm 1 for better than titles, -1 for worse, 0 where the interval has zero in it."""
    better = 1 if measure.higher_is_better else -1
    return {arm: better * measure.beside(paired).sign for arm, paired in pairs.items()}


def _headline(verdicts: Mapping[str, int]) -> str:
    signs = set(verdicts.values())
    in_some = " in some form" if len(signs) > 1 else ""
    if 1 in signs:
        return f"Telephoning helps here{in_some}"
    if -1 in signs:
        return f"Telephoning does not help here, and hurts{in_some}"
    return "Telephoning neither helps nor hurts here as far as can be told"


def _clause(measure: Measure, verdicts: Mapping[str, int]) -> str:
    parts = []
    for sign, how in ((1, "better"), (-1, "worse"), (0, "not told apart")):
        if arms := [arm for arm, its in verdicts.items() if its == sign]:
            parts.append(f"{how} with {'all' if len(arms) == len(verdicts) > 1 else ' and '.join(arms)}")
    return f"{measure.what} is {', '.join(parts)}"


def _of(rows: Sequence[Row], arm: str) -> list[Row]:
    return sorted((row for row in rows if row["arm"] == arm), key=lambda row: int(row["seed"]))


def _pairs(rows: Sequence[Row], arm: str, words: Mapping[str, str]) -> Paired:
    titles = {row["seed"]: row for row in _of(rows, next(iter(words)))}
    return [(row, titles[row["seed"]]) for row in _of(rows, arm) if row["seed"] in titles]


def captioner_of(row: Row) -> str:
    """Return the digest of the weights that captioned."""
    return str(row.get("captioner", FORMER))


def of_which_weights(row: Row, present: str) -> str:
    """Say whose captions those of a row are; `present` is the digest of the weights that there are now."""
    weights = f"Its weights were those of digest {captioner_of(row)[:8]}"
    if captioner_of(row) == present:
        return f"{weights}."
    which = ": 1.29 million, of commit 9a4ddd78" if captioner_of(row) == FORMER else ""
    return f"{weights}{which}, **and not those of `samples/models/tiny-blip2` now**, of which this says nothing."
