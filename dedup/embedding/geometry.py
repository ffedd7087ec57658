"""Move pictures on tensors: cut windows out of them, and lay one over another."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """A box of each picture, in units of half its sides from its middle: center 0 and scale 1 are all of it."""

    center: NDArray[np.float64]
    """Centers, (B, 2), to the right and down."""
    scale: NDArray[np.float64]
    """Scales of width and height, (B, 2); a negative width mirrors."""
    angle: NDArray[np.float64] | None = None
    """Angles in radians, (B,)."""


def warp(pixels_BCHW: Tensor, boxes: Boxes, *, side_px: int) -> Tensor:
    """Return what lies in the boxes, (B, C, side, side); outside the pictures there are zeros."""
    return _sample(pixels_BCHW, _matrices(boxes), side_px)


def paste(canvas_BCHW: Tensor, stamps_BCHW: Tensor, boxes: Boxes) -> Tensor:
    """Lay stamps of four channels, the last one opacity, over the boxes of a square canvas of three."""
    if not len(stamps_BCHW):
        return canvas_BCHW
    stamps = stamps_BCHW.clone()
    stamps[:, :3] *= stamps[:, 3:]  # so that no color bleeds in from where the stamp is clear
    inverse = torch.linalg.inv(_matrices(boxes))
    placed = _sample(stamps, inverse, canvas_BCHW.shape[-1])
    return canvas_BCHW * (1 - placed[:, 3:]) + placed[:, :3]


def _sample(pixels_BCHW: Tensor, matrices_B33: Tensor, side_px: int) -> Tensor:
    shape = [len(pixels_BCHW), pixels_BCHW.shape[1], side_px, side_px]
    grid = affine_grid(matrices_B33[:, :2].float(), shape, align_corners=False)
    return grid_sample(pixels_BCHW, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _matrices(boxes: Boxes) -> Tensor:
    count = len(boxes.center)
    angle = np.zeros(count) if boxes.angle is None else boxes.angle
    matrices = np.zeros((count, 3, 3))
    matrices[:, 0, 0], matrices[:, 0, 1] = boxes.scale[:, 0] * np.cos(angle), -boxes.scale[:, 1] * np.sin(angle)
    matrices[:, 1, 0], matrices[:, 1, 1] = boxes.scale[:, 0] * np.sin(angle), boxes.scale[:, 1] * np.cos(angle)
    matrices[:, :2, 2] = boxes.center
    matrices[:, 2, 2] = 1
    return torch.from_numpy(matrices)
