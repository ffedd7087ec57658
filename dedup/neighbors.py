"""Find near-duplicate pairs of codes: all of them up to a distance, all but very few beyond (`dedup.banding`)."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from byline.dedup.band_probe import COMPARED_AT_ONCE, by_share, probe
from byline.dedup.band_ring import RINGS, fill_lists, limits_of, list_starts_of, rests_of, rows_by, values_of
from byline.dedup.band_search import search_band
from byline.dedup.banding import BandPlan, band_plan
from byline.dedup.equal_codes import first_of_equal_words

PAIR = np.dtype([("i", np.uint32), ("j", np.uint32), ("distance", np.uint32)])
"""Two rows, and the distance of their codes in bits."""
GATHERED_CODES = 1 << 24
"""Codes (40 bytes each) that one unit of a search gathers, about, whatever the number of all."""
STREAMED_CODES = 1 << 19
"""Codes, at most 4 million, that are searched together for those of an index: more share a look at its lists."""

Codes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
T = TypeVar("T")
R = TypeVar("R")
Unit = tuple[int, int, int, int]
"""A part of a search: banding, band, and from which value of the band to which, exclusive."""


def near_pairs(codes: Codes, *, radius_bits: int) -> npt.NDArray[np.void]:
    """Return the pairs of codes within `radius_bits`, as `PAIR` rows with `i < j`, sorted by `i`, then `j`.

    `codes` is `(N, 32)`, with a radius up to 31, or `(N, 8)`, up to 8. Of the pairs at a distance it finds
    `dedup.banding.promised_recall`: all up to 20 of 256 bits and up to 8 of 64, and .9997 at 31 of 256. Which pairs
    are found depends on their codes alone.

    Equal codes are collapsed: each row is paired, at distance 0, with the first row that has its code, and only that
    one is paired further, so n equal codes give n - 1 pairs. Memory is that of the codes, 28 bytes a code more while
    equal ones are looked for, then twice that of the pairs and about 0.7 GB a thread. Raises `ValueError` for other
    codes, and for a radius at which too much would be missed.
    """
    plan, words = _checked(codes, radius_bits)
    first_of = first_of_equal_words(words)
    is_first = first_of == np.arange(len(codes), dtype=first_of.dtype)
    others = np.flatnonzero(~is_first)
    equal = np.empty(len(others), PAIR)
    equal["i"], equal["j"], equal["distance"] = first_of[others], others, 0
    del first_of
    units = units_of(len(codes), plan) if radius_bits else []
    pairs = _in_threads(lambda unit: search_unit(words, is_first, unit, plan=plan, radius_bits=radius_bits), units)
    return _sorted([equal, *pairs])


def units_of(num_codes: int, plan: BandPlan) -> list[Unit]:
    """Return the parts of a search: each can be made by itself, anywhere, and together they find every pair once."""
    units: list[Unit] = []
    for banding, band in np.ndindex(plan.pieces.shape[:2]):
        num_cells = 1 << int(plan.pieces[banding, band, :, 2].sum())
        num_ranges = min(num_cells, -(-num_codes // GATHERED_CODES))
        edges = [num_cells * number // num_ranges for number in range(num_ranges + 1)] if num_codes else []
        units += [(banding, band, low, high) for low, high in pairwise(edges)]
    return units


def search_unit(
    words_NW: npt.NDArray[np.uint64],
    is_first_N: npt.NDArray[np.bool_],
    unit: Unit,
    *,
    plan: BandPlan,
    radius_bits: int,
) -> npt.NDArray[np.void]:
    """Return the pairs that one part of a search finds, among codes that are the first of their equals."""
    banding, band, low, high = unit
    room = 1 << 16
    while True:
        pairs = np.empty((room, 3), np.uint32)
        num = search_band(words_NW, is_first_N, plan.pieces, (banding, band), low, high, radius_bits, pairs)
        if num <= room:
            return pairs[:num].view(PAIR)[:, 0].copy()
        room = num


class NearIndex:
    """A few codes (up to some hundred thousand), among which the near ones of many others are found in one stream.

    Takes 1.1 KB for each of the few where the radius is 16 bits of 256 or more, and 0.1 KB below.
    """

    def __init__(self, codes: Codes, *, radius_bits: int) -> None:
        self.plan, self.words = _checked(codes, radius_bits)
        self.radius_bits, self.num_codes = radius_bits, len(codes)
        self.ring, self.limits = RINGS[self.plan.bits], limits_of(self.plan.bits, radius_bits)
        self.widths = [int(width) for width in self.ring[:, :, 2].sum(axis=1)]
        values = values_of(self.words, 0, len(codes), self.ring)
        self.lists = list(_in_threads(lambda band: self._lists(values, band), range(len(self.ring))))

    def _lists(self, values: npt.NDArray[np.uint16], band: int) -> tuple[Any, ...]:
        width = self.widths[band]
        num_neighbors = 1 + self.limits[0] * width
        rows, starts = rows_by(values[band], 1 << width)
        list_starts = list_starts_of(starts, num_neighbors)
        lists = np.empty(int(list_starts[-1]) + COMPARED_AT_ONCE, np.uint32)
        fill_lists(self._rests(values, band), rows, starts, num_neighbors, lists)
        return rows, starts, list_starts, lists

    def _rests(self, values: npt.NDArray[np.uint16], band: int) -> npt.NDArray[np.uint32]:
        next_band, band_after = ((band + after) % len(self.ring) for after in (1, 2))
        rests: npt.NDArray[np.uint32] = rests_of(values[next_band], values[band_after], self.widths[next_band])
        return rests

    def pairs_with(self, codes: Codes) -> npt.NDArray[np.void]:
        """Return the pairs of one of `codes` (`i`) and one of the index (`j`) within the radius, sorted.

        The same that `near_pairs` finds between them, except that equal codes are not collapsed.
        """
        plan, words = _checked(codes, self.radius_bits)
        if plan is not self.plan:
            raise ValueError(f"codes of {plan.bits} bits cannot be compared with an index of {self.plan.bits}")
        starts = range(0, len(words) if self.num_codes else 0, STREAMED_CODES)
        return _sorted(list(_in_threads(lambda start: self._against(words, start), starts)))

    def _against(self, words: npt.NDArray[np.uint64], start: int) -> npt.NDArray[np.void]:
        values = values_of(words, start, min(len(words), start + STREAMED_CODES), self.ring)
        both, search = (words, self.words), (self.ring, self.limits, self.plan.pieces, self.radius_bits)
        room, ordered = 1 << 16, np.empty(values.shape[1], np.uint64)
        while True:
            pairs, num = np.empty((room, 3), np.uint32), 0
            for band, width in enumerate(self.widths):
                share_starts = by_share(values[band], self._rests(values, band), width, ordered)
                num = probe(both, start, ordered, share_starts, self.lists[band], (band, width), search, pairs, num)
            if num <= room:
                return pairs[:num].view(PAIR)[:, 0].copy()
            room = num


def first_of_equals(codes: Codes) -> npt.NDArray[np.uint32]:
    """Return, for each code, the row of the first code equal to it. Takes 28 bytes a code, at most."""
    return first_of_equal_words(_words(codes))


def _checked(codes: Codes, radius_bits: int) -> tuple[BandPlan, npt.NDArray[np.uint64]]:
    if codes.dtype != np.uint8 or codes.ndim != 2:
        raise ValueError(f"codes must be uint8 of shape (N, bytes), got {codes.dtype} {codes.shape}")
    plan = band_plan(8 * codes.shape[1])
    if not 0 <= radius_bits <= plan.max_radius_bits:
        raise ValueError(
            f"radius_bits must be 0 to {plan.max_radius_bits} for codes of {plan.bits} bits, got {radius_bits}; "
            "beyond, pairs would get lost"
        )
    return plan, _words(codes)


def _words(codes: Codes) -> npt.NDArray[np.uint64]:
    return np.ascontiguousarray(codes).view("<u8")


def _sorted(blocks: Iterable[npt.NDArray[np.void]]) -> npt.NDArray[np.void]:
    pairs = np.concatenate([np.empty(0, PAIR), *blocks])
    return pairs[np.lexsort((pairs["j"], pairs["i"]))]


def _in_threads(work: Callable[[T], R], parts: Iterable[T]) -> Iterator[R]:
    """The compiled searches leave Python's lock alone, so threads are enough."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        yield from threads.map(work, parts)
