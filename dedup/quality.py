"""Four numbers about how much a picture shows: sharpness, flatness, contrast, spread."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from byline.catalog.corpora.facts import instrument_name

FLAT_FROM = 0.95
"""A picture of this flatness or more is recognized by equal pixels only: its hash says nothing."""
LONGER_SIDE_PX = 512
FLATNESS_LEVELS = 16
QUALITY_INSTRUMENT = instrument_name(
    "quality", "2", {"longer_side_px": LONGER_SIDE_PX, "flatness_levels": FLATNESS_LEVELS}
)


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Numbers of one picture, all but the last of its luminance (ITU-R 601) at a longer side of at most 512 px."""

    sharpness: float
    """Variance of the 4-neighbor Laplacian, in `[0, 1020**2]`: below about 100 a photograph looks blurred."""
    flatness: float
    """Largest share of pixels within any 16 neighboring luminance levels of 256, in `(0, 1]`; 1 is one flat tone."""
    contrast: float
    """Standard deviation of the luminance over 255, in `[0, 0.5]`."""
    spread: int
    """Greatest difference of two levels of one channel, of the picture as it is, in `[0, 255]`; 0 is one tone."""


def measure_quality(image: Image.Image) -> Quality:
    """Measure one picture. It is shrunk first, never enlarged, so that two sizes of one picture compare.

    A picture under 3 px on a side has sharpness 0. Transparency is ignored: flatten it first.
    """
    gray = _small_gray(image)
    luminance_HW = np.asarray(gray, dtype=np.float32)
    return Quality(
        sharpness=_laplacian_variance(luminance_HW),
        flatness=_flatness(gray),
        contrast=float(luminance_HW.std(dtype=np.float64)) / 255,
        spread=_spread(image),
    )


def is_flat(image: Image.Image) -> bool:
    """Return whether `measure_quality` would call it `FLAT_FROM` or flatter; cheaper, where nothing else is asked."""
    return _flatness(_small_gray(image)) >= FLAT_FROM


def _small_gray(image: Image.Image) -> Image.Image:
    gray = image.convert("L")
    gray.thumbnail((LONGER_SIDE_PX, LONGER_SIDE_PX), Image.Resampling.BOX, reducing_gap=None)
    return gray


def _spread(image: Image.Image) -> int:
    rgb = image if image.mode == "RGB" else image.convert("RGB")  # which would copy
    extrema = cast("tuple[tuple[int, int], ...]", rgb.getextrema())
    return max(most - least for least, most in extrema)


def _laplacian_variance(luminance_HW: NDArray[np.float32]) -> float:
    if min(luminance_HW.shape) < 3:
        return 0.0
    center = luminance_HW[1:-1, 1:-1]
    vertical = luminance_HW[:-2, 1:-1] + luminance_HW[2:, 1:-1]
    horizontal = luminance_HW[1:-1, :-2] + luminance_HW[1:-1, 2:]
    return float((vertical + horizontal - 4 * center).var(dtype=np.float64))


def _flatness(gray: Image.Image) -> float:
    # A sliding window: with fixed bins, noise at a bin's edge would halve a flat picture's share.
    counts = np.asarray(gray.histogram())
    window = np.convolve(counts, np.ones(FLATNESS_LEVELS, dtype=counts.dtype), mode="valid")
    return int(window.max()) / int(counts.sum())
