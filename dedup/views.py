"""The ways in which a picture is looked at when copies are sought: turned, without its frame, and both.

Two pictures are copies when any view of one, or one as it is (`UPRIGHT`), is near any of the other.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from byline.catalog.corpora.facts import instrument_name
from byline.dedup.colors import GRID, GRID_BYTES, color_grid
from byline.dedup.frames import find_frame
from byline.dedup.hashes import HASH_INSTRUMENT, hash_of_frequencies, low_frequencies
from byline.dedup.quality import is_flat

UPRIGHT, TURNED, TRIMMED, TRIMMED_TURNED = range(4)
"""Kinds of views. The upright one is stored in columns of its own, never in a list of views."""
KIND_NAMES = ("upright", "turned", "trimmed", "trimmed and turned")
ALL_VIEWS = ("turned", "trimmed")
"""Views that are no upright one, by the names that policies and the columns of facts use."""
CODE_BYTES = 32
VIEW_BYTES = 1 + CODE_BYTES + GRID_BYTES
AMBIGUOUS = 0.03
"""Absolute value below which a number that decides how to turn a picture is too near zero: both ways are kept. A copy
is lost only when a change moves the number by twice as much; JPEG, scaling and 20 % of brightness or contrast move it
by 0.01 to 0.05."""
VIEW_INSTRUMENT = f"{HASH_INSTRUMENT}-{instrument_name('views', '1', [AMBIGUOUS, GRID])}"

_DECIDING = 8  # frequencies a side: what decides must not hang on fine detail
_X = np.arange(_DECIDING)
_ALONG_X = (_X[None] ** 2 - _X[:, None] ** 2) / np.maximum(1, _X[None] ** 2 + _X[:, None] ** 2)
_ODD = (-1.0) ** np.arange(16)

# Shapes: N rows, V views of all rows.
UnpackedViews = tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True, kw_only=True, order=True)
class View:
    """One look at a picture."""

    kind: int
    code: bytes
    """The pHash of 256 bits of the picture looked at so."""
    colors: bytes
    """Its `dedup.colors.color_grid`."""


def kinds_of(names: Collection[str]) -> NDArray[np.uint8]:
    """Return the kinds of the views of these names: trimmed ones that are turned too only where both are named."""
    named = {TURNED: {"turned"}, TRIMMED: {"trimmed"}, TRIMMED_TURNED: {"turned", "trimmed"}}
    return np.array([kind for kind, needed in named.items() if needed <= set(names)], np.uint8)


def views_of(image: Image.Image) -> tuple[View, ...]:
    """Return what a picture looks like when it is turned in a standard way, and without a frame; sorted.

    All eight flips and quarter turns of a picture share a turned view, up to the rounding of pixels. What equals the
    upright picture, or a view of an earlier kind, is left out. A flat picture has no views. Flatten transparency first.
    """
    if is_flat(image):
        return ()
    upright, *turned = _looks(image, UPRIGHT)
    views = {(upright.code, upright.colors): upright}
    for view in (*turned, *_trimmed(image)):
        views.setdefault((view.code, view.colors), view)
    return tuple(sorted(view for view in views.values() if view.kind != UPRIGHT))


def pack_views(views: Iterable[View]) -> bytes:
    """Return views as one value: kind, code and colors of each (81 bytes), sorted and without repetition."""
    return b"".join(bytes([view.kind]) + view.code + view.colors for view in sorted(set(views)))


def unpack_views(packed_N: pa.ChunkedArray) -> UnpackedViews:
    """Return the row, kind, code and colors of all views of a binary column; an empty or missing value has none."""
    rows, views = rows_of_views(packed_N)
    kind_V, code_V32, colors_V48 = np.split(views, [1, 1 + CODE_BYTES], axis=1)
    return rows, kind_V[:, 0].copy(), np.ascontiguousarray(code_V32), np.ascontiguousarray(colors_V48)


def rows_of_views(packed_N: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the rows of all views of a binary column, ascending, and the views: `(V, VIEW_BYTES)`.

    The views of a column of one chunk are not copied.
    """
    blocks, first = [], 0
    for chunk in packed_N.chunks:
        if len(chunk):
            blocks.append(_unpack(chunk.cast(pa.large_binary()), first))
        first += len(chunk)
    if len(blocks) == 1:
        return blocks[0]
    return (
        np.concatenate([np.zeros(0, np.int64), *(row for row, _ in blocks)]),
        np.concatenate([np.zeros((0, VIEW_BYTES), np.uint8), *(views for _, views in blocks)]),
    )


def split_views(packed_N: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """Return the views that are only turned, and those that are trimmed, each packed as before."""
    rows, views = rows_of_views(packed_N)
    turned = views[:, 0] == TURNED
    return (
        packed_views(rows[turned], views[turned], len(packed_N)),
        packed_views(rows[~turned], views[~turned], len(packed_N)),
    )


def packed_views(row_V: NDArray[np.int64], views: NDArray[np.uint8], num_rows: int) -> pa.Array:
    """Return a binary column of views `(V, VIEW_BYTES)`, which are given with their rows, in ascending order."""
    ends = np.cumsum(np.bincount(row_V, minlength=num_rows)) * VIEW_BYTES
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    data = np.ascontiguousarray(views).tobytes()
    return pa.BinaryArray.from_buffers(pa.binary(), num_rows, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _unpack(chunk: pa.Array, first: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    _, offsets, data = chunk.buffers()
    edges = np.frombuffer(offsets, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
    sizes = np.where(chunk.is_valid().to_numpy(zero_copy_only=False), np.diff(edges), 0)
    if (sizes % VIEW_BYTES).any():
        row = int(np.flatnonzero(sizes % VIEW_BYTES)[0])
        raise ValueError(f"views of row {first + row} have {sizes[row]} bytes, no multiple of {VIEW_BYTES}")
    counts = sizes // VIEW_BYTES
    rows = np.repeat(np.arange(len(chunk)), counts)
    bytes_all = np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8)
    if sizes.sum() < edges[-1] - edges[0]:  # a missing value may still have bytes
        bytes_all = bytes_all[edges[0] : edges[-1]][np.repeat(sizes > 0, np.diff(edges))]
    else:
        bytes_all = bytes_all[edges[0] : edges[-1]]
    return rows + first, bytes_all.reshape(-1, VIEW_BYTES)


def _trimmed(image: Image.Image) -> Iterator[View]:
    frame = find_frame(image)
    if frame is not None and not is_flat(inside := frame.inside(image)):
        yield from _looks(inside, TRIMMED)


def _looks(image: Image.Image, kind: int) -> Iterator[View]:
    """Yield the picture as it is, of this kind, then its turned views, of the next kind."""
    low, colors = low_frequencies(image.convert("L")), color_grid(image)
    yield View(kind=kind, code=hash_of_frequencies(low), colors=colors)
    cells = np.frombuffer(colors, np.uint8).reshape(GRID, GRID, 3)
    for turn in canonical_turns(low):
        yield View(
            kind=kind + 1, code=hash_of_frequencies(turn.of_frequencies(low)), colors=turn.of_cells(cells).tobytes()
        )


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One of the eight flips and quarter turns: flip left to right, flip top to bottom, then swap the axes."""

    flip_x: bool
    flip_y: bool
    swap: bool

    def of_frequencies(self, low: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the frequencies of the turned picture: a flip changes the sign of the odd ones."""
        low = low * (_ODD[None] if self.flip_x else 1) * (_ODD[:, None] if self.flip_y else 1)
        return low.T if self.swap else low

    def of_cells(self, cells: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the turned grid of colors (rows, columns, channels)."""
        cells = cells[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        return cells.swapaxes(0, 1) if self.swap else cells


def canonical_turns(low: NDArray[np.float64]) -> list[Turn]:
    """Return the turns that bring a picture into its standard orientation: one, and more where that is ambiguous.

    There it is darker on the right and below than on the left and above, and changes more from left to right than from
    top to bottom. Each is said by a number in `[-1, 1]` that does not depend on contrast.
    """
    power = low[:_DECIDING, :_DECIDING] ** 2
    power[0, 0] = 0
    total = max(float(power.sum()), np.finfo(float).tiny)
    along_x = float((power * _ALONG_X).sum()) / total
    flip_x, flip_y, swap = (_ways(value) for value in (low[0, 1] / np.sqrt(total), low[1, 0] / np.sqrt(total), along_x))
    return [Turn(flip_x=x, flip_y=y, swap=s) for x, y, s in product(flip_x, flip_y, swap)]


def _ways(value: float) -> tuple[bool, ...]:
    """Return whether to change the sign of a deciding number; both, where it is ambiguous."""
    return (False, True) if abs(value) < AMBIGUOUS else (value < 0,)
