"""Find pictures that are none: what a host gives for many URLs, such as "this image is no longer available".

Such a picture comes under the names, titles and licenses of many people, and is the work of none of them. It is told by
that alone: the very same pixels, from many hands. A judgement over facts, as all others are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from byline.pipelines.facts.rows import NOBODY

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class Recurring:
    """The pictures of a pack that may recur, here or in other packs."""

    rows: npt.NDArray[np.int64]
    pixels: Words
    """First words of the digests of their pixels."""
    creators: Words
    """Who each is said to be by; `NOBODY` where nobody is named."""


def num_hands(pixels: Words, creators: Words) -> npt.NDArray[np.int64]:
    """Return, for each picture, how many hands give the same pixels, whatever the order.

    A creator counts once, however often they post one picture. A record that names nobody counts by itself.
    """
    if not len(pixels):
        return np.zeros(0, np.int64)
    order = np.lexsort((creators, pixels))
    picture, creator = pixels[order], creators[order]
    is_next = np.concatenate([[True], picture[1:] != picture[:-1]])
    is_other = np.concatenate([[True], creator[1:] != creator[:-1]]) | is_next | (creator == NOBODY)
    group = np.cumsum(is_next) - 1
    hands = np.empty(len(pixels), np.int64)
    hands[order] = np.bincount(group, weights=is_other).astype(np.int64)[group]
    return hands


def placeholder_rows(packs: Sequence[Recurring], limits: Sequence[int]) -> list[npt.NDArray[np.int64]]:
    """Return the rows of each pack that show a placeholder: pixels that at least as many hands give as its limit says.

    All of them: of a placeholder there is no copy worth keeping.
    """
    none = np.zeros(0, np.uint64)
    hands = num_hands(
        np.concatenate([none, *(pack.pixels for pack in packs)]),
        np.concatenate([none, *(pack.creators for pack in packs)]),
    )
    placeholders, start = [], 0
    for pack, limit in zip(packs, limits, strict=True):
        placeholders.append(pack.rows[hands[start : start + len(pack.rows)] >= limit])
        start += len(pack.rows)
    return placeholders
