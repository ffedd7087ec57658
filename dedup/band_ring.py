"""A few codes, listed so that whatever may be near one of them is found by one look for each band.

The bits of a code are split into bands that stand in a *ring*. When two codes are `r` bits apart, there is a band in a
ring of `m` from which on any `k` bands differ in `k r / m` bits at most: the one after which the bits that differ,
counted from the first band on, have run ahead of their even share by most. So in some band, the *key*, two near codes
differ in one bit at most (31 / 16 of 256 bits, 8 / 5 of 64), and in the two that follow, the *rest*, in `3 r / m`.
Each key has a list of the rests of those of the few that have this key, or one that is a bit away: nothing that is
within the radius is missed.
"""

import numpy as np

from byline.catalog.compiling import compiled
from byline.dedup.band_search import band_value, bits_set

VALUED_AT_ONCE = 1 << 12
"""Codes whose words stay in a processor's cache while their bands are put together."""


def _nibbles(step: int) -> np.ndarray:
    """Split 256 bits into 16 bands of four nibbles that lie far apart; `dedup.banding` says why."""
    nibble = np.arange(64) * step % 64
    return np.stack([nibble // 16, nibble % 16 * 4, np.full(64, 4)], axis=1).reshape(16, 4, 3)


RINGS = {
    256: _nibbles(13),
    64: np.array([[[0, 13 * band, min(13, 64 - 13 * band)]] for band in range(5)], np.int64),
}
"""Bits of a code -> word, first bit and width of each piece of a band, `(bands, pieces, 3)`."""


def limits_of(bits: int, radius_bits: int) -> tuple[int, int]:
    """Return in how many bits, at most, near codes differ in some key (0 or 1), and in the rest after it."""
    num_bands = len(RINGS[bits])
    return radius_bits // num_bands, 3 * radius_bits // num_bands


@compiled(nogil=True)
def values_of(words_NW, start, stop, pieces):
    """Return the value of every band (B, stop - start) of codes."""
    values = np.zeros((pieces.shape[0], stop - start), np.uint16)
    words = np.empty((words_NW.shape[1], VALUED_AT_ONCE), np.uint64)
    for first in range(start, stop, VALUED_AT_ONCE):
        num = min(VALUED_AT_ONCE, stop - first)
        for row in range(num):
            for word in range(words_NW.shape[1]):
                words[word, row] = words_NW[first + row, word]
        for band in range(pieces.shape[0]):
            offset = np.uint64(0)
            for piece in range(pieces.shape[1]):
                shift, width = np.uint64(pieces[band, piece, 1]), np.uint64(pieces[band, piece, 2])
                mask = (np.uint64(1) << width) - np.uint64(1)
                word, value = words[pieces[band, piece, 0]], values[band, first - start : first - start + num]
                for row in range(np.uint64(num)):  # no branch and no sign: several at once
                    value[row] |= np.uint16((word[row] >> shift & mask) << offset)
                offset += width
    return values


@compiled(nogil=True)
def rests_of(one_N, two_N, width):
    """Return the values of two bands as one; the first is `width` bits wide."""
    rests = np.empty(len(one_N), np.uint32)
    for row in range(np.uint64(len(one_N))):
        rests[row] = np.uint64(one_N[row]) | np.uint64(two_N[row]) << np.uint64(width)
    return rests


@compiled(nogil=True, inline="always")
def neighbor_of(key, neighbor):
    """Return neighbor 0 of a key, which is the key itself, or another one, which is one bit away."""
    return key ^ (np.uint64(1) << np.uint64(neighbor) >> np.uint64(1))


@compiled(nogil=True)
def rows_by(keys_N, num_keys):
    """Return the rows in the order of their keys, and where those of each key start."""
    starts, rows = np.zeros(num_keys + 1, np.uint32), np.empty(len(keys_N), np.uint32)
    for key in keys_N:
        starts[np.uint64(key) + np.uint64(1)] += 1
    for key in range(num_keys):
        starts[key + 1] += starts[key]
    ends = starts.copy()
    for row in range(len(keys_N)):
        rows[ends[keys_N[row]]] = row
        ends[keys_N[row]] += 1
    return rows, starts


@compiled(nogil=True)
def list_starts_of(starts, num_neighbors):
    """Return where the list of each key starts, of the rows that have one of its first neighbors."""
    list_starts = np.zeros(len(starts), np.uint32)
    for key in range(np.uint64(len(starts) - 1)):
        num = np.uint32(0)
        for neighbor in range(num_neighbors):
            neighbor_key = neighbor_of(key, neighbor)
            num += starts[neighbor_key + np.uint64(1)] - starts[neighbor_key]
        list_starts[key + np.uint64(1)] = list_starts[key] + num
    return list_starts


@compiled(nogil=True)
def fill_lists(rests_N, rows, starts, num_neighbors, lists):
    """Write the lists of rests, one after the other."""
    ordered, end = rests_N[rows], np.uint64(0)
    for key in range(np.uint64(len(starts) - 1)):
        for neighbor in range(num_neighbors):
            neighbor_key = neighbor_of(key, neighbor)
            for row in range(np.uint64(starts[neighbor_key]), np.uint64(starts[neighbor_key + np.uint64(1)])):
                lists[end] = ordered[row]
                end += np.uint64(1)


@compiled(nogil=True)
def first_band_of(differing, ring, limits):
    """Return the first band in which two codes are candidates, so that a pair is told once; -1 for none."""
    num_bands = ring.shape[0]
    bits_0 = bits_set(np.uint64(band_value(differing, 0, ring[0])))
    bits_1 = bits_set(np.uint64(band_value(differing, 0, ring[1])))
    for band in range(num_bands):
        bits_2 = bits_set(np.uint64(band_value(differing, 0, ring[(band + 2) % num_bands])))
        if bits_0 <= limits[0] and bits_0 + bits_1 + bits_2 <= limits[1]:
            return band
        bits_0, bits_1 = bits_1, bits_2
    return -1
