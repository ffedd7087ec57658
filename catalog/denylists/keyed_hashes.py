"""Perceptual hashes under a key: near ones are still found, and without the key they are noise.

Their 256 bits are permuted and flipped in an order that only the key tells, which keeps every distance. What that shows
to who finds them is how far they are from each other.
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

VIEWED, UPRIGHT = "phash256", "phash256-upright"
KINDS = (VIEWED, UPRIGHT)
"""A hash that every look at a picture is compared with, and one that only the picture as it is is compared with."""
Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class KeyedHashes:
    """Hashes under one key, each with its radius."""

    key: bytes
    codes: Codes
    """The keyed hashes, `(N, 32)`."""
    radii: npt.NDArray[np.int64]
    is_viewed: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, key: bytes, entries: Iterable[tuple[str, bytes, int]]) -> "KeyedHashes":
        """Return them from kind, keyed code and radius of each; what is given twice is compared once."""
        unique = sorted(set(entries))
        return cls(
            key=key,
            codes=as_codes([code for _, code, _ in unique]),
            radii=np.array([radius for _, _, radius in unique], np.int64),
            is_viewed=np.array([kind == VIEWED for kind, _, _ in unique], np.bool_),
        )

    @property
    def kinds(self) -> set[str]:
        """Which of `KINDS` there are."""
        return {VIEWED if is_viewed else UPRIGHT for is_viewed in self.is_viewed.tolist()}

    def near(self, codes: Codes, *, are_views: bool) -> npt.NDArray[np.bool_]:
        """Tell which hashes, `(N, 32)`, as they were measured, are within the radius of any.

        They are of pictures as they are, or of views of them.
        """
        asked = self.is_viewed if are_views else np.ones(len(self.codes), np.bool_)
        is_near = np.zeros(len(codes), np.bool_)
        if not asked.any() or not len(codes):
            return is_near
        words_4N = np.ascontiguousarray(scramble(self.key, codes).view(np.uint64).T)
        for words_4, radius in zip(self.codes[asked].view(np.uint64), self.radii[asked].tolist(), strict=True):
            may_be = np.flatnonzero(np.bitwise_count(words_4N[0] ^ words_4[0]) <= radius)  # a quarter of the work
            if len(may_be):
                apart = np.bitwise_count(words_4N[:, may_be] ^ words_4[:, None]).sum(axis=0, dtype=np.int64)
                is_near[may_be[apart <= radius]] = True
        return is_near


def scramble(key: bytes, codes: Codes) -> Codes:
    """Return 256-bit codes, `(N, 32)`, with their bits permuted and flipped as the key says; distances stay."""
    order = np.argsort([hmac.digest(key, f"bit {bit}".encode(), "sha256") for bit in range(256)])
    mask = np.frombuffer(hmac.digest(key, b"mask", "sha256"), np.uint8)
    return np.packbits(np.unpackbits(codes, axis=1).take(order, axis=1), axis=1) ^ mask


def as_codes(hashes: Sequence[bytes]) -> Codes:
    """Return hashes as an array, `(N, 32)`."""
    return np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32)
