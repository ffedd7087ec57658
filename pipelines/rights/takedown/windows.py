"""Fingerprints of runs of bytes, and where those runs lie in other bytes. Pure: knows no files.

A window is 64 bytes. Its fingerprint is `sum(table[byte_i] * multiplier**(63 - i)) mod 2**64`: the polynomial hash of
Karp and Rabin (1987), with an odd multiplier and a table of 256 words that are both drawn from a key. So the
fingerprint of the next window costs one multiplication, and without the key nobody can test whether a picture was
fingerprinted.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from byline.catalog.compiling import compiled
from byline.pictures.pixels import jpegs
from byline.pictures.pixels.walks import gaps

WINDOW_BYTES = 64
SURE_BYTES = 2 * WINDOW_BYTES - 1
"""A run this long holds a whole window, wherever it begins. One byte less may hold none."""
MIN_DISTINCT_BYTES = 24
"""Windows with fewer distinct values are those of flat regions, which unrelated files share."""
_FILTER_BITS = 64
"""Bits of the filter for each fingerprint, at least: 32 to 64 measured fastest."""
MAX_JPEGS = 64
"""JPEGs, one behind another in one file, that are told apart. What follows is one part."""

Bytes = bytes | bytearray | memoryview | npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]


def fingerprints(data: bytes, key: bytes) -> Words:
    """Return the sorted, distinct fingerprints of the windows that start at every 64th byte of `data`.

    Of a JPEG only the entropy-coded data are fingerprinted (of each scan by itself), since headers and tables are alike
    in unrelated files. Windows with fewer than 24 distinct byte values are left out. Guaranteed: every run of at least
    127 bytes from one fingerprinted part holds a whole window, so `Matcher` finds it at any offset of any bytes, unless
    each window that it holds was left out. None at all (a tiny or a flat picture) is an empty array: then nothing can
    be shown by searching.
    """
    by_part = [_of_windows(windows, key) for part in fingerprinted_parts(data) if len(windows := _windows(part))]
    return np.unique(np.concatenate([np.zeros(0, np.uint64), *by_part]))


def fingerprinted_parts(data: bytes) -> list[memoryview]:
    """Return the parts of `data` that are fingerprinted: of a JPEG its entropy-coded data, else all of it.

    Bytes that a JPEG does not explain (between segments, behind its end, or where it is damaged) are parts too; a
    second JPEG behind it is walked as the first one is.
    """
    view, parts, offset = memoryview(data), [], 0
    for _ in range(MAX_JPEGS):
        if data[offset : offset + 2] != jpegs.START[:2]:
            break
        walk = jpegs.walk_jpeg(data, offset)
        explained = [(part.start, part.stop) for part in walk.parts if part.kind != jpegs.PIXELS]
        end = walk.end if walk.problem else walk.end - len(jpegs.END)
        parts += [view[start:stop] for start, stop in gaps(explained, offset, end) if stop - start >= WINDOW_BYTES]
        offset = walk.end
    return parts + ([view[offset:]] if offset < len(data) else [])


def _windows(part: memoryview) -> npt.NDArray[np.uint8]:
    whole = len(part) // WINDOW_BYTES
    windows_NW = np.frombuffer(part[: whole * WINDOW_BYTES], np.uint8).reshape(whole, WINDOW_BYTES)
    distinct_N = 1 + np.count_nonzero(np.diff(np.sort(windows_NW, axis=1), axis=1), axis=1)
    chosen: npt.NDArray[np.uint8] = windows_NW[distinct_N >= MIN_DISTINCT_BYTES]
    return chosen


def _of_windows(windows_NW: npt.NDArray[np.uint8], key: bytes) -> Words:
    values_NW: Words = _drawn(key)[1][windows_NW] * _powers(key)
    values_N: Words = values_NW.sum(axis=1, dtype=np.uint64)
    return values_N


@cache
def _drawn(key: bytes) -> tuple[int, Words]:
    """Return the multiplier and the table of a key.

    The multiplier is 5 mod 8: its powers then differ in as many low bits as odd numbers can.
    """
    drawn = hashlib.shake_256(b"byline window 1\0" + key).digest(8 * 257)
    words = np.frombuffer(drawn, "<u8").astype(np.uint64)
    return int(words[256]) & ~7 | 5, words[:256]


@cache
def _powers(key: bytes) -> Words:
    multiplier, _ = _drawn(key)
    return np.array([pow(multiplier, WINDOW_BYTES - 1 - index, 1 << 64) for index in range(WINDOW_BYTES)], np.uint64)


@dataclass(frozen=True, eq=False)
class Matcher:
    """Finds windows by their fingerprints. Exact: by all 64 bits, after a filter that fits the cache.

    Of n fingerprints, unrelated bytes match one by chance about once in `2**64 / n` places.
    """

    fingerprints: Words
    key: bytes

    def __post_init__(self) -> None:
        values = self.fingerprints
        if values.dtype != np.uint64 or values.ndim != 1 or not np.all(values[1:] > values[:-1]):
            raise ValueError(f"fingerprints must be sorted, distinct uint64, got {values.dtype} {values.shape}")

    @cached_property
    def _filter(self) -> tuple[Words, np.uint64]:
        """Two bits for each fingerprint, in the word that its highest bits name."""
        num_bits = max(8, int(len(self.fingerprints) * _FILTER_BITS // 64).bit_length())
        shift = np.uint64(64 - num_bits)
        words = np.zeros(1 << num_bits, np.uint64)
        bits = [np.uint64(1) << (self.fingerprints >> np.uint64(low) & np.uint64(63)) for low in (20, 26)]
        np.bitwise_or.at(words, (self.fingerprints >> shift).astype(np.int64), bits[0] | bits[1])
        return words, shift

    def find(self, data: Bytes, bounds: Places | None = None) -> Places:
        """Return, ascending, every place in `data` where a whole window with one of the fingerprints starts.

        With `bounds` (ascending, from the first to behind the last byte) no window reaches over one of them.
        """
        if len(data) < WINDOW_BYTES or not len(self.fingerprints):
            return np.zeros(0, np.int64)
        array = np.frombuffer(data, np.uint8)
        limits = np.array([0, len(array)], np.int64) if bounds is None else bounds
        multiplier, table = _drawn(self.key)
        leaving = table * np.uint64(pow(multiplier, WINDOW_BYTES, 1 << 64))
        hits = np.zeros(len(array), np.bool_)
        words, shift = self._filter
        _compiled()(array, limits, table, leaving, np.uint64(multiplier), words, shift, self.fingerprints, hits)
        return np.flatnonzero(hits).astype(np.int64, copy=False)

    def values(self, data: Bytes, places: Places) -> Words:
        """Return the fingerprints of the windows that start at these places of `data`."""
        array = np.frombuffer(data, np.uint8)
        return _of_windows(array[places[:, None] + np.arange(WINDOW_BYTES)], self.key)


def _find(  # type: ignore[no-untyped-def]
    data, bounds, table, leaving, multiplier, words, shift, fingerprints, hits
):
    bit, first, second, mask = np.uint64(1), np.uint64(20), np.uint64(26), np.uint64(63)
    for cell in range(len(bounds) - 1):
        start, stop = bounds[cell], bounds[cell + 1]
        if stop - start < WINDOW_BYTES:
            continue
        value, left_behind = np.uint64(0), np.uint64(0)
        for offset in range(start, start + WINDOW_BYTES - 1):
            value = value * multiplier + table[data[offset]]
        for offset in range(start, stop - WINDOW_BYTES + 1):
            value = value * multiplier + (table[data[offset + WINDOW_BYTES - 1]] - left_behind)
            left_behind = leaving[data[offset]]
            word = words[value >> shift]
            if (word >> (value >> first & mask)) & (word >> (value >> second & mask)) & bit:
                low, high = 0, len(fingerprints)
                while low < high:
                    middle = (low + high) >> 1
                    if fingerprints[middle] < value:
                        low = middle + 1
                    else:
                        high = middle
                if low < len(fingerprints) and fingerprints[low] == value:
                    hits[offset] = True


@cache
def _compiled() -> Callable[..., Any]:
    compiled_find: Callable[..., Any] = compiled()(_find)
    return compiled_find
