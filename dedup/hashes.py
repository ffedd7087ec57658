"""Perceptual hashes and exact digests of one decoded picture."""

import hashlib

import imagehash
import numpy as np
from PIL import Image

from catalog.facts import instrument_name

HASH_INSTRUMENT = instrument_name(
    "imagehash",
    imagehash.__version__,
    {"hash": "phash", "hash_sizes": [8, 16], "highfreq_factor": 4},
)
"""Renamed by a change of imagehash or of a setting. Not by Pillow: its decoders and its resampling move a few bits at
most, which a radius absorbs."""


def perceptual_hashes(image: Image.Image) -> tuple[bytes, bytes]:
    """Return the pHash of 64 bits (8 bytes) and of 256 bits (32 bytes), bit for bit those of `imagehash.phash`.

    `bytes.hex()` equals imagehash's `str()`. Half of the bits are set, so distances are even, except for pictures that
    are their own mirror image: there many frequencies are zero, and a new encoding decides their bits by noise.
    Refuses a picture with transparency: what it shows depends on the background that the caller has to choose.
    """
    _refuse_transparency(image)
    gray = image.convert("L")
    return _packed(gray, hash_size=8), _packed(gray, hash_size=16)


def pixel_digest(image: Image.Image) -> str:
    """Return 64 hex digits, equal for two pictures exactly when their size and all their RGB values are equal."""
    _refuse_transparency(image)
    header = f"RGB {image.width}x{image.height}\n".encode()
    return hashlib.sha256(header + image.convert("RGB").tobytes()).hexdigest()


def _packed(gray: Image.Image, *, hash_size: int) -> bytes:
    return np.packbits(imagehash.phash(gray, hash_size=hash_size).hash).tobytes()


def _refuse_transparency(image: Image.Image) -> None:
    if image.has_transparency_data:
        raise ValueError(f"picture of mode {image.mode} has transparency; flatten it on a background first")
