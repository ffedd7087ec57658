"""Find all near-duplicate pairs of 256-bit codes exactly, by multi-index hashing (Norouzi et al. 2012)."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

CODE_BYTES = 32
NUM_BANDS = 16
MAX_RADIUS_BITS = 31
PAIR = np.dtype([("i", np.int64), ("j", np.int64), ("distance", np.uint16)])
"""Two image indices, `i < j`, and their distance in bits."""

_CANDIDATES_AT_ONCE = 1 << 21
# A pHash's neighboring frequencies vary together; scattered, the bands fill more evenly. Any
# permutation finds the same pairs.
_SCATTER = np.random.default_rng(0).permutation(8 * CODE_BYTES)

Codes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Indices = NDArray[np.int64]


def near_pairs(codes: Codes, *, radius_bits: int) -> NDArray[np.void]:
    """Return every pair of different codes within `radius_bits` (0 to 31), as `PAIR` rows sorted by `i`, then `j`.

    Exact: two codes at most 31 bits apart differ by at most 1 bit in one of 16 bands of 16 bits, and every such band is
    looked up. Equal codes are collapsed: each image is paired, at distance 0, with the first image that has its code,
    and only that first image is paired further, so n equal codes give n - 1 pairs. Memory is that of the codes, the
    pairs and a bounded block of candidates.
    """
    if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != CODE_BYTES:
        raise ValueError(f"codes must be uint8 of shape (N, {CODE_BYTES}), got {codes.dtype} {codes.shape}")
    if not 0 <= radius_bits <= MAX_RADIUS_BITS:
        raise ValueError(f"radius_bits must be 0 to {MAX_RADIUS_BITS}, got {radius_bits}; beyond, pairs get lost")
    first_of = _first_of_equals(codes)
    firsts = np.flatnonzero(first_of == np.arange(len(codes)))
    others = np.flatnonzero(first_of != np.arange(len(codes)))
    blocks = [_pairs(first_of[others], others, np.zeros(len(others), dtype=np.uint16))]
    if radius_bits > 0:
        bits = np.unpackbits(codes[firsts], axis=1)[:, _SCATTER]
        scattered = np.ascontiguousarray(np.packbits(bits, axis=1))
        for left, right, distance in _near_distinct(scattered, radius_bits):
            blocks.append(_pairs(firsts[left], firsts[right], distance))
    pairs = np.concatenate(blocks)
    return pairs[np.lexsort((pairs["j"], pairs["i"]))]


def _first_of_equals(codes: Codes) -> Indices:
    """Return, for each code, the index of the first code equal to it."""
    words = np.ascontiguousarray(codes).view(np.uint64)
    by_code = np.lexsort(words.T)
    ordered = words[by_code]
    starts_run = np.ones(len(codes), dtype=bool)
    starts_run[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    first_of = np.empty(len(codes), dtype=np.int64)
    first_of[by_code] = by_code[np.flatnonzero(starts_run)][np.cumsum(starts_run) - 1]  # lexsort is stable
    return first_of


def _near_distinct(codes: Codes, radius_bits: int) -> Iterator[tuple[Indices, Indices, NDArray[np.uint16]]]:
    """Yield each near pair of distinct codes once: in the first band where the two agree closely enough."""
    bands = codes.view(np.uint16)
    words = codes.view(np.uint64)
    band_radius = radius_bits // NUM_BANDS
    for band in range(NUM_BANDS):
        for left, right in _candidates(bands[:, band], band_radius):
            distance = np.bitwise_count(words[left] ^ words[right]).sum(axis=1, dtype=np.uint16)
            is_near = distance <= radius_bits
            left, right, distance = left[is_near], right[is_near], distance[is_near]
            earlier = np.bitwise_count(bands[left, :band] ^ bands[right, :band]) <= band_radius
            is_new = ~earlier.any(axis=1)
            yield np.minimum(left, right)[is_new], np.maximum(left, right)[is_new], distance[is_new]


def _candidates(keys: NDArray[np.uint16], band_radius: int) -> Iterator[tuple[Indices, Indices]]:
    """Yield, in blocks and once each, the pairs whose keys differ by at most `band_radius` (0 or 1) bits."""
    by_key = np.argsort(keys, kind="stable")
    ordered = keys[by_key]
    bounds = np.searchsorted(ordered, np.arange((1 << 16) + 1))
    positions = np.arange(len(keys))
    ranges = [(positions, positions + 1, bounds[ordered.astype(np.int64) + 1])]
    for bit in range(16 if band_radius else 0):
        lower = np.flatnonzero(ordered & (1 << bit) == 0)
        partner = ordered[lower].astype(np.int64) + (1 << bit)
        ranges.append((lower, bounds[partner], bounds[partner + 1]))
    for rows, starts, stops in ranges:
        for left, right in _crossed(rows, starts, stops):
            yield by_key[left], by_key[right]


def _crossed(rows: Indices, starts: Indices, stops: Indices) -> Iterator[tuple[Indices, Indices]]:
    """Yield each row beside every position of its range `[start, stop)`, a bounded number of them at once."""
    has_any = stops > starts
    rows, starts, counts = rows[has_any], starts[has_any], (stops - starts)[has_any]
    ends = np.cumsum(counts)
    done = 0
    while done < len(rows):
        before = int(ends[done - 1]) if done else 0
        until = max(done + 1, int(np.searchsorted(ends, before + _CANDIDATES_AT_ONCE, side="right")))
        sizes = counts[done:until]
        offsets = np.arange(sizes.sum()) - np.repeat(ends[done:until] - sizes - before, sizes)
        yield np.repeat(rows[done:until], sizes), np.repeat(starts[done:until], sizes) + offsets
        done = until


def _pairs(i: Indices, j: Indices, distance: NDArray[np.uint16]) -> NDArray[np.void]:
    pairs = np.empty(len(i), dtype=PAIR)
    pairs["i"], pairs["j"], pairs["distance"] = i, j, distance
    return pairs
