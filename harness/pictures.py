"""Pictures that are made, not found: as heavy as those of the web, and the same in every run."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

WIDE = (1024, 768)


def a_jpeg(seed: int, *, size: tuple[int, int] = WIDE, noise: float = 0.0, quality: int = 90) -> bytes:
    """Return a JPEG of soft shapes of several sizes under noise of this standard deviation (of 255 levels)."""
    random = np.random.default_rng(seed)
    pixels = np.zeros((size[1], size[0], 3))
    for cells in (4, 16, 64):
        blobs = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        pixels += np.asarray(blobs.resize(size, Image.Resampling.BICUBIC), float) / cells * 2.3
    pixels += random.normal(0, noise, pixels.shape) if noise else 0.0
    sink = BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(sink, "JPEG", quality=quality)
    return sink.getvalue()


def flattened(path: Path) -> Image.Image:
    """Return a picture on white, in RGB."""
    with Image.open(path) as opened:
        drawn = opened.convert("RGBA")
    ground = Image.new("RGBA", drawn.size, "white")
    ground.alpha_composite(drawn)
    return ground.convert("RGB")
