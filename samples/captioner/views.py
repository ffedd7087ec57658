"""Pictures as they are shown in training: turned, moved, larger or smaller, on another ground, a little lighter."""

# Shapes: B pictures, four channels (red, green, blue, opacity), H and W height and width in pixels.

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from samples.captioner.network import IMAGE_PX, MEAN, STD

_TURN = 15 * math.pi / 180
_SCALE = (0.75, 1.3)
"""How much of the picture's side is shown; over 1 there is ground around it."""
_SHIFT = 0.12
_ON_WHITE = 0.75
"""Share on white; the others lie on a light color."""


def augmented(
    pixels_B4HW: npt.NDArray[np.uint8], may_mirror_B: npt.NDArray[np.bool_], random: np.random.Generator
) -> Tensor:
    """Return views of pictures, `(B, 3, IMAGE_PX, IMAGE_PX)`, as the network reads them.

    Hues stay as they are: there are words for them.
    """
    n = len(pixels_B4HW)
    rgba_B4HW = torch.from_numpy(pixels_B4HW).float() / 255
    opacity_B1HW = rgba_B4HW[:, 3:]
    moved_B4HW = _moved(torch.cat([rgba_B4HW[:, :3] * opacity_B1HW, opacity_B1HW], 1), may_mirror_B, random)
    ground_B311 = torch.from_numpy(random.uniform(0.6, 1, (n, 3, 1, 1))).float()
    ground_B311[torch.from_numpy(random.random(n) < _ON_WHITE)] = 1.0
    shown_B3HW = moved_B4HW[:, :3] + (1 - moved_B4HW[:, 3:]) * ground_B311
    light_B111 = torch.from_numpy(random.uniform(0.85, 1.1, (n, 1, 1, 1))).float()
    return ((shown_B3HW * light_B111).clamp(0, 1) - MEAN) / STD


def _moved(x_B4HW: Tensor, may_mirror_B: npt.NDArray[np.bool_], random: np.random.Generator) -> Tensor:
    n = len(x_B4HW)
    angle, scale = random.uniform(-_TURN, _TURN, n), random.uniform(*_SCALE, n)
    mirror = np.where(may_mirror_B & (random.random(n) < 0.5), -1.0, 1.0)
    shift_B2 = random.uniform(-_SHIFT, _SHIFT, (n, 2))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    rows_B23 = np.stack([mirror * cos, -sin, shift_B2[:, 0], mirror * sin, cos, shift_B2[:, 1]], 1).reshape(n, 2, 3)
    grid = functional.affine_grid(torch.from_numpy(rows_B23).float(), [n, 4, IMAGE_PX, IMAGE_PX], align_corners=False)
    return functional.grid_sample(x_B4HW, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
