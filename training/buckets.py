"""Shapes that pictures are cropped to in place of a square, and the nearest one to a picture. Loads no torch."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from byline.catalog.errors import ConfigError

Ints = npt.NDArray[np.int64]
Shape = tuple[int, int]
"""Height and width, in pixels."""


class BucketsConfig(BaseModel, frozen=True, extra="forbid"):
    """Crop each picture to the nearest of some shapes in place of a square. No shape has a larger area than that."""

    step_px: int = Field(default=64, ge=1)
    """Sides are multiples of this, as `resolution_px` must be. A phase of another resolution scales it likewise."""
    max_aspect: float = Field(default=2.0, ge=1, le=16)
    """The longer side of a shape is at most so many times the shorter one."""


@dataclass(frozen=True, kw_only=True)
class Buckets:
    """The shapes of a run. Their number in `shapes_px` is a bucket's name, and `steps` and `max_aspect` decide it.

    >>> Buckets(steps=4, step_px=64, max_aspect=2).shapes_px
    ((192, 320), (256, 256), (320, 192))
    """

    steps: int
    """The side of the square, in steps."""
    step_px: int
    max_aspect: float

    @cached_property
    def shapes_px(self) -> tuple[Shape, ...]:
        """The shapes: for each shorter side the longest side whose area is no larger than the square's, both ways."""
        pairs = ((short, self.steps**2 // short) for short in range(1, self.steps + 1))
        shapes = {shape for a, b in pairs if b <= a * self.max_aspect for shape in ((a, b), (b, a))}
        return tuple((height * self.step_px, width * self.step_px) for height, width in sorted(shapes))

    def nearest(self, sizes: Ints) -> Ints:
        """Return the buckets of pictures of these sizes, `(N, 2)`: height, width. The nearest aspect ratio decides.

        Of two that are as near the first one is taken. Ratios are quotients of integers, equal on any machine.
        """
        shapes = np.array(self.shapes_px, np.int64) // self.step_px
        across, along = sizes[:, :1] * shapes[:, 1], sizes[:, 1:] * shapes[:, 0]
        bucket_N: Ints = np.argmin(np.maximum(across, along) / np.minimum(across, along), axis=1)
        return bucket_N

    def require_multiple(self, factor: int, by: str) -> None:
        """Raise `ConfigError` when the sides are no multiples of a factor, by which something shrinks pictures."""
        if self.step_px % factor:
            raise ConfigError(
                f"buckets.step_px = {self.step_px} must be a multiple of {factor}, by which {by} shrink pictures"
            )


def buckets_of(config: BucketsConfig, resolution_px: int) -> Buckets:
    """Return the shapes around a square of this side. Raises `ValueError` where it is no whole number of steps."""
    steps, left = divmod(resolution_px, config.step_px)
    if left or not steps:
        raise ValueError(f"resolution_px = {resolution_px} must be a multiple of buckets.step_px = {config.step_px}")
    return Buckets(steps=steps, step_px=config.step_px, max_aspect=config.max_aspect)
