"""Read a block of encoded samples: latents and texts, for the denoising network."""

# Shapes: B batch, C latent channels, H and W latent height and width, L and T tokens, D width of a token.

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from byline.diffusion.autoencoder import normalize
from byline.diffusion.noise import Noising
from byline.diffusion.pixel_space import PixelSpace
from byline.diffusion.pixels import to_network
from byline.diffusion.routing import kept_tokens
from byline.training.encoded_shards import spread
from byline.training.feed import Group, Inputs, Scratch, even_parts, new_tensor, places_of
from byline.training.order import Ints

Halves = npt.NDArray[np.float16]
Stored = Halves | npt.NDArray[np.uint8]
"""Latents as the network's numbers, or pixels as bytes."""
DROP, TIME, CAPTION, FLIP, NUM_UNIFORM = range(5)
"""What the uniform numbers of a sample decide, and how many there are; of a routed run each token has one more."""
LENGTHS = 8
"""Texts of a pass are padded to a multiple of this, so that a compiled network meets few lengths."""


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """How encoded samples become a network's inputs. See `training.feed.Gather`."""

    autoencoder: AutoencoderKL | PixelSpace
    no_text: Halves
    """`(L, D)`: what takes the place of a caption that is dropped."""
    caption_drop_prob: float
    flip_prob: float
    max_tokens: int
    noising: Noising
    device: torch.device
    routing_share: float = 0.0
    """The part of a picture's tokens that skip blocks."""
    patch_size: int = 1
    """The side of a token, in latents or pixels; of no account where none skips."""
    scratch: Scratch = field(default_factory=Scratch)

    def gather(self, groups: list[Group], uniform_NU: Tensor) -> "EncodedBlock":
        """Read the samples of a block."""
        flipped = uniform_NU[:, FLIP] < self.flip_prob
        return EncodedBlock(
            encoded=self,
            latents=_latents(groups, flipped.numpy(), self.scratch),
            shapes=_shapes(groups),
            places=places_of(groups),
            texts=self._texts(groups, uniform_NU.numpy()),
            times=self.noising.times(uniform_NU[:, TIME]),
            is_mirrored=flipped,
            token_draws=uniform_NU[:, NUM_UNIFORM:],
        )

    def _texts(self, groups: list[Group], uniform_NU: npt.NDArray[np.float32]) -> "Texts":
        starts, lengths = zip(*(_choose(group, uniform_NU[group.samples, CAPTION]) for group in groups), strict=True)
        dropped = [uniform_NU[group.samples, DROP] < self.caption_drop_prob for group in groups]
        kept = [np.where(out, 0, length) for out, length in zip(dropped, lengths, strict=True)]
        total = sum(int(length.sum()) for length in kept)
        width, none = self.no_text.shape[1], len(self.no_text)
        tokens_TD = self.scratch.array("tokens", (total + none + 1, width), np.float16)
        tokens_TD[total:-1], tokens_TD[-1] = self.no_text, 0
        at = 0
        for group, start, length in zip(groups, starts, kept, strict=True):
            rows = spread(start, length)
            np.take(group.arrays["tokens"], rows, axis=0, out=tokens_TD[at : at + len(rows)], mode="clip")
            at += len(rows)
        out, length, places = np.concatenate(dropped), np.concatenate(kept), places_of(groups)
        return Texts(
            tokens=tokens_TD,
            starts=np.where(out, total, np.cumsum(length) - length)[places],
            lengths=np.where(out, none, length)[places],
        )


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Token vectors of the samples of a block."""

    tokens: Halves
    """`(T, D)`, end to end; the last row is zero."""
    starts: Ints
    lengths: Ints

    def padded(self, part: slice | Ints, max_tokens: int, device: torch.device) -> Tensor:
        """Return texts, `(B, L, D)` float16; shorter ones are padded with zeros."""
        starts, lengths = self.starts[part, None], self.lengths[part, None]
        within = np.arange(min(max_tokens, -(-int(lengths.max()) // LENGTHS) * LENGTHS))
        rows = np.where(within < lengths, starts + within, len(self.tokens) - 1)
        text_BLD = new_tensor((*rows.shape, self.tokens.shape[1]), torch.float16, device)
        np.take(self.tokens, rows, axis=0, out=text_BLD.numpy(), mode="clip")
        return text_BLD


@dataclass(frozen=True, kw_only=True)
class EncodedBlock:
    """The samples of a block, read. See `training.feed.Reading`."""

    encoded: Encoded
    latents: Stored
    """`(N, parts, C, H, W)`, not in the block's order: `places` has where each sample is. With shapes `(N, parts, F)`,
    where a sample has `C H W` numbers and then zeros."""
    shapes: Ints | None
    """`(N, 2)`, heights and widths, in the block's order; None where all have one shape."""
    places: Ints
    texts: Texts
    times: Tensor
    is_mirrored: Tensor
    """Which pictures are to be mirrored. Of latents that is done: there is a view of them."""
    token_draws: Tensor
    """A number in `[0, 1)` for each token that a picture may have; none where no token skips blocks."""

    def passes(self, step: range, size: int, normal: Tensor) -> list[Inputs]:
        """Return normalized latents, noise, timesteps, captions, and where some skip blocks the tokens that do not."""
        if self.shapes is None:
            return [self._inputs(part, normal[within]) for part, within in even_parts(step, size)]
        inputs = []
        for within in _alike(self.shapes[step.start : step.stop], size):
            part = step.start + within
            height, width = self.shapes[part[0]].tolist()
            shape = (self.encoded.autoencoder.config.latent_channels, height, width)
            inputs.append(self._inputs(part, _unflat(normal[torch.from_numpy(within)], shape), shape))
        return inputs

    def _inputs(self, part: slice | Ints, normal: Tensor, shape: tuple[int, int, int] | None = None) -> Inputs:
        encoded, taken = self.encoded, torch.from_numpy(self.latents[self.places[part]])
        if taken.dtype == torch.uint8:
            mirrored = self.is_mirrored[part]
            taken[mirrored] = taken[mirrored].flip(-1)
        taken = to_network(taken) if taken.dtype == torch.uint8 else taken.float()
        if shape is not None:
            taken = _unflat(taken, shape)
        noise_BCHW, raw_BCHW = normal[:, 0].contiguous(), taken[:, 0]
        if taken.shape[1] > 1:
            raw_BCHW = raw_BCHW + taken[:, 1] * normal[:, 1]
        x0_BCHW = normalize(encoded.autoencoder, raw_BCHW)
        if encoded.device.type == "cuda":
            x0_BCHW = x0_BCHW.pin_memory()
            noise_BCHW = noise_BCHW.pin_memory() if shape is not None else noise_BCHW
        inputs = x0_BCHW, noise_BCHW, self.times[part], self.texts.padded(part, encoded.max_tokens, encoded.device)
        if encoded.routing_share == 0:
            return inputs
        num_tokens = x0_BCHW.shape[2] * x0_BCHW.shape[3] // encoded.patch_size**2
        return *inputs, kept_tokens(self.token_draws[part][:, :num_tokens], encoded.routing_share)


def _latents(groups: list[Group], flipped: npt.NDArray[np.bool_], scratch: Scratch) -> Stored:
    """Return the latents of the samples, `(N, parts, C, H, W)`, end to end."""
    first = groups[0].arrays["latents"]
    latents = scratch.array("latents", (len(flipped), *first.shape[2:]), first.dtype)
    at = 0
    for group in groups:
        views = group.arrays["latents"].shape[1]
        by_view = group.arrays["latents"].reshape(-1, *first.shape[2:])
        rows = group.rows * views + flipped[group.samples] * (views - 1)
        np.take(by_view, rows, axis=0, out=latents[at : at + len(rows)], mode="clip")
        at += len(rows)
    return latents


def _shapes(groups: list[Group]) -> Ints | None:
    """Return the shapes of latents, in the block's order."""
    if "shapes" not in groups[0].arrays:
        return None
    together = np.concatenate([group.arrays["shapes"][group.rows] for group in groups])
    return together[places_of(groups)].astype(np.int64)


def _alike(shapes: Ints, size: int) -> Iterator[Ints]:
    """Yield the numbers of samples that have one shape, as evenly as `size`, the most of them, allows."""
    _, kinds = np.unique(shapes, axis=0, return_inverse=True)
    for kind in range(int(kinds.max()) + 1):
        samples = np.flatnonzero(kinds.ravel() == kind)
        yield from np.array_split(samples, -(-len(samples) // size))


def _unflat(values: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Return the first of the numbers of each part of each sample, in their shape."""
    channels, height, width = shape
    return values[..., : channels * height * width].reshape(*values.shape[:-1], *shape)


def drawn_captions(group: Group, uniform: npt.NDArray[np.float32]) -> Ints:
    """Return the number of each sample's caption; of several one comes as often as its weight says."""
    choice = np.searchsorted(group.arrays["caption_ends"], group.rows + uniform.astype(np.float64), side="right")
    captions: Ints = group.arrays["caption_of"][choice].astype(np.int64)
    return captions


def _choose(group: Group, uniform: npt.NDArray[np.float32]) -> tuple[Ints, Ints]:
    """Return where the tokens of each sample's caption start, and how many they are."""
    caption, ends = drawn_captions(group, uniform), group.arrays["token_ends"]
    starts = np.where(caption > 0, ends[caption - 1], 0)
    return starts, ends[caption] - starts
