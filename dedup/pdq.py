"""PDQ (Facebook 2019) of 256 bits, and how far it can be trusted. Needs the extra `pdq`."""

import numpy as np
from PIL import Image

from byline.catalog.extras import require

MIN_QUALITY = 50
"""Below it, PDQ's authors advise, a hash says nothing."""
REDUCED_PX = 640
"""Shorter side to which `dedup.decoding.decode` may shrink before: at most 10 bits off then, on sharp photographs."""


def pdq(image: Image.Image) -> tuple[bytes, int]:
    """Return the PDQ hash (32 bytes) and its quality, 0 to 100, bit for bit those of PDQ's reference code.

    The hash is of what the reference makes of the picture in RGB; give it a reduced decode to spare its slow filter.
    Refuses transparency.
    """
    check_pdqhash()
    import pdqhash

    if image.has_transparency_data:
        raise ValueError(f"picture of mode {image.mode} has transparency; flatten it on a background first")
    bits, quality = pdqhash.compute(np.asarray(image.convert("RGB")))
    return np.packbits(bits).tobytes(), int(quality)


def check_pdqhash() -> None:
    """Raise `ConfigError` where the library is not installed. Loads nothing."""
    require("pdq", "PDQ", "pdqhash", otherwise="leave pdq out")
