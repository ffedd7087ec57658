"""The pictures of a release, as a model sees them."""

# Shapes: N pictures, C colors, H and W height and width in pixels.

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from byline.catalog.corpora.manifest import Release, Split
from byline.catalog.errors import CorpusError
from byline.catalog.json_text import parse_json
from byline.diffusion.drawn import METADATA
from byline.diffusion.pixels import square


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The samples of one split, sorted by SHA-256."""

    pixels_nchw: npt.NDArray[np.uint8]
    facts: tuple[dict[str, Any], ...]
    """What the release says about each one: `sha256`, `record_id`, `license`, `title`, `creator`, ..."""
    captions: tuple[str, ...]


def read_folder(folder: str | Path, *, side_px: int) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    """Return the pictures of a folder that `byline sample --prompts` drew, `(N, C, H, W)`, and the prompt of each.

    Raises `CorpusError` for a folder that is not whole.
    """
    folder_path = Path(folder)
    try:
        rows = [parse_json(line) for line in (folder_path / METADATA).read_text(encoding="utf-8").splitlines()]
        pixels = [square((folder_path / row["file_name"]).read_bytes(), side_px) for row in rows]
    except (OSError, ValueError, KeyError) as error:
        raise CorpusError(f"{folder} is no folder of drawn pictures: {error}; draw it with byline sample") from error
    if not rows:
        raise CorpusError(f"{folder} has no pictures; draw some with byline sample --prompts")
    return np.stack(pixels), tuple(str(row["text"]) for row in rows)


def read_pictures(release: Release, split: Split, *, side_px: int, most: int | None = None) -> Pictures:
    """Read a split, whole or its first shards. Raises `CorpusError` when it is empty.

    A hash decides in which shard a picture lies, so the first `most` are as good as any.
    """
    samples = (sample for shard in release.shards(split) for sample in release.samples(shard))
    pictures = [
        (json.loads(sample["json"]), square(sample["jpg"], side_px), sample["txt"].decode())
        for sample in islice(samples, most)
    ]
    if not pictures:
        raise CorpusError(f"release {release.name} has no {split} samples; build it with more images")
    pictures.sort(key=lambda item: str(item[0]["sha256"]))
    return Pictures(
        pixels_nchw=np.stack([pixels for _, pixels, _ in pictures]),
        facts=tuple(facts for facts, _, _ in pictures),
        captions=tuple(caption for _, _, caption in pictures),
    )
