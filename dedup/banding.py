"""Which pairs of codes a search looks at: those that agree in two neighboring bands, but for one bit.

A code is split into bands, in one or two ways (bandings). Two codes are *met* when, in a banding, two neighboring bands
(the last one neighbors the first) differ in one bit at most, together. In `n` bands, two codes that are `n - 1` bits
apart or less are always met: if every two neighbors differed in 2 bits or more, all of them together would differ in
`2n` bits or more, with each band counted twice. Beyond that few pairs are not met, and `promised_recall` says how few.
Being met depends on the two codes alone: not on the others, nor on how the search is divided. So a search that is
continued, or that many machines share, finds what a search from nothing finds.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class BandPlan:
    """How codes of one length are split."""

    bits: int
    max_radius_bits: int
    """Greatest radius for which anything is promised: beyond it, too much is missed."""
    pieces: Ints
    """`(bandings, bands, pieces, 3)`: of each piece of a band its word, first bit and width. Band widths are alike."""

    @property
    def num_bands(self) -> int:
        """Number of bands of each banding."""
        return int(self.pieces.shape[1])

    @property
    def exact_up_to_bits(self) -> int:
        """Greatest distance, in bits, within which no pair is missed."""
        return self.num_bands - 1


def _nibbles(step: int) -> Ints:
    """Split 256 bits into 21 bands of 12, each of three nibbles that lie far apart. One nibble is in no band.

    Neighboring bits of a pHash belong to neighboring frequencies, which vary together: a band should not hold many.
    """
    nibble = np.arange(63) * step % 64
    return np.stack([nibble // 16, nibble % 16 * 4, np.full(63, 4)], axis=1).reshape(21, 3, 3)


_PLANS = {
    256: BandPlan(bits=256, max_radius_bits=31, pieces=np.stack([_nibbles(13), _nibbles(25)])),
    64: BandPlan(
        bits=64,
        max_radius_bits=8,
        pieces=np.array([[[[0, 7 * band, 7]] for band in range(9)]], np.int64),
    ),
}


def band_plan(bits: int) -> BandPlan:
    """Return how codes of this many bits are split. Raises `ValueError` for a length that no plan is made for."""
    if bits not in _PLANS:
        raise ValueError(f"no search for codes of {bits} bits; they have {' or '.join(map(str, sorted(_PLANS)))}")
    return _PLANS[bits]


@lru_cache
def promised_recall(bits: int, distance_bits: int, *, num_samples: int = 300_000) -> float:
    """Return a share of the pairs at exactly this distance that is found, at the least.

    1 where nothing can be missed. Elsewhere the lower end of a 99.9 % confidence interval, over pairs whose differing
    bits are drawn evenly; those of real copies lie closer together, and leave more bands whole.
    """
    plan = band_plan(bits)
    if distance_bits <= plan.exact_up_to_bits:
        return 1.0
    missed = int((~_are_met(_differing(bits, distance_bits, num_samples), plan)).sum())
    return float(1 - (missed + 3.3 * np.sqrt(missed) + 6.91) / num_samples)  # 6.91 = -ln .001, where none is missed


def _differing(bits: int, distance_bits: int, num_samples: int) -> npt.NDArray[np.uint64]:
    random, blocks = np.random.default_rng([bits, distance_bits]), []
    for start in range(0, num_samples, 10_000):
        order = random.random((min(10_000, num_samples - start), bits), dtype=np.float32)
        chosen = np.argpartition(order, distance_bits - 1, axis=1)[:, :distance_bits]
        flags = np.zeros(order.shape, np.uint8)
        np.put_along_axis(flags, chosen, 1, axis=1)
        blocks.append(np.packbits(flags, axis=1, bitorder="little"))
    return np.concatenate(blocks).view(np.uint64)


def _are_met(differing_NW: npt.NDArray[np.uint64], plan: BandPlan) -> npt.NDArray[np.bool_]:
    met = np.zeros(len(differing_NW), np.bool_)
    for banding in plan.pieces:
        errors = np.zeros((len(differing_NW), plan.num_bands), np.int64)
        for band, pieces in enumerate(banding):
            for word, shift, width in pieces:
                piece = differing_NW[:, word] >> np.uint64(shift) & np.uint64((1 << width) - 1)
                errors[:, band] += np.bitwise_count(piece)
        met |= (errors + np.roll(errors, -1, axis=1) <= 1).any(axis=1)
    return met
