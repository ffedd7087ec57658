"""What one training example shows: a window of a photograph in some appearance, or drawings on a ground."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from byline.dedup.embedding.geometry import Boxes, paste, warp

# Shapes: B batch, C channels, H and W height and width.
SCENE_PX = 128
_PHOTO_SHARE = 0.6
"""Share of photographs among the examples; the others are drawings. There are ten times fewer photographs, and they are
what matters."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """The decoded training pictures, uint8 (N, C, H, W)."""

    photos: NDArray[np.uint8]
    groups: tuple[str, ...]
    drawings: NDArray[np.uint8]
    stamps: NDArray[np.uint8]
    """Drawings and words, with opacity, to be laid over pictures."""


def scenes(material: Material, batch: int, random: np.random.Generator) -> Tensor:
    """Return (B, 3, 128, 128) different scenes in `[0, 1]`; no two of them show one group of photographs."""
    num_photos = round(batch * _PHOTO_SHARE)
    photos = _photo_scenes(material, num_photos, random)
    return torch.cat([photos, _drawn_scenes(material, batch - len(photos), random)])


def _photo_scenes(material: Material, batch: int, random: np.random.Generator) -> Tensor:
    """Windows of half or more of a photograph, some turned or in other colors: few photographs become more."""
    chosen: dict[str, int] = {}
    for index in random.permutation(len(material.groups)):
        chosen.setdefault(material.groups[index], int(index))
    photos = _floats(material.photos[list(chosen.values())[:batch]])
    count = len(photos)
    scale = random.uniform(0.7, 1.0, (count, 2))
    center = random.uniform(-1, 1, (count, 2)) * (1 - scale)
    photos = warp(photos, Boxes(center=center, scale=scale), side_px=SCENE_PX)
    turned = torch.from_numpy(random.random(count) < 0.25)
    photos[turned] = photos[turned].transpose(2, 3)
    for row in np.flatnonzero(random.random(count) < 0.25):
        photos[row] = photos[row][torch.from_numpy(random.permutation(3))]
    upside_down = torch.from_numpy(random.random(count) < 0.2)
    photos[upside_down] = photos[upside_down].flip(2)
    return photos


def _drawn_scenes(material: Material, batch: int, random: np.random.Generator) -> Tensor:
    """One large drawing, or two to four anywhere, on a plain or a soft ground."""
    canvas = _grounds(batch, random)
    several = random.random(batch) < 0.6
    for layer in range(4):
        used = np.flatnonzero(random.random(batch) < 0.7) if layer else np.arange(batch)
        used = used if not layer else used[several[used]]
        drawings = _floats(material.drawings[random.integers(0, len(material.drawings), len(used))])
        scale = random.uniform(0.25, 0.7, (len(used), 1)).repeat(2, axis=1)
        center = random.uniform(-0.8, 0.8, (len(used), 2))
        if not layer:
            scale[~several] = random.uniform(0.8, 1.0, (int((~several).sum()), 1))
            center[~several] *= 0.1
        canvas[used] = paste(canvas[used], drawings, Boxes(center=center, scale=scale))
    return canvas


def _grounds(batch: int, random: np.random.Generator) -> Tensor:
    """White, one color, or soft blobs."""
    cells = torch.from_numpy(random.random((batch, 3, 4, 4), dtype=np.float32))
    soft = interpolate(cells, (SCENE_PX, SCENE_PX), mode="bicubic", align_corners=False).clamp(0, 1)
    kind = random.random(batch)
    plain = torch.from_numpy(kind < 0.5)
    soft[plain] = cells[plain, :, :1, :1]
    soft[torch.from_numpy(kind < 0.25)] = 1.0
    return soft


def _floats(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pixels).float() / 255
