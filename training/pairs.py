"""Pictures and the tokens of their captions, for the text encoder: as arrays to map, and a block of them read.

pixels         (N, 3, H, W) uint8
tokens         (captions, L) int32: the tokens of each distinct caption, padded
caption_of     (choices) for each sample after the other, its captions
caption_ends   (choices) the running sum of their weights, which are 1 for each sample
"""

# Shapes: N samples, B batch, C color channels, H and W height and width in pixels, L tokens.

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from byline.catalog.corpora.manifest import Release, Shard
from byline.training.decoded import Bytes, decode
from byline.training.encoded import drawn_captions
from byline.training.encoded_shards import make_choices
from byline.training.feed import Group, Inputs, even_parts, new_tensor, places_of
from byline.training.feed_files import NewArrays
from byline.training.order import Ints
from byline.training.samples import read_samples

FLIP, CAPTION, NUM_UNIFORM = range(3)
"""What the uniform numbers of a sample decide, and how many there are."""
Tokens = npt.NDArray[np.int32]


def tokenize(tokenizer: PreTrainedTokenizerFast, captions: Sequence[str]) -> Tokens:
    """Return the tokens of each caption, `(captions, L)`: cut off, or padded, at the most that the model reads."""
    length = tokenizer.model_max_length
    read = tokenizer(list(captions), padding="max_length", truncation=True, max_length=length)
    return np.array(read["input_ids"], np.int32).reshape(-1, length)


def make_pairs(
    release: Release, shard: Shard, tokenizer: PreTrainedTokenizerFast, side_px: int, new: NewArrays
) -> None:
    """Make the arrays of a shard."""
    samples = read_samples(release, shard)
    pixels = new.new("pixels", (len(samples.pictures), 3, side_px, side_px), np.uint8)
    for row, picture in enumerate(decode(samples.pictures, (side_px, side_px))):
        pixels[row] = picture
    distinct = sorted({caption for of_sample in samples.weighted for caption in of_sample})
    tokens = tokenize(tokenizer, distinct)
    new.new("tokens", tokens.shape, np.int32)[:] = tokens
    make_choices(samples.weighted, {caption: number for number, caption in enumerate(distinct)}, new)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """How pairs become the network's inputs. See `training.feed.Gather`."""

    flip_prob: float
    device: torch.device

    def gather(self, groups: list[Group], uniform_NU: Tensor) -> "PairsBlock":
        """Read the samples of a block."""
        chosen = [drawn_captions(group, uniform_NU[group.samples, CAPTION].numpy()) for group in groups]
        return PairsBlock(
            pixels=np.concatenate([group.arrays["pixels"][group.rows] for group in groups]),
            tokens=np.concatenate(
                [group.arrays["tokens"][captions] for group, captions in zip(groups, chosen, strict=True)]
            ),
            places=places_of(groups),
            is_mirrored=uniform_NU[:, FLIP] < self.flip_prob,
            device=self.device,
        )


@dataclass(frozen=True, kw_only=True)
class PairsBlock:
    """The samples of a block, read. See `training.feed.Reading`."""

    pixels: Bytes
    """`(N, 3, H, W)`, not in the block's order: `places` has where each sample is."""
    tokens: Tokens
    """`(N, L)`, as `pixels`."""
    places: Ints
    is_mirrored: Tensor
    device: torch.device

    def passes(self, step: range, size: int, normal: Tensor) -> list[Inputs]:
        """Return pictures as bytes and the tokens of their captions."""
        return [self._inputs(part) for part, _ in even_parts(step, size)]

    def _inputs(self, part: slice) -> Inputs:
        places = self.places[part]
        pixels_BCHW = new_tensor((len(places), *self.pixels.shape[1:]), torch.uint8, self.device)
        np.take(self.pixels, places, axis=0, out=pixels_BCHW.numpy(), mode="clip")
        mirrored = self.is_mirrored[part]
        pixels_BCHW[mirrored] = pixels_BCHW[mirrored].flip(-1)
        return pixels_BCHW, torch.from_numpy(self.tokens[places].astype(np.int64))
