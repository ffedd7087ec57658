"""Finding near-duplicates exactly, beside the exhaustive search. python -m benchmarks.pair_search"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.side_by_side import measure, table, write_section
from dedup.neighbors import near_pairs

SIZES = (2000, 8000, 32000)
RADIUS_BITS = 31
BLOCK = 256


def _codes(number: int) -> NDArray[np.uint8]:
    """Random codes, one in ten of them with a near copy."""
    random = np.random.default_rng(0)
    codes = random.integers(0, 256, (number, 32), dtype=np.uint8)
    copies = codes[: number // 10].copy()
    copies[:, 0] ^= 0b101
    codes[-len(copies) :] = copies
    return codes


def exhaustive_pairs(codes: NDArray[np.uint8]) -> int:
    """Count the pairs within the radius by comparing all, in blocks, on 64-bit words."""
    words, found = codes.view(np.uint64), 0
    for start in range(0, len(words), BLOCK):
        block = words[start : start + BLOCK]
        distance = np.bitwise_count(block[:, None] ^ words[None, start + 1 :]).sum(2, dtype=np.uint16)
        later = np.arange(start + 1, len(words)) > np.arange(start, start + len(block))[:, None]
        found += int(((distance <= RADIUS_BITS) & later).sum())
    return found


if __name__ == "__main__":
    rows = []
    for size in SIZES:
        codes = _codes(size)
        assert exhaustive_pairs(codes) == len(near_pairs(codes, radius_bits=RADIUS_BITS))
        rows.append(
            measure(
                size,
                lambda c=codes: near_pairs(c, radius_bits=RADIUS_BITS),  # type: ignore[misc]
                lambda c=codes: exhaustive_pairs(c),  # type: ignore[misc]
                rounds=3,
            )
        )
    write_section(
        "Pair search",
        "python -m benchmarks.pair_search",
        f"All pairs of 256-bit codes within {RADIUS_BITS} bits; both find the same number of pairs.\n\n"
        + table("codes", "dedup.neighbors", "exhaustive, numpy", rows),
    )
