"""How a stored picture looks, in the measures that tell copies of it."""

from byline.catalog.denylists.denylist import Look
from byline.dedup.decoding import decode
from byline.dedup.hashes import phash256, pixel_digest
from byline.dedup.quality import is_flat
from byline.dedup.views import views_of
from byline.pipelines.facts.measures import MEASURED_PX


def look_of(stored: bytes) -> Look:
    """Return the look of a stored picture (the JPEG that a pack keeps of it)."""
    image = decode(stored, at_least_px=MEASURED_PX)
    return Look(
        pixels=pixel_digest(image),
        phash256=phash256(image),
        is_flat=is_flat(image),
        views=tuple((view.kind, view.code) for view in views_of(image)),
    )
