"""Vectors of an embedding under a key: cosines are kept, and without the key they are noise.

They are turned by a matrix that only the key tells, so two of them keep their angle. What that shows to who finds them
is how alike the pictures are to each other.
"""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

VECTOR = "vector"
"""Kind of the entries: the value is the instrument that made the vector, by which alone it is compared."""
ALIKE_FROM = 0.7
"""Cosine from which pictures are copies of what is taken down; a policy whose `min_cosine` is greater refuses fewer."""
Vectors = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class KeyedVectors:
    """Vectors under one key, by the HMAC of their instrument."""

    key: bytes
    turned: Mapping[bytes, Vectors]

    @classmethod
    def of(cls, key: bytes, entries: Iterable[tuple[bytes, bytes]]) -> "KeyedVectors":
        """Return them from instrument and keyed vector of each."""
        by_instrument: dict[bytes, list[bytes]] = {}
        for instrument, vector in sorted(set(entries)):
            by_instrument.setdefault(instrument, []).append(vector)
        return cls(
            key=key,
            turned={
                name: np.stack([np.frombuffer(data, "<f4") for data in all]) for name, all in by_instrument.items()
            },
        )

    @property
    def kinds(self) -> set[str]:
        """The kind of the entries, if there are any."""
        return {VECTOR} if self.turned else set()

    def alike(self, instrument: bytes, vectors_ND: Floats, min_cosine: float) -> npt.NDArray[np.bool_]:
        """Tell which unit vectors, as they were made, have at least this cosine with any."""
        denied = self.turned.get(instrument)
        if denied is None or not len(vectors_ND) or denied.shape[1] != vectors_ND.shape[1]:
            return np.zeros(len(vectors_ND), np.bool_)
        cosines = turn(self.key, vectors_ND) @ denied.T
        return np.asarray((cosines >= min_cosine).any(axis=1))


def turn(key: bytes, vectors_ND: Floats) -> Vectors:
    """Return vectors turned as the key says, at unit length."""
    turned = vectors_ND.astype(np.float64) @ _rotation(key, vectors_ND.shape[1])
    lengths = np.linalg.norm(turned, axis=1, keepdims=True)
    return np.asarray(turned / np.where(lengths > 0, lengths, 1), np.float32)


@lru_cache(maxsize=4)
def _rotation(key: bytes, dim: int) -> npt.NDArray[np.float64]:
    """Return an orthogonal matrix, drawn uniformly: Q of a Gaussian one, with the signs of R's diagonal."""
    seed = int.from_bytes(hmac.digest(key, f"rotation {dim}".encode(), "sha256"))
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))
    return np.asarray(q * np.sign(np.diagonal(r)))
