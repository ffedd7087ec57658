"""Whether pictures show what their prompts say: by a scorer, which gives each picture and text a similarity.

R-precision (Xu et al. 2018): the share of pictures that are nearer to their own prompt than to all the others.
"""

# Shapes: N pictures, T texts, C colors, H and W height and width in pixels.

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from byline.catalog.errors import ConfigError
from byline.evaluation.report import Floats, bootstrap_interval, proportion_interval

NEAR = 5
LEAST_PROMPTS, LEAST = 20, 50
"""Different prompts, and pictures, that are needed."""
Pixels = npt.NDArray[np.uint8]
Count = Callable[[int], None]


class Scorer(Protocol):
    """Gives pictures and texts similarities."""

    @property
    def what(self) -> str:
        """Say what it is and what it learned from."""
        ...

    @property
    def digest(self) -> str:
        """Return a digest of all its weights."""
        ...

    def similarities(self, pixels_NCHW: Pixels, texts: Sequence[str], count: Count = ...) -> Floats:
        """Return `(N, T)`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far pictures agree with their prompts."""

    first: float
    """Share of pictures of whose prompts their own is the nearest (R-precision)."""
    first_interval: tuple[float, float]
    near: float
    """Share of pictures whose own prompt is among the `NEAR` nearest."""
    near_interval: tuple[float, float]
    similarity: float
    """Mean similarity with the own prompt: of CLIP, the CLIP score over 100."""
    similarity_interval: tuple[float, float]
    num_pictures: int
    num_prompts: int
    """How many different ones there are: by chance, `first` is 1 in so many."""
    ranks: tuple[int, ...]
    """Return the place of each picture's own prompt, 1 for the nearest."""


def measure_agreement(
    pixels_NCHW: Pixels, prompts: Sequence[str], scorer: Scorer, *, seed: int, count: Count = lambda _: None
) -> Agreement:
    """Compare each picture with all prompts. Equal prompts are one. Raises `ConfigError` for too few of them."""
    texts = list(dict.fromkeys(prompts))
    require_enough_prompts(len(prompts), len(texts))
    similarities_NT = scorer.similarities(pixels_NCHW, texts, count)
    index_of = {text: index for index, text in enumerate(texts)}
    own_N = similarities_NT[np.arange(len(prompts)), [index_of[prompt] for prompt in prompts]]
    ranks_N = (similarities_NT >= own_N[:, None]).sum(1)
    num_first, num_near = int((ranks_N == 1).sum()), int((ranks_N <= NEAR).sum())
    return Agreement(
        first=num_first / len(prompts),
        first_interval=proportion_interval(num_first, len(prompts)),
        near=num_near / len(prompts),
        near_interval=proportion_interval(num_near, len(prompts)),
        similarity=float(own_N.mean()),
        similarity_interval=bootstrap_interval(own_N, seed=seed),
        num_pictures=len(prompts),
        num_prompts=len(texts),
        ranks=tuple(map(int, ranks_N)),
    )


def require_enough_prompts(num_pictures: int, num_prompts: int) -> None:
    """Raise `ConfigError` for pictures, or different prompts, that are too few to say anything."""
    for what, have, least in (("pictures", num_pictures, LEAST), ("different prompts", num_prompts, LEAST_PROMPTS)):
        if have < least:
            raise ConfigError(f"agreement needs {least} {what}, and there are {have}; draw more with --samples")


def of_other_prompts(prompts: Sequence[str]) -> list[str]:
    """Return for each picture the prompt of the next one: what agreement must tell from the right ones."""
    return [*prompts[1:], *prompts[:1]]
