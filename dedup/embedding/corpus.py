"""The pictures that the copy-detection embedding learns from and is measured on: decoded once, split by groups."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PHOTO_PX, DRAWING_PX, MIN_PHOTO_PX = 256, 96, 100
HELD_OUT_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class Photographs:
    """Paths of photographs, and for each the group of those that show the same scene or belong to one set."""

    paths: tuple[Path, ...]
    groups: tuple[str, ...]


def photographs(folder: Path, *, held_out: bool) -> Photographs:
    """Return the photographs of at least 100 px of one side of the split, in order of their names.

    A digest of the group decides the side, so that copies, sizes and details of one picture never sit on both.
    """
    paths = [path for path in sorted(folder.glob("*.jpg")) if max(Image.open(path).size) >= MIN_PHOTO_PX]
    chosen = [path for path in paths if is_held_out(group_of(path)) is held_out]
    return Photographs(paths=tuple(chosen), groups=tuple(group_of(path) for path in chosen))


def group_of(path: Path) -> str:
    """Return the name without what tells copies apart: `-again`, `-smaller`, and the part of a castle or a painting."""
    name = re.sub(r"-(again|smaller)$", "", path.stem)
    details = re.match(r"gcompris-details-[^-]+(?=-)", name)
    return details.group() if details else name


def is_held_out(group: str) -> bool:
    """Return whether a group is kept from training: a fifth of them is."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:4], "big") < HELD_OUT_SHARE * 2**32


def load_photographs(paths: Sequence[Path]) -> NDArray[np.uint8]:
    """Return (N, 3, 256, 256), squashed to squares."""
    side = (PHOTO_PX, PHOTO_PX)
    images = [Image.open(path).convert("RGB").resize(side, Image.Resampling.BICUBIC) for path in paths]
    return np.stack([np.asarray(image).transpose(2, 0, 1) for image in images])


def load_drawings(folder: Path) -> NDArray[np.uint8]:
    """Return (N, 4, 96, 96), red, green, blue and opacity, in order of the names."""
    side = (DRAWING_PX, DRAWING_PX)
    images = [Image.open(path).convert("RGBA").resize(side) for path in sorted(folder.glob("*.png"))]
    return np.stack([np.asarray(image).transpose(2, 0, 1) for image in images])
