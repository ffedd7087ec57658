"""The pictures of a release, as a model sees them."""

# Shapes: N pictures, C colors, H and W height and width in pixels.

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from byline.catalog.corpora.manifest import Release, Split
from byline.catalog.errors import CorpusError
from byline.diffusion.pixels import square


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The samples of one split, sorted by SHA-256."""

    pixels_nchw: npt.NDArray[np.uint8]
    facts: tuple[dict[str, Any], ...]
    """What the release says about each one: `sha256`, `record_id`, `license`, `title`, `creator`, ..."""
    captions: tuple[str, ...]


def read_pictures(release: Release, split: Split, *, side_px: int) -> Pictures:
    """Read a split whole. Raises `CorpusError` when it is empty."""
    found = [
        (json.loads(sample["json"]), square(sample["jpg"], side_px), sample["txt"].decode())
        for shard in release.shards(split)
        for sample in release.samples(shard)
    ]
    if not found:
        raise CorpusError(f"release {release.name} has no {split} samples; build it with more images")
    found.sort(key=lambda item: str(item[0]["sha256"]))
    return Pictures(
        pixels_nchw=np.stack([pixels for _, pixels, _ in found]),
        facts=tuple(facts for facts, _, _ in found),
        captions=tuple(caption for _, _, caption in found),
    )
