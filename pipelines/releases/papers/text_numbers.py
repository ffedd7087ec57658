"""A number for each text of a column, so that equal texts are found by sorting numbers and no text is kept."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Words = npt.NDArray[np.uint64]
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ODD_1, _ODD_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def text_numbers(texts: pa.ChunkedArray) -> Words:
    """Return 64 bits for each text, the same for equal texts on any machine; null is the empty text.

    Texts that differ have different numbers but by chance: among 70 million the odds of one pair are 1 in 7,000. It is
    no digest: who wants to can make two texts of one number.
    """
    if not len(texts):
        return np.zeros(0, np.uint64)
    text = pc.fill_null(texts, "").combine_chunks()
    offsets = np.frombuffer(text.buffers()[1], np.int32)[text.offset : text.offset + len(text) + 1].astype(np.int64)
    starts, sizes = offsets[:-1] - offsets[0], np.diff(offsets)
    data = np.frombuffer(text.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    padded = np.concatenate([data, np.zeros(8, np.uint8)])
    word_at = np.ndarray((len(data) + 1,), "<u8", buffer=padded, strides=(1,))
    numbers = _mixed(sizes.astype(np.uint64))
    rows, done = np.flatnonzero(sizes), 0
    while len(rows):  # once for each 8 bytes of the longest text
        left = sizes[rows] - done
        unused_bits = (8 * np.maximum(8 - left, 0)).astype(np.uint64)
        numbers[rows] = _mixed(numbers[rows] ^ (word_at[starts[rows] + done] & (_ALL >> unused_bits)))
        rows, done = rows[left > 8], done + 8
    return numbers


def _mixed(words: Words) -> Words:
    """Return words whose every bit depends on every bit of the one before, each from one (SplitMix64's last step)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ words >> np.uint64(30)) * _ODD_1
    words = (words ^ words >> np.uint64(27)) * _ODD_2
    return np.asarray(words ^ words >> np.uint64(31), np.uint64)
