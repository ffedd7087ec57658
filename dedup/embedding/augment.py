"""Edit pictures as people do who copy them, on tensors: crop, mirror, frame, paste over, recolor, blur, encode."""

import numpy as np
import simplejpeg
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from byline.dedup.embedding.geometry import Boxes, paste, warp

# Shapes: B batch, C channels, H and W height and width. Everything is RGB in [0, 1].


def edited(scenes_BCHW: Tensor, stamps_NCHW: NDArray[np.uint8], random: np.random.Generator, *, side_px: int) -> Tensor:
    """Return (B, 3, side, side): every scene edited by its own draw, some of them hardly."""
    count = len(scenes_BCHW)
    gentle = random.random(count) < 0.3
    views = _cropped_or_framed(scenes_BCHW, gentle, random, side_px)
    views = _stamped(views, stamps_NCHW, gentle, random)
    views = _recolored(views, gentle, random)
    views = _blurred(views, random)
    return _encoded(views.clamp(0, 1), random)


def _cropped_or_framed(scenes: Tensor, gentle: NDArray[np.bool_], random: np.random.Generator, side_px: int) -> Tensor:
    """Crop to 30-100 % of the area with a changed shape, or frame, by a color or by another picture as in a collage."""
    count = len(scenes)
    area = np.where(gentle, random.uniform(0.9, 1.0, count), random.uniform(0.3, 1.0, count))
    shape = np.exp(random.uniform(-1, 1, count) * np.where(gentle, 0.02, 0.25))
    scale = np.minimum(np.stack([np.sqrt(area) * shape, np.sqrt(area) / shape], axis=1), 1.0)
    center = random.uniform(-1, 1, (count, 2)) * (1 - scale)
    framed = (random.random(count) < 0.25) & ~gentle
    outer = random.uniform(1.0, 1.5, (int(framed.sum()), 2))
    scale[framed], center[framed] = outer, random.uniform(-1, 1, outer.shape) * (outer - 1)
    scale[:, 0] *= np.where(random.random(count) < 0.3, -1, 1)
    tilted = (random.random(count) < 0.15) & ~gentle
    boxes = Boxes(center=center, scale=scale, angle=np.where(tilted, random.normal(0, 0.12, count), 0.0))
    opaque = torch.cat([scenes, torch.ones_like(scenes[:, :1])], dim=1)
    moved = warp(opaque, boxes, side_px=side_px)
    color = torch.from_numpy(random.choice([0.0, 0.0, 1.0, 1.0, 0.5, 0.3, 0.8], (count, 3)).astype(np.float32))
    color[::2] = color[::2, :1]
    ground = color[:, :, None, None].expand(-1, -1, side_px, side_px).clone()
    collage = np.flatnonzero(framed & (random.random(count) < 0.5))
    others = (collage + 1 + int(random.integers(count - 1))) % count
    if len(collage):
        ground[collage] = interpolate(scenes[others], (side_px, side_px), mode="bilinear", align_corners=False)
    return moved[:, :3] + (1 - moved[:, 3:]) * ground


def _stamped(
    views: Tensor, stamps_NCHW: NDArray[np.uint8], gentle: NDArray[np.bool_], random: np.random.Generator
) -> Tensor:
    """Paste up to three drawings or lines of words over half of the pictures."""
    views = views.clone()
    for chance in (0.5, 0.3, 0.2):
        used = np.flatnonzero((random.random(len(views)) < chance) & ~gentle)
        stamps = torch.from_numpy(stamps_NCHW[random.integers(0, len(stamps_NCHW), len(used))]).float() / 255
        stamps[:, 3] *= torch.from_numpy(random.uniform(0.5, 1.0, (len(used), 1, 1)).astype(np.float32))
        size = np.exp(random.uniform(np.log(0.12), np.log(0.5), (len(used), 1)))
        shape = np.exp(random.uniform(-0.3, 0.3, (len(used), 1)))
        boxes = Boxes(
            center=random.uniform(-0.9, 0.9, (len(used), 2)),
            scale=np.concatenate([size * shape, size / shape], axis=1),
            angle=random.normal(0, 0.3, len(used)) * (random.random(len(used)) < 0.3),
        )
        views[used] = paste(views[used], stamps, boxes)
    return views


def _recolored(views: Tensor, gentle: NDArray[np.bool_], random: np.random.Generator) -> Tensor:
    """Change brightness, contrast, saturation, tint and gamma; a tenth becomes gray."""
    count = len(views)
    strength = np.where(gentle, 0.2, 1.0)[:, None]

    def drawn(spread: float, columns: int = 1) -> Tensor:
        numbers = np.exp(random.uniform(-spread, spread, (count, columns)) * strength)
        return torch.from_numpy(numbers.astype(np.float32))[:, :, None, None]

    views = views.clamp(1e-3, 1).pow(drawn(0.3)) * drawn(0.3) * drawn(0.1, 3)
    middle = views.mean(dim=(1, 2, 3), keepdim=True)
    views = (views - middle) * drawn(0.4) + middle
    gray = (views * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1, keepdim=True)
    saturation = drawn(0.6)
    saturation[torch.from_numpy((random.random(count) < 0.1) & ~gentle)] = 0
    return (views - gray) * saturation + gray


def _blurred(views: Tensor, random: np.random.Generator) -> Tensor:
    """Shrink a quarter and enlarge it again; add noise to a tenth."""
    views = views.clone()
    side_px = views.shape[-1]
    for rows in np.array_split(np.flatnonzero(random.random(len(views)) < 0.3), 4):
        small = int(side_px * random.uniform(0.3, 0.9))
        if len(rows):
            shrunk = interpolate(views[rows], (small, small), mode="bilinear", antialias=True)
            views[rows] = interpolate(shrunk, (side_px, side_px), mode="bilinear", align_corners=False)
    noisy = np.flatnonzero(random.random(len(views)) < 0.1)
    noise = random.standard_normal((len(noisy), *views.shape[1:]), dtype=np.float32) * random.uniform(0.01, 0.08)
    views[noisy] += torch.from_numpy(noise.astype(np.float32))
    return views


def _encoded(views: Tensor, random: np.random.Generator) -> Tensor:
    """Pass a third through a JPEG of quality 20 to 90."""
    views = views.clone()
    for row in np.flatnonzero(random.random(len(views)) < 0.33):
        pixels = (views[row].permute(1, 2, 0) * 255).round().byte().contiguous().numpy()
        data = simplejpeg.encode_jpeg(pixels, quality=int(random.integers(20, 91)))
        views[row] = torch.from_numpy(simplejpeg.decode_jpeg(data)).permute(2, 0, 1).float() / 255
    return views
