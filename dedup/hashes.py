"""Perceptual hashes and exact digests of one decoded picture."""

import hashlib
from dataclasses import dataclass

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from byline.catalog.corpora.facts import instrument_name
from byline.dedup.decoding import decode, decode_gray

HASH_INSTRUMENT = instrument_name(
    "imagehash",
    imagehash.__version__,
    {"hash": "phash", "hash_sizes": [8, 16], "highfreq_factor": 4},
)
"""Name of the instrument, changed by a change of imagehash or of a setting. Pillow's version is not part of it: its
decoders and its resampling move a few bits at most, which a radius absorbs."""
REDUCED_PX = 128
"""Least shorter side from which `hashes_of_bytes` hashes: twice what the larger pHash looks at."""
_SIDE = 16  # of the larger pHash, in bits
_PIXELS_A_BIT = 4


@dataclass(frozen=True, kw_only=True)
class Hashes:
    """Hashes of one picture; `bytes.hex()` of each is imagehash's `str()`."""

    phash64: bytes
    phash256: bytes
    dhash64: bytes


def perceptual_hashes(image: Image.Image) -> tuple[bytes, bytes]:
    """Return the pHash of 64 bits (8 bytes) and of 256 bits (32 bytes), bit for bit those of `imagehash.phash`.

    `bytes.hex()` equals imagehash's `str()`. A bit is set where a frequency is above their median, so half of the bits
    are set and distances are even, except for pictures that are their own mirror image: there many frequencies are
    zero, and a new encoding decides their bits by noise. Refuses a picture with transparency: what it shows depends on
    the background that the caller has to choose.
    """
    _refuse_transparency(image)
    gray = image.convert("L")
    return _packed(imagehash.phash(gray, hash_size=8)), _packed(imagehash.phash(gray, hash_size=_SIDE))


def phash256(image: Image.Image) -> bytes:
    """Return the larger of the `perceptual_hashes` alone, by which copies are told. Refuses transparency."""
    _refuse_transparency(image)
    return _packed(imagehash.phash(image.convert("L"), hash_size=_SIDE))


def dhash(image: Image.Image) -> bytes:
    """Return the dHash of 64 bits (8 bytes), bit for bit that of `imagehash.dhash`. Refuses transparency."""
    _refuse_transparency(image)
    return _packed(imagehash.dhash(image.convert("L")))


def hashes_of_bytes(data: bytes, *, exact: bool = False) -> Hashes:
    """Return the hashes of a file; a transparent one is refused.

    Exact, they are those of imagehash for the picture in its full size. Otherwise they are those of the smallest
    picture that a JPEG's frequencies give at `REDUCED_PX`, in a fraction of the time: on photographs, a pHash at most
    2 bits of 64 and 8 of 256 away from the exact one (`benchmarks.hashing` counts). Sizes are the caller's to check, as
    in `decode`.
    """
    image = decode(data, at_least_px=None) if exact else decode_gray(data, at_least_px=REDUCED_PX)
    phash64, phash256 = perceptual_hashes(image)
    return Hashes(phash64=phash64, phash256=phash256, dhash64=dhash(image))


def low_frequencies(gray: Image.Image) -> NDArray[np.float64]:
    """Return the 16x16 lowest frequencies, rows vertical, that the pHash of 256 bits is made of."""
    import scipy.fftpack  # a quarter of a second, which verbs that hash nothing need not wait

    side = _SIDE * _PIXELS_A_BIT
    pixels = np.asarray(gray.resize((side, side), Image.Resampling.LANCZOS))
    frequencies = scipy.fftpack.dct(scipy.fftpack.dct(pixels, axis=0), axis=1)
    return np.asarray(frequencies[:_SIDE, :_SIDE])


def hash_of_frequencies(low: NDArray[np.float64]) -> bytes:
    """Return the pHash of 256 bits that these frequencies have."""
    return np.packbits(low > np.median(low)).tobytes()


def pixel_digest(image: Image.Image) -> str:
    """Return 64 hex digits, equal for two pictures exactly when their size and all their RGB values are equal."""
    _refuse_transparency(image)
    header = f"RGB {image.width}x{image.height}\n".encode()
    return hashlib.sha256(header + image.convert("RGB").tobytes()).hexdigest()


def _packed(image_hash: imagehash.ImageHash) -> bytes:
    return np.packbits(image_hash.hash).tobytes()


def _refuse_transparency(image: Image.Image) -> None:
    if image.has_transparency_data:
        raise ValueError(f"picture of mode {image.mode} has transparency; flatten it on a background first")
