"""Group duplicates around keepers: star clusters, without chains."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from dedup.colors import GRID_BYTES

COMPILE_FROM = 20_000
"""Pictures from which compiling the loop (a second, once a machine) is worth it."""

# Shapes: N pictures, best first; C distinct codes; P pairs of near codes, each in both directions.


@dataclass(frozen=True, kw_only=True)
class Near:
    """Which codes are within the radius of which: those of code `c` are `codes[starts[c] : starts[c + 1]]`."""

    starts: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    distances: npt.NDArray[np.int32]
    """In bits."""


def near_codes(i_P: npt.NDArray[np.int64], j_P: npt.NDArray[np.int64], distance_P: Any, *, num_codes: int) -> Near:
    """Return the pairs (i, j), each given once, by code."""
    one, other = np.concatenate([i_P, j_P]), np.concatenate([j_P, i_P])
    order = np.argsort(one, kind="stable")
    return Near(
        starts=np.concatenate([[0], np.cumsum(np.bincount(one, minlength=num_codes))]).astype(np.int64),
        codes=other[order],
        distances=np.concatenate([distance_P, distance_P])[order].astype(np.int32),
    )


def choose_keepers(
    code_N: npt.NDArray[np.int64],
    colors_NG: npt.NDArray[np.uint8],
    near: Near,
    *,
    max_luma_distance: float,
    max_chroma_distance: float,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return, for each picture, the place of its keeper and their distance in bits; a keeper stands for itself, at 0.

    Pictures are given best first. One joins the best keeper that is near it, by hash and by color; when there is none
    it becomes a keeper. So every picture is near its own keeper, never only near a neighbor of it; a keeper that is
    left out promotes the next best; and a million equal pictures cost a million steps. `code_N` numbers the perceptual
    hashes (or whatever only equal pictures share), `colors_NG` are `dedup.colors.color_grid`. The color limits are in
    levels of 255, where two grids differ most; luma and chroma are apart, because a copy may well be brighter, but is
    hardly ever of another hue.
    """
    assert colors_NG.shape == (len(code_N), GRID_BYTES)
    loop = _compiled() if len(code_N) >= COMPILE_FROM else _choose
    return loop(  # type: ignore[no-any-return]
        code_N,
        colors_NG.astype(np.float64),
        near.starts,
        near.codes,
        near.distances,
        float(max_luma_distance),
        float(max_chroma_distance) ** 2,
    )


def _choose(code_N, colors_NG, starts, codes, distances, max_luma, max_chroma_squared):  # type: ignore[no-untyped-def]
    keeper_N = np.arange(len(code_N))
    distance_N = np.zeros(len(code_N), np.int32)
    newest_C = np.full(len(starts) - 1, -1)  # the last keeper of each code; `before_N` leads to the earlier ones
    before_N = np.full(len(code_N), -1)
    for place in range(len(code_N)):
        code, best = code_N[place], place
        for pair in range(starts[code] - 1, starts[code + 1]):
            is_same = pair < starts[code]
            keeper = newest_C[code] if is_same else newest_C[codes[pair]]
            while keeper >= 0:
                if keeper < best:
                    apart = np.abs(colors_NG[place] - colors_NG[keeper])
                    if (
                        apart[0::3].max() <= max_luma
                        and (apart[1::3] ** 2 + apart[2::3] ** 2).max() <= max_chroma_squared
                    ):
                        best = keeper
                        distance_N[place] = 0 if is_same else distances[pair]
                keeper = before_N[keeper]
        keeper_N[place] = best
        if best == place:
            before_N[place] = newest_C[code]
            newest_C[code] = place
    return keeper_N, distance_N


@cache
def _compiled():  # type: ignore[no-untyped-def]
    from numba import njit

    return njit(cache=True)(_choose)
