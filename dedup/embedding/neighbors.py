"""Which vectors are near each other: found by faiss, decided by one computation that no block or thread changes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from byline.catalog.configs.extras import require
from byline.catalog.errors import ConfigError

SIMILAR = np.dtype([("i", np.int64), ("j", np.int64), ("cosine", np.float32)])
"""Two rows of the vectors, `i` before `j`, and their cosine."""
_SLACK = 1e-4
"""How far below the threshold faiss looks: further than its float32 sums can be off."""
_BLOCK, _PAIRS = 2048, 65_536
"""Rows searched, and pairs decided, at once. They bound the memory and do not change the result."""
_MAX_PAIRS = 50_000_000
"""Most pairs, a gigabyte of them. Beyond that, the threshold finds kinds of pictures and not copies."""


def similar_pairs(vectors_ND: NDArray[np.float16], *, min_cosine: float) -> NDArray[np.void]:
    """Return every pair of rows with at least this cosine, sorted by `i` and `j`.

    Exact. Of equal vectors only the first is searched; the others pair with it alone, at cosine 1. So a million equal
    pictures cost a million pairs and not a million squared, and each of them is in reach of the first.
    Memory is the vectors in float32, the pairs, and what 2048 rows find; time is quadratic in the number of different
    vectors. Raises `ConfigError` for a threshold that finds more than 50 million pairs.
    """
    faiss = _faiss()
    vectors_ND = _checked(vectors_ND, min_cosine)
    firsts, first_of = _distinct(vectors_ND)
    units = _units(vectors_ND[firsts])
    index = faiss.IndexFlatIP(vectors_ND.shape[1])
    pairs = [_copies(first_of)]
    for start in range(0, len(units), _BLOCK):
        block = units[start : start + _BLOCK]
        index.add(block)  # so a block meets itself and what lies before it, and each pair is computed once
        j, i = _candidates(index, block, min_cosine)
        before = i < j + start
        pairs.append(_decided(vectors_ND, firsts[i[before]], vectors_ND, firsts[j[before] + start], min_cosine))
        _refuse_too_many(pairs, min_cosine)
    return _sorted(pairs)


def similar_to(old_ND: NDArray[np.float16], new_ND: NDArray[np.float16], *, min_cosine: float) -> NDArray[np.void]:
    """Return every pair of a row of `old` (`i`) and a row of `new` (`j`) with at least this cosine, sorted.

    With `similar_pairs(new)` this is what a search of all finds beyond `similar_pairs(old)`, except among equal
    vectors: here each is searched, so give only the first of each.
    """
    faiss = _faiss()
    old_ND, new_ND = _checked(old_ND, min_cosine), _checked(new_ND, min_cosine)
    if old_ND.shape[1] != new_ND.shape[1] and len(old_ND) and len(new_ND):
        raise ValueError(
            f"vectors of {old_ND.shape[1]} and {new_ND.shape[1]} numbers do not compare; embed both with one instrument"
        )
    index = faiss.IndexFlatIP(old_ND.shape[1])
    for start in range(0, len(old_ND), _BLOCK):
        index.add(_units(old_ND[start : start + _BLOCK]))
    pairs = [np.zeros(0, SIMILAR)]
    for start in range(0, len(new_ND) if len(old_ND) else 0, _BLOCK):
        j, i = _candidates(index, _units(new_ND[start : start + _BLOCK]), min_cosine)
        pairs.append(_decided(old_ND, i, new_ND, j + start, min_cosine))
        _refuse_too_many(pairs, min_cosine)
    return _sorted(pairs)


def _refuse_too_many(pairs: list[NDArray[np.void]], min_cosine: float) -> None:
    count = sum(map(len, pairs))
    if count > _MAX_PAIRS:
        raise ConfigError(
            f"more than {_MAX_PAIRS:,} pairs of pictures have a cosine of {min_cosine} or more, too many to decide by; "
            "take another embedding, or leave min_cosine out of the policy"
        )


def check_faiss() -> None:
    """Raise `ConfigError` where faiss is not installed. Loads nothing."""
    require("embedding", "a threshold on embeddings", "faiss", otherwise="leave min_cosine out")


def _faiss() -> Any:
    check_faiss()
    import faiss

    return faiss


def _checked(vectors_ND: NDArray[np.float16], min_cosine: float) -> NDArray[np.float16]:
    if not 0 < min_cosine <= 1:
        raise ValueError(f"min_cosine must be above 0 and at most 1, got {min_cosine}")
    if vectors_ND.ndim != 2 or vectors_ND.dtype != np.float16:
        raise ValueError(f"vectors must be float16 of shape (N, D), got {vectors_ND.dtype} {vectors_ND.shape}")
    for start in range(0, len(vectors_ND), _BLOCK):
        lengths = np.linalg.norm(vectors_ND[start : start + _BLOCK].astype(np.float32), axis=1)
        wrong = np.flatnonzero(~(np.abs(lengths - 1) < 0.01))
        if len(wrong):
            raise ValueError(
                f"vector {start + wrong[0]} has length {lengths[wrong[0]]:.3f}, expected 1: the column is damaged; "
                "embed the pictures again"
            )
    return np.ascontiguousarray(vectors_ND)


def _distinct(vectors_ND: NDArray[np.float16]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row of each distinct vector, ascending, and for each row the first one equal to it."""
    if not len(vectors_ND):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    plus_zero = vectors_ND + np.float16(0)  # -0 and 0 are one number and two spellings
    rows = plus_zero.view(np.dtype((np.void, plus_zero.shape[1] * 2))).ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    return np.sort(first), first[inverse]


def _copies(first_of: NDArray[np.int64]) -> NDArray[np.void]:
    rows = np.arange(len(first_of))
    copies = rows[first_of != rows]
    return _table(first_of[copies], copies, np.ones(len(copies), np.float32))


def _units(vectors_ND: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return them in float32, each of length 1 again: rounding to float16 had moved it."""
    floats = vectors_ND.astype(np.float32)
    return np.asarray(floats / np.linalg.norm(floats, axis=1, keepdims=True), np.float32)


def _candidates(
    index: Any, block_ND: NDArray[np.float32], min_cosine: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows of the block and rows of the index that may be near."""
    limits, _, rows = index.range_search(block_ND, min_cosine - _SLACK)
    return np.repeat(np.arange(len(block_ND)), np.diff(limits.astype(np.int64))), rows


def _decided(
    left_ND: NDArray[np.float16],
    i: NDArray[np.int64],
    right_ND: NDArray[np.float16],
    j: NDArray[np.int64],
    min_cosine: float,
) -> NDArray[np.void]:
    """Keep the pairs whose cosine, summed in float64 in one order and rounded to float32, reaches the threshold."""
    kept = [np.zeros(0, SIMILAR)]
    for start in range(0, len(i), _PAIRS):
        rows_i, rows_j = i[start : start + _PAIRS], j[start : start + _PAIRS]
        cosine = _cosines(left_ND[rows_i].astype(np.float64), right_ND[rows_j].astype(np.float64))
        near = cosine >= np.float32(min_cosine)
        kept.append(_table(rows_i[near], rows_j[near], cosine[near]))
    return np.concatenate(kept)


def _cosines(left_PD: NDArray[np.float64], right_PD: NDArray[np.float64]) -> NDArray[np.float32]:
    dots = (left_PD * right_PD).sum(axis=1)
    lengths = np.sqrt((left_PD * left_PD).sum(axis=1) * (right_PD * right_PD).sum(axis=1))
    return np.asarray(np.minimum(dots / lengths, 1.0), np.float32)


def _table(i: NDArray[np.int64], j: NDArray[np.int64], cosine: NDArray[np.float32]) -> NDArray[np.void]:
    table = np.zeros(len(i), SIMILAR)
    table["i"], table["j"], table["cosine"] = i, j, cosine
    return table


def _sorted(tables: list[NDArray[np.void]]) -> NDArray[np.void]:
    table = np.concatenate(tables)
    return np.asarray(table[np.lexsort((table["j"], table["i"]))])
