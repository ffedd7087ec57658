"""How a stored picture looks, in the measures that tell copies of it."""

from io import BytesIO

from PIL import Image

from catalog.denylist import Look
from dedup.hashes import perceptual_hashes, pixel_digest
from dedup.quality import is_flat
from dedup.views import views_of


def look_of(stored: bytes) -> Look:
    """Return the look of a stored picture (the JPEG that a pack keeps of it)."""
    with Image.open(BytesIO(stored)) as opened:
        image = opened.convert("RGB")
    return Look(
        pixels=pixel_digest(image),
        phash256=perceptual_hashes(image)[1],
        is_flat=is_flat(image),
        views=tuple((view.kind, view.code) for view in views_of(image)),
    )
