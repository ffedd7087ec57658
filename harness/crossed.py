"""Means over seeds and prompts, with intervals for both: other seeds and other prompts might have been drawn."""

# Shapes: S seeds, P prompts.

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from scipy.stats import t as student

from byline.evaluation.report import Floats, proportion_interval


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its interval of 95 %."""

    value: float
    interval: tuple[float, float]

    @property
    def sign(self) -> int:
        """1 or -1 where the whole interval is above or below zero, otherwise 0."""
        low, high = self.interval
        return int(low > 0) - int(high < 0)

    def within(self, least: float, most: float) -> "Estimate":
        """Return it with an interval that ends where values do."""
        low, high = self.interval
        return Estimate(value=self.value, interval=(max(low, least), min(high, most)))


def crossed(values_SP: Floats) -> Estimate:
    """Return the mean where every seed has every prompt, both drawn at random.

    The variance is that of a two-way layout, `(MS_seeds + MS_prompts - MS_rest) / (S P)`, its degrees of freedom are
    Satterthwaite's (1946). With one seed the interval is over prompts alone, and of another seed it says nothing.
    """
    seeds, prompts = values_SP.shape
    if seeds == 1:
        return over_seeds(values_SP[0])
    mean, of_seed_S, of_prompt_P = values_SP.mean(), values_SP.mean(1), values_SP.mean(0)
    rest_SP = values_SP - of_seed_S[:, None] - of_prompt_P + mean
    squares = {
        "rest": ((rest_SP**2).sum() / ((seeds - 1) * (prompts - 1)), (seeds - 1) * (prompts - 1)),
        "prompts": (seeds * of_prompt_P.var(ddof=1), prompts - 1),
        "seeds": (prompts * of_seed_S.var(ddof=1), seeds - 1),
    }
    rest = squares["rest"][0]
    total = max(squares["seeds"][0], rest) + squares["prompts"][0] - rest
    spread = sum(square**2 / freedom for square, freedom in squares.values())
    return _estimate(float(mean), sqrt(total / (seeds * prompts)), total**2 / spread if spread else 1)


def over_seeds(values_S: Sequence[float] | Floats) -> Estimate:
    """Return the mean with Student's interval; of one value alone nothing is known, and the interval is infinite."""
    values = np.asarray(values_S, float)
    if len(values) < 2:
        return Estimate(value=float(values.mean()), interval=(-inf, inf))
    return _estimate(float(values.mean()), float(values.std(ddof=1) / sqrt(len(values))), len(values) - 1)


def _estimate(mean: float, error: float, freedom: float) -> Estimate:
    away = float(student.ppf(0.975, freedom)) * error
    return Estimate(value=mean, interval=(mean - away, mean + away))


def share(successes: int, n: int) -> Estimate:
    """Return a share with its exact interval."""
    return Estimate(value=successes / n, interval=proportion_interval(successes, n))


def less(first: Estimate, other: Estimate) -> Estimate:
    """Return the difference of two shares, from their exact intervals (Newcombe 1998, method 10): none beside none is
    0, with an interval of some width."""
    difference = first.value - other.value
    below = sqrt((first.value - first.interval[0]) ** 2 + (other.interval[1] - other.value) ** 2)
    above = sqrt((first.interval[1] - first.value) ** 2 + (other.value - other.interval[0]) ** 2)
    return Estimate(value=difference, interval=(difference - below, difference + above))
