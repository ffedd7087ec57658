"""Find the frame around a picture: a uniform border that somebody put there. A background is no frame."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_DEPTH = 0.2
"""Deepest frame, as a share of the side, on each of its ends."""
RINGING = 24
"""Levels by which a few pixels of a frame's row may be off: what JPEG leaves beside an edge."""
RINGING_SHARE = 0.05
SEEN = 6
"""Levels from a frame's color at which a pixel is another."""
STEP = 12
"""Levels that most pixels must rise by within `STEP_ROWS` where the frame ends."""
STEP_ROWS = 6
INSIDE_SHARE = 0.75
"""Share of the first row inside that must differ from the frame, so that a drawing on white is not cut to its
outline."""
AGREE_PX = 1

OPEN = 0
"""A side that the picture reaches, with no border."""
UNCLEAR = -1
"""A side that begins uniform, and where no edge ends it: sky, black stage, white paper."""

# Shapes: R rows from one side inward, W pixels along the side, H and W height and width.
Levels = NDArray[np.int16]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """How wide a frame is on each side, in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    def inside(self, image: Image.Image) -> Image.Image:
        """Return the picture without its frame."""
        return image.crop((self.left, self.top, image.width - self.right, image.height - self.bottom))


def find_frame(image: Image.Image) -> Frame | None:
    """Return the frame of a picture, to the pixel, or none.

    A frame is even to a few levels of luminance, at most `MAX_DEPTH` of the side wide, ends in an edge along most of
    the side, and is as wide on opposite sides, if not on all. Where part of the picture has the frame's own tone, an
    edge is found too late or not at all; then the other sides say how wide it is: the opposite one, or two that agree.
    A picture cut out on the very tone of the frame has no edges, and no frame.
    """
    levels_HW = np.asarray(image.convert("L"), np.int16)
    height, width = levels_HW.shape
    tall, wide = int(height * MAX_DEPTH) + 2, int(width * MAX_DEPTH) + 2
    top, bottom = _depth(levels_HW[:tall]), _depth(levels_HW[::-1][:tall])
    within = levels_HW[max(top, 0) : height - max(bottom, 0)].T
    left, right = _depth(within[:wide]), _depth(within[::-1][:wide])
    across = levels_HW[:, max(left, 0) : width - max(right, 0)]
    ends = [(left, within), (right, within[::-1]), (top, across), (bottom, across[::-1])]
    tones = [_tone(levels_RW) for _, levels_RW in ends]
    depths = [_if_filled(depth, levels_RW) for depth, levels_RW in ends]
    frame_tone = np.median([tone for tone, depth in zip(tones, depths, strict=True) if depth > 0] or [0])
    is_other = [abs(tone - frame_tone) > 2 * SEEN for tone in tones]
    return _agreed([OPEN if depth < 0 and other else depth for depth, other in zip(depths, is_other, strict=True)])


def _agreed(depths: list[int]) -> Frame | None:
    """Return the frame that the depths at left, right, top and bottom speak for, or none where they contradict."""
    known_depths = sorted(depth for depth in depths if depth > 0)
    agreed = [depth for depth, next_ in pairwise(known_depths) if next_ - depth <= AGREE_PX]
    if len(known_depths) < 2 or (not agreed and UNCLEAR in depths):
        return None
    widths = []
    for pair in (depths[:2], depths[2:]):
        low, high = sorted(pair)
        if low == OPEN < high or (low, high) == (UNCLEAR, OPEN):
            return None
        # What looks like the frame can only make it look wider, so the narrower side is right.
        widths.append(low if low >= 0 else high if high > 0 else agreed[0])
    return Frame(left=widths[0], top=widths[1], right=widths[0], bottom=widths[1])


def _tone(levels_RW: Levels) -> float:
    return float(np.median(levels_RW[0]))


def _depth(levels_RW: Levels) -> int:
    """Return the rows of a uniform border that ends in an edge, or `OPEN`, or `UNCLEAR`."""
    apart_RW = np.abs(levels_RW - np.int16(_tone(levels_RW)))
    if (apart_RW[0] > RINGING).mean() > RINGING_SHARE or np.median(apart_RW[0]) > SEEN:
        return OPEN
    quarter = levels_RW.shape[1] // 4  # the middle half lies between the borders of the other sides
    middle_R = np.median(apart_RW[:, quarter : levels_RW.shape[1] - quarter], axis=1)
    seen = np.flatnonzero(middle_R > SEEN)
    if not len(seen) or (rise := middle_R[seen[0] :][:STEP_ROWS]).max() < STEP:
        return UNCLEAR
    depth = int(seen[0] + np.argmax(rise >= rise.max() / 2))  # ringing before it is less than half
    if depth >= len(levels_RW) - 1:
        return UNCLEAR
    border_RW = apart_RW[: max(1, depth - 2)]  # an enlarged edge is two rows soft
    is_noisy = (border_RW > max(RINGING, rise.max() / 2)).mean(axis=1).max() > RINGING_SHARE
    is_uneven = np.median(border_RW, axis=1).max() > max(SEEN, rise.max() / 4)
    return UNCLEAR if is_noisy or is_uneven else depth


def _if_filled(depth: int, levels_RW: Levels) -> int:
    """Return the depth unless less than `INSIDE_SHARE` of the first row inside differs from the border."""
    if depth <= 0:
        return depth
    differs = np.abs(levels_RW[depth + 1] - np.int16(_tone(levels_RW))) > SEEN
    return depth if differs.mean() >= INSIDE_SHARE else UNCLEAR
