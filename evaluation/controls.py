"""Sets of pictures that are wrong on purpose: a measure is used only where it tells them from good ones."""

# Shapes: N pictures, C colors, H and W height and width in pixels.

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Pictures = npt.NDArray[np.uint8]
REPEATED = 5
"""How many pictures are repeated."""


def repeated(pixels_NCHW: Pictures) -> Pictures:
    """Return as many pictures, of which only the first few differ: a model that draws little else."""
    rows = np.arange(len(pixels_NCHW)) % REPEATED
    return pixels_NCHW[rows]


def blurred(pixels_NCHW: Pictures, share: float) -> Pictures:
    """Return the pictures blurred by a Gaussian of this share of their side."""
    sigma = share * pixels_NCHW.shape[-1]
    return _each(pixels_NCHW, lambda picture: np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma)))


def upside_down(pixels_NCHW: Pictures) -> Pictures:
    """Return the pictures upside down."""
    return np.ascontiguousarray(pixels_NCHW[:, :, ::-1])


def shuffled(pixels_NCHW: Pictures, parts: int, *, seed: int = 0) -> Pictures:
    """Return the pictures cut into `parts` times `parts` patches, each picture's in an order of its own."""
    side = pixels_NCHW.shape[-1] // parts
    random = np.random.default_rng(seed)
    shuffled_NCHW = pixels_NCHW.copy()
    for picture, mixed in zip(pixels_NCHW, shuffled_NCHW, strict=True):
        for position, taken in enumerate(random.permutation(parts**2)):
            (row, column), (row_of, column_of) = divmod(position, parts), divmod(int(taken), parts)
            patch = picture[:, row_of * side :, column_of * side :][:, :side, :side]
            mixed[:, row * side : (row + 1) * side, column * side : (column + 1) * side] = patch
    return shuffled_NCHW


def _each(pixels_NCHW: Pictures, change: Callable[[Pictures], Pictures]) -> Pictures:
    changed = [change(np.ascontiguousarray(picture.transpose(1, 2, 0))).transpose(2, 0, 1) for picture in pixels_NCHW]
    return np.stack(changed)


CONTROLS: dict[str, Callable[[Pictures], Pictures]] = {
    "blurred a little": lambda pixels: blurred(pixels, 1 / 64),
    "blurred": lambda pixels: blurred(pixels, 1 / 32),
    "blurred much": lambda pixels: blurred(pixels, 1 / 12),
    "upside down": upside_down,
    "patches shuffled, 2 x 2": lambda pixels: shuffled(pixels, 2),
    "patches shuffled, 4 x 4": lambda pixels: shuffled(pixels, 4),
    f"{REPEATED} pictures repeated": repeated,
}
"""Words -> what makes them of good pictures."""
