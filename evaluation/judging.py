"""What a simple drawing shows, found by code: its color, whether it is a heart, circle or square, a flag's stripes."""

# Shapes: C colors, H and W height and width in pixels.

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
_Shades = dict[str, tuple[tuple[int, int, int], ...]]
COLORS: _Shades = {
    "red": ((225, 60, 60),),
    "orange": ((240, 145, 35),),
    "yellow": ((250, 215, 70),),
    "green": ((120, 180, 70),),
    "blue": ((75, 160, 230),),
    "purple": ((165, 125, 205),),
    "brown": ((165, 95, 65),),
    "pink": ((250, 165, 200),),
    "grey": ((155, 155, 155),),
    "black": ((45, 45, 45),),
}
"""Color -> how it is drawn, in RGB. Which of them is nearest decides."""
STRIPE_COLORS: _Shades = {
    "red": ((205, 40, 45),),
    "orange": ((240, 135, 50),),
    "yellow": ((250, 210, 40),),
    "green": ((40, 145, 80), (150, 200, 70)),
    "blue": ((35, 75, 165), (90, 175, 225)),
    "black": ((30, 30, 30),),
    "white": ((245, 245, 245),),
}
SHAPES = ("heart", "circle", "square")
PAPER = 18.0
"""How far, in CIELAB, a pixel is from white to belong to what is drawn."""
DARK = 35.0
"""Lightness below which a pixel may be an outline."""
LEAST = 0.04
"""Share of the picture that must be drawn on."""
EDGE = 0.14
"""Share of a flag's side that is left out around it and between stripes: outlines and waves."""


def color_of(picture_chw: Picture) -> str | None:
    """Return the color of what is drawn on white, outlines aside; None where nearly nothing is."""
    lab = _lab(picture_chw)
    drawn = _is_drawn(lab)
    if drawn.mean() < LEAST:
        return None
    pixels = lab[drawn]
    bright = pixels[pixels[:, 0] >= DARK]
    return _nearest(bright if len(bright) > 0.4 * len(pixels) else pixels, COLORS)


def shape_of(picture_chw: Picture) -> str | None:
    """Return which of `SHAPES` what is drawn on white is; None where nearly nothing is.

    A square fills its box; a circle fills pi / 4 of it; a heart lacks the lower corners.
    """
    drawn = _is_drawn(_lab(picture_chw))
    if drawn.mean() < LEAST:
        return None
    box = _cropped(drawn, drawn)
    height, width = box.shape
    corner = max(1, min(height, width) // 5)
    top, bottom = box[:corner], box[-corner:]
    lower = (bottom[:, :corner].mean() + bottom[:, -corner:].mean()) / 2
    upper = (top[:, :corner].mean() + top[:, -corner:].mean()) / 2
    if min(lower, upper) > 0.6:
        return "square"
    ends = box[-corner:].mean() / max(box[:corner].mean(), 1e-6)
    return "heart" if ends < 0.6 else "circle"


def stripes_of(picture_chw: Picture, *, across: bool, num: int) -> tuple[str, ...] | None:
    """Return the colors of so many equal stripes of a flag on white, left to right if they are not `across`."""
    lab = _lab(picture_chw)
    drawn = _is_drawn(lab)
    if drawn.mean() < LEAST:
        return None
    flag = _cropped(lab, drawn)
    if across:
        flag = flag.transpose(1, 0, 2)
    down, right = (int(side * EDGE) for side in flag.shape[:2])
    flag = flag[down : flag.shape[0] - down, right // 2 : flag.shape[1] - right // 2]
    edges = np.linspace(0, flag.shape[1], num + 1).round().astype(int)
    colors = []
    for start, end in pairwise(edges):
        stripe = flag[:, start:end]
        inset = int(stripe.shape[1] * EDGE)
        colors.append(_nearest(stripe[:, inset : stripe.shape[1] - inset].reshape(-1, 3), STRIPE_COLORS))
    return tuple(colors)


def _lab(picture_chw: Picture) -> npt.NDArray[np.float32]:
    """Return the picture in CIELAB, `(H, W, 3)`."""
    rgb = np.ascontiguousarray(picture_chw.transpose(1, 2, 0)).astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB), np.float32)


def _is_drawn(lab: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    far: npt.NDArray[np.bool_] = np.linalg.norm(lab - np.asarray([100, 0, 0], np.float32), axis=2) > PAPER
    return far


def _cropped(values: npt.NDArray[np.generic], drawn: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return the box around what is drawn; single pixels do not widen it."""
    rows, columns = (np.flatnonzero(drawn.mean(axis) > 0.03) for axis in (1, 0))
    box = values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) and len(columns) else values
    return np.asarray(box, np.float32)


def _nearest(pixels: npt.NDArray[np.float32], colors: _Shades) -> str:
    """Return the name of the color that is nearest to the median; hue counts more than lightness."""
    named = [(name, shade) for name, shades in colors.items() for shade in shades]
    table = np.asarray([[shade for _, shade in named]], np.float32) / 255
    wanted = cv2.cvtColor(table, cv2.COLOR_RGB2LAB)[0]
    difference = (wanted - np.median(pixels, axis=0)) * np.asarray([0.5, 1, 1], np.float32)
    return named[int(np.linalg.norm(difference, axis=1).argmin())][0]
