"""Decoded training pictures, for the autoencoder: as arrays to map, and a block of them read."""

# Shapes: N samples, B batch, C color channels, H and W height and width in pixels.

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from byline.catalog.corpora.manifest import Release, Shard
from byline.diffusion.pixels import shaped
from byline.training.feed import Group, Inputs, even_parts, new_tensor, places_of
from byline.training.feed_files import NewArrays
from byline.training.order import Ints
from byline.training.samples import read_samples

Bytes = npt.NDArray[np.uint8]
FLIP, NUM_UNIFORM = range(2)
DECODED_AHEAD = 256
"""Pictures of a shard that are decoded and not yet taken over."""


def decode(pictures: tuple[bytes, ...], shape_px: tuple[int, int]) -> Iterator[Bytes]:
    """Yield the pixels of each picture, decoded on every core, in this height and width.

    Threads do it: Pillow holds no lock of Python's while it decodes and resizes, and other processes would have to
    import for seconds, and to be handed what they decoded.
    """
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode") as pool:
        for start in range(0, len(pictures), DECODED_AHEAD):
            yield from pool.map(shaped, pictures[start : start + DECODED_AHEAD], [shape_px] * DECODED_AHEAD)


def make_decoded(release: Release, shard: Shard, side_px: int, new: NewArrays) -> None:
    """Make the array of a shard: `pixels`, `(N, 3, side_px, side_px)`."""
    pictures = read_samples(release, shard).pictures
    pixels = new.new("pixels", (len(pictures), 3, side_px, side_px), np.uint8)
    for row, picture in enumerate(decode(pictures, (side_px, side_px))):
        pixels[row] = picture


@dataclass(frozen=True, kw_only=True)
class DecodedBlock:
    """The pictures of a block, read. See `training.feed.Reading`."""

    pixels: Bytes
    """`(N, 3, H, W)`, not in the block's order: `places` has where each sample is."""
    places: Ints
    is_mirrored: Tensor
    device: torch.device

    def passes(self, step: range, size: int, normal: Tensor) -> list[Inputs]:
        """Return pictures as bytes, half of them mirrored, and the noise of their latents."""
        return [self._inputs(part, normal[within]) for part, within in even_parts(step, size)]

    def _inputs(self, part: slice, normal: Tensor) -> Inputs:
        places = self.places[part]
        pixels_BCHW = new_tensor((len(places), *self.pixels.shape[1:]), torch.uint8, self.device)
        np.take(self.pixels, places, axis=0, out=pixels_BCHW.numpy(), mode="clip")
        mirrored = self.is_mirrored[part]
        pixels_BCHW[mirrored] = pixels_BCHW[mirrored].flip(-1)
        return pixels_BCHW, normal


def gather_decoded(groups: list[Group], uniform_NU: Tensor, device: torch.device) -> DecodedBlock:
    """Read the pictures of a block."""
    pixels_NCHW = np.concatenate([group.arrays["pixels"][group.rows] for group in groups])
    return DecodedBlock(
        pixels=pixels_NCHW, places=places_of(groups), is_mirrored=uniform_NU[:, FLIP] < 0.5, device=device
    )
