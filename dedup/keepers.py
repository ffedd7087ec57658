"""Group duplicates around keepers: star clusters, without chains."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from byline.catalog.compiling import compiled
from byline.dedup.colors import GRID_BYTES

COMPILE_FROM = 20_000
"""Pictures from which compiling the loop (a second, once a machine) is worth it."""
COMPILE_FROM_EQUAL = 1_000
"""Pictures of one code from which compiling is worth it: each may have to be told from each by its colors."""

# Shapes: N pictures, best first; L looks of all of them; C distinct codes; V vectors; P pairs.


@dataclass(frozen=True, kw_only=True)
class Looks:
    """How pictures look, in each of the ways that count: those of picture `n` are at `starts[n]` to `starts[n + 1]`."""

    starts: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    """Number of the perceptual hash, or of whatever only equal pictures share."""
    colors: npt.NDArray[np.uint8]
    """Color grids of `dedup.colors.color_grid`, `(L, GRID_BYTES)`."""
    kinds: npt.NDArray[np.uint8]
    """Bits that say how a picture was turned or trimmed for it; 0 for the picture as it is."""


@dataclass(frozen=True, kw_only=True)
class Near:
    """Which codes are within the radius of which: those of code `c` are `codes[starts[c] : starts[c + 1]]`."""

    starts: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    distances: npt.NDArray[np.int32]
    """Distances of these codes, in bits."""


@dataclass(frozen=True, kw_only=True)
class Similar:
    """Which pictures are alike, whatever their codes: those of one vector, and those of vectors that are alike."""

    vectors: npt.NDArray[np.int64]
    """Number of the vector of each picture."""
    starts: npt.NDArray[np.int64]
    """The vectors that are like vector `v` are `others[starts[v] : starts[v + 1]]`."""
    others: npt.NDArray[np.int64]
    cosines: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The picture that stands for each picture, itself if none does, and how near the two are."""

    keeper: npt.NDArray[np.int64]
    distance_bits: npt.NDArray[np.int32]
    """Distance in the looks of `kinds`; 0 for a keeper, -1 where only `cosine` says that they are alike."""
    kinds: npt.NDArray[np.uint8]
    """How the two had to be looked at, in the simplest way that shows them alike: the bits of both."""
    cosine: npt.NDArray[np.float32]
    """Cosine of the vectors of the two; NaN where hashes say that they are alike."""


def near_codes(i_P: npt.NDArray[np.int64], j_P: npt.NDArray[np.int64], distance_P: Any, *, num_codes: int) -> Near:
    """Return the pairs (i, j), each given once, by code."""
    starts, other, order = _both_ways(i_P, j_P, num_codes)
    return Near(starts=starts, codes=other, distances=np.concatenate([distance_P, distance_P])[order].astype(np.int32))


def similar_pictures(
    i_P: npt.NDArray[np.int64], j_P: npt.NDArray[np.int64], cosine_P: Any, *, images_N: npt.NDArray[Any]
) -> Similar:
    """Return what pairs (i, j) of numbered images, each given once, say of the pictures with these numbers.

    Images of cosine 1 have one vector, and are like whatever any of them is paired with: a search pairs only the first
    of equal vectors. So they are told even by pairs with images that are none of the pictures.
    """
    from scipy.sparse import coo_array  # a seventh of a second, where no embedding decides
    from scipy.sparse.csgraph import connected_components

    num = max((int(numbers.max()) + 1 for numbers in (i_P, j_P, images_N) if len(numbers)), default=0)
    is_one = np.asarray(cosine_P) >= 1
    ones = coo_array((is_one[is_one], (i_P[is_one], j_P[is_one])), shape=(num, num))
    num_vectors, vector_of = connected_components(ones, directed=False) if num else (0, np.zeros(0, np.int64))
    vector_i, vector_j, cosine = vector_of[i_P[~is_one]], vector_of[j_P[~is_one]], np.asarray(cosine_P)[~is_one]
    starts, others, order = _both_ways(vector_i, vector_j, num_vectors)
    return Similar(
        vectors=vector_of[images_N].astype(np.int64),
        starts=starts,
        others=others.astype(np.int64),
        cosines=np.concatenate([cosine, cosine])[order].astype(np.float32),
    )


def _none_similar(num: int) -> Similar:
    return Similar(
        vectors=np.arange(num),
        starts=np.zeros(num + 1, np.int64),
        others=np.zeros(0, np.int64),
        cosines=np.zeros(0, np.float32),
    )


def _both_ways(
    i_P: npt.NDArray[np.int64], j_P: npt.NDArray[np.int64], num: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    i_both, j_both = np.concatenate([i_P, j_P]), np.concatenate([j_P, i_P])
    order = np.argsort(i_both, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(i_both, minlength=num))]).astype(np.int64)
    return starts, j_both[order], order


def choose_keepers(
    looks: Looks,
    near: Near,
    similar: Similar | None = None,
    *,
    max_luma_distance: float,
    max_chroma_distance: float,
) -> Chosen:
    """Choose the keepers of pictures, which are given best first.

    A picture joins the best keeper that it is like: one of its looks is near one of the keeper's, by hash and by color,
    or the two are `similar`. When there is none it becomes a keeper. So every picture is like its own keeper, never
    only like a neighbor of it; no two keepers are alike; a keeper that is left out promotes the next best; and a
    million equal pictures cost a million steps. The color limits are in levels of 255, where two grids differ most;
    luma and chroma are apart, because a copy may well be brighter, but is hardly ever of another hue.
    """
    num = len(looks.starts) - 1
    assert looks.colors.shape == (len(looks.codes), GRID_BYTES)
    assert looks.kinds.shape == looks.codes.shape
    similar = similar or _none_similar(num)
    is_large = num >= COMPILE_FROM or (num > 0 and np.bincount(looks.codes).max() >= COMPILE_FROM_EQUAL)
    loop = _compiled() if is_large else _choose
    keeper, distance, kinds, cosine = loop(
        (looks.starts, looks.codes, looks.colors, looks.kinds),
        (near.starts, near.codes, near.distances),
        (similar.vectors, similar.starts, similar.others, similar.cosines),
        float(max_luma_distance),
        float(max_chroma_distance) ** 2,
    )
    return Chosen(keeper=keeper, distance_bits=distance, kinds=kinds, cosine=cosine)


def _choose(looks, near, similar, max_luma, max_chroma_squared):  # type: ignore[no-untyped-def]
    (first_N, code_L, colors_L, kinds_L), (starts, codes, distances) = looks, near
    vector_N, similar_starts, others, cosines = similar
    num = len(first_N) - 1
    keeper_N, distance_N = np.arange(num), np.zeros(num, np.int32)
    kinds_N, cosine_N = np.zeros(num, np.uint8), np.full(num, np.nan, np.float32)
    keeper_V = np.full(len(similar_starts) - 1, -1)  # at most one: a second one would be like it
    # the last look with each code of a keeper; `before_L` leads to earlier ones
    newest_C = np.full(len(starts) - 1, -1)
    before_L, picture_L = np.full(len(code_L), -1), np.empty(len(code_L), np.int64)
    for picture in range(num):
        best = picture
        for look in range(first_N[picture], first_N[picture + 1]):
            picture_L[look] = picture
            code = code_L[look]
            for pair in range(starts[code] - 1, starts[code + 1]):
                is_same = pair < starts[code]
                there = newest_C[code] if is_same else newest_C[codes[pair]]
                distance = 0 if is_same else distances[pair]
                while there >= 0:
                    keeper, kinds = picture_L[there], kinds_L[look] | kinds_L[there]
                    is_simpler = kinds < kinds_N[picture] or (
                        kinds == kinds_N[picture] and distance < distance_N[picture]
                    )
                    if keeper < best or (keeper == best and best < picture and is_simpler):
                        is_like, cell = True, 0
                        while is_like and cell < GRID_BYTES:
                            luma = np.float64(colors_L[look, cell]) - colors_L[there, cell]
                            blue = np.float64(colors_L[look, cell + 1]) - colors_L[there, cell + 1]
                            red = np.float64(colors_L[look, cell + 2]) - colors_L[there, cell + 2]
                            is_like = abs(luma) <= max_luma and blue * blue + red * red <= max_chroma_squared
                            cell += 3
                        if is_like:
                            best = keeper
                            distance_N[picture], kinds_N[picture] = distance, kinds
                    there = before_L[there]
        vector = vector_N[picture]
        for pair in range(similar_starts[vector] - 1, similar_starts[vector + 1]):
            is_same = pair < similar_starts[vector]
            keeper, cosine = keeper_V[vector if is_same else others[pair]], 1.0 if is_same else cosines[pair]
            if keeper >= 0 and (keeper < best or (keeper == best and cosine > cosine_N[picture])):
                best = keeper
                distance_N[picture], kinds_N[picture], cosine_N[picture] = -1, 0, cosine
        keeper_N[picture] = best
        if best == picture:
            keeper_V[vector] = picture
            for look in range(first_N[picture], first_N[picture + 1]):
                before_L[look] = newest_C[code_L[look]]
                newest_C[code_L[look]] = look
    return keeper_N, distance_N, kinds_N, cosine_N


@cache
def _compiled():  # type: ignore[no-untyped-def]
    return compiled()(_choose)
