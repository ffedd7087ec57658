"""Number what is equal: rows of bytes, however many, without a Python object for any."""

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint32]
FEW = 100_000
"""Rows that are sorted sooner than what is compiled is loaded, which takes half a second."""


def numbered(*blocks: npt.NDArray[np.uint8]) -> list[Numbers]:
    """Return numbers from 0 on, one a row of each block: equal rows have one number, in the order of first coming.

    So the rows of the first blocks are numbered as if the others were not there. Rows have a multiple of 8 bytes, and
    are fewer than 2^32. Takes 32 bytes a row, and where several blocks are not empty a copy of them all.
    """
    filled = [block for block in blocks if len(block)]
    first_of = _first_of_equals(filled[0] if len(filled) == 1 else np.concatenate([blocks[0][:0], *filled]))
    number = np.cumsum(first_of == np.arange(len(first_of), dtype=np.uint32), dtype=np.uint32) - np.uint32(1)
    return np.split(number[first_of], np.cumsum([len(block) for block in blocks])[:-1])


def _first_of_equals(rows: npt.NDArray[np.uint8]) -> Numbers:
    if len(rows) <= FEW:
        whole = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1]))).ravel()
        _, first, inverse = np.unique(whole, return_index=True, return_inverse=True)
        return np.asarray(first[inverse], np.uint32)
    from byline.dedup.neighbors import first_of_equals

    return first_of_equals(rows)


def num_of(*numbers: Numbers) -> int:
    """Return how many distinct numbers blocks have that `numbered` was given first."""
    return max((int(block.max()) + 1 for block in numbers if len(block)), default=0)
