"""How captions agree with what a picture's source calls it: words, CIDEr, the noun. Pure, by words alone.

One reference a picture; captions are compared by their words, in lower case, without punctuation and numbers.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from byline.catalog.caption_words import word_f1, words_of
from byline.evaluation.report import Floats

_NOUN_ENDS = frozenset(
    "with without of in on at and or for from to by behind over under between into through showing facing".split()
)
_LONGEST = 4
"""CIDEr compares sequences of up to so many words."""


@dataclass(frozen=True, kw_only=True)
class CaptionScores:
    """What each caption scores against its reference; the measures are the means."""

    word_f1: Floats
    """Harmonic mean of the share of its words that the reference has, and of the reference's that it has."""
    cider: Floats
    """CIDEr (Vedantam et al. 2015), 0 to 10: as `word_f1`, but rare words and their order count more."""
    exact_noun: Floats
    """1 where caption and reference are of the same noun: `noun` of both is equal."""


MEASURES = ("word_f1", "cider", "exact_noun")


def score(captions: Sequence[str], references: Sequence[str]) -> CaptionScores:
    """Compare each caption with the reference of its picture. How rare a word is, is counted in the references."""
    pairs = list(zip(captions, references, strict=True))
    return CaptionScores(
        word_f1=np.array([word_f1(*pair) for pair in pairs]),
        cider=cider(captions, references),
        exact_noun=np.array([float(noun(caption) == noun(reference) != "") for caption, reference in pairs]),
    )


def noun(text: str) -> str:
    """Return the noun that a title is about, or nothing.

    It is the last word before a colon, a bracket, a comma or a preposition: `face` of "grinning face with big eyes",
    `flag` of "flag: Japan". English titles are built so; in other languages the measure says little.
    """
    before = re.split(r"[:(,]", text)[0]
    words = words_of(before)
    ends = next((i for i, word in enumerate(words) if word in _NOUN_ENDS and i), len(words))
    return words[ends - 1] if words[:ends] else ""


def cider(captions: Sequence[str], references: Sequence[str]) -> Floats:
    """Return 10 times the mean cosine of sequences of one to four words, weighted by how rare they are in references.

    Lengths that neither of the two has are left out of the mean: of short titles nothing else could be said.
    """
    scores = np.zeros((len(captions), _LONGEST))
    counted = np.zeros_like(scores)
    for length in range(1, _LONGEST + 1):
        of_references = [_sequences(text, length) for text in references]
        num_having = Counter(sequence for counts in of_references for sequence in counts)
        weight = {sequence: math.log(len(references) / num) for sequence, num in num_having.items()}
        unseen = math.log(len(references)) if references else 0.0
        for i, (caption, want) in enumerate(zip(captions, of_references, strict=True)):
            have = _sequences(caption, length)
            counted[i, length - 1] = bool(have or want)
            scores[i, length - 1] = _cosine(
                {words: number * weight.get(words, unseen) for words, number in have.items()},
                {words: number * weight[words] for words, number in want.items()},
            )
    means: Floats = 10 * scores.sum(1) / np.maximum(counted.sum(1), 1)
    return means


def grouped_interval(values: Floats, groups: Sequence[str], *, seed: int, resamples: int = 2000) -> tuple[float, float]:
    """Return the 95% percentile-bootstrap interval of the mean of `values`, drawing whole groups.

    Several drawings of one thing have one title, so that they are one observation and not several.
    """
    _, which = np.unique(np.asarray(groups), return_inverse=True)
    sums, sizes = np.bincount(which, values), np.bincount(which)
    picks = np.random.default_rng(seed).integers(0, len(sums), (resamples, len(sums)))
    low, high = np.quantile(sums[picks].sum(1) / sizes[picks].sum(1), [0.025, 0.975])
    return float(low), float(high)


def _sequences(text: str, length: int) -> Counter[tuple[str, ...]]:
    words = words_of(text)
    return Counter(tuple(words[i : i + length]) for i in range(len(words) - length + 1))


def _cosine(first: dict[tuple[str, ...], float], second: dict[tuple[str, ...], float]) -> float:
    product = sum(number * second.get(words, 0.0) for words, number in first.items())
    lengths = math.hypot(*first.values()) * math.hypot(*second.values())
    return product / lengths if lengths else 0.0
