"""pHashes of real pictures and of changed copies of them, 100,000 in all."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from byline.dedup.hashes import perceptual_hashes
from harness.pictures import flattened

SAMPLES = Path(__file__).parents[1] / "samples"
COPIES = 8
"""Of each picture, changed."""

Codes = NDArray[np.uint8]


def sample_pictures() -> list[Path]:
    """Return the 430 photographs and 2,801 drawings among the samples."""
    return [*sorted((SAMPLES / "photographs").glob("*.jpg")), *sorted((SAMPLES / "drawings").glob("*.png"))]


def changed_copies(image: Image.Image, seed: int) -> Iterator[Image.Image]:
    """Yield the picture, and copies of another brightness, size and JPEG quality: the same in every run."""
    random = np.random.default_rng(seed)
    yield image
    for _ in range(COPIES):
        scale = random.uniform(0.5, 1.5)
        copy = image.resize((max(16, int(image.width * scale)), max(16, int(image.height * scale))))
        sink = BytesIO()
        copy = ImageEnhance.Brightness(copy).enhance(random.uniform(0.8, 1.2))
        copy.save(sink, "JPEG", quality=int(random.integers(30, 96)))
        yield Image.open(sink).convert("RGB")


def _codes_of(job: tuple[int, Path]) -> list[tuple[bytes, bytes]]:
    seed, path = job
    return [perceptual_hashes(image) for image in changed_copies(flattened(path), seed)]


def real_codes(*, cache: Path) -> tuple[Codes, Codes]:
    """Return the different codes of 64 bits, and of 256, of all samples and their copies.

    Shuffled, the same in every run. Hashing takes a minute, so what `cache` keeps is not hashed again.
    """
    if not cache.exists():
        with ProcessPoolExecutor() as pool:
            code_pairs = [
                pair for pairs in pool.map(_codes_of, enumerate(sample_pictures()), chunksize=32) for pair in pairs
            ]
        short, long = (np.array([list(code) for code in column], np.uint8) for column in zip(*code_pairs, strict=True))
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, short=short, long=long)
    with np.load(cache) as kept:
        short, long = (
            np.random.default_rng(1).permutation(np.unique(kept[name], axis=0)) for name in ("short", "long")
        )
    return short, long


def filled(real: Codes, number: int) -> Codes:
    """Return this many codes, shuffled: the real ones, the first of them if they are more, and uniform ones."""
    random, real = np.random.default_rng(2), real[:number]
    uniform = random.integers(0, 256, (number - len(real), real.shape[1]), dtype=np.uint8)
    return random.permutation(np.concatenate([real, uniform]))
