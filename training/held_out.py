"""What a run is measured on while it trains: the first held-out samples of the release, as inputs of the network.

Pictures, noise and timesteps are the same whatever the run's seed, so what is measured compares between runs.
"""

# Shapes: N pictures of this rank, C channels, H and W height and width, L tokens, D width of a token.

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from byline.catalog.corpora.manifest import Release, Shard
from byline.catalog.digests import digest_of
from byline.catalog.errors import ConfigError
from byline.diffusion.autoencoder import encode, normalize
from byline.diffusion.configs import Precision
from byline.diffusion.noise import Noising
from byline.diffusion.pixel_space import PixelSpace
from byline.diffusion.pixels import square, to_network
from byline.diffusion.seeds import seed_from
from byline.diffusion.text import TextEncoder
from byline.training.ranks import Ranks
from byline.training.samples import read_samples

BATCH = 64
"""Pictures that are encoded at once."""


class HeldOut(Protocol):
    """What a task is measured on: the share of this rank."""

    @property
    def num_images(self) -> int:
        """Return the number of pictures of all ranks."""
        ...

    @property
    def levels(self) -> int:
        """Return the number of noise levels."""
        ...

    @property
    def of(self) -> str:
        """Return a digest of all that decides the inputs of all ranks and how their loss is counted."""
        ...

    def passes(self, level: int, size: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield the inputs of the network for this rank's pictures at a level, at most `size` at a time; maybe none."""
        ...


@dataclass(frozen=True, kw_only=True)
class HeldOutSamples:
    """Every n-th of the held-out samples that are measured on."""

    digest: str
    """A digest of the names of the pictures of all ranks."""
    num_images: int
    """How many pictures all ranks have."""
    sha256s: tuple[str, ...]
    captions: tuple[str, ...]
    pictures: tuple[bytes, ...]

    def pixels(self, side_px: int, size: int) -> Iterator[Tensor]:
        """Yield the decoded pictures as `(B, 3, side_px, side_px)` bytes, at most `size` at a time."""
        for start in range(0, len(self.pictures), size):
            squares = [square(picture, side_px) for picture in self.pictures[start : start + size]]
            yield torch.from_numpy(np.stack(squares))


def read_held_out(release: Release, images: int, ranks: Ranks) -> HeldOutSamples:
    """Read this rank's share of the first `images` held-out samples. Raises `ConfigError` when there are none."""
    shards = sorted(release.shards("heldout"), key=lambda shard: shard.name)
    if not any(shard.num_samples for shard in shards):
        raise ConfigError(
            f"watch.validation measures on held-out pictures, and release {release.name} has none; remove the table, "
            "or build a release that holds some out"
        )
    every = list(islice((sample for shard in shards for sample in _samples(release, shard)), images))
    own_samples = every[ranks.rank :: ranks.size]
    return HeldOutSamples(
        digest=digest_of([[sha256, caption] for sha256, caption, _ in every]),
        num_images=len(every),
        sha256s=tuple(sha256 for sha256, _, _ in own_samples),
        captions=tuple(caption for _, caption, _ in own_samples),
        pictures=tuple(picture for _, _, picture in own_samples),
    )


def _samples(release: Release, shard: Shard) -> "zip[tuple[str, str, bytes]]":
    samples = read_samples(release, shard)
    return zip(samples.sha256s, samples.captions, samples.pictures, strict=True)


@dataclass(frozen=True, kw_only=True)
class HeldOutLatents:
    """See `HeldOut`: latents, noise, timesteps and captions, for a denoising network.

    Pictures and captions are encoded when they are first measured on, so that a run need not wait for it to start.
    """

    samples: HeldOutSamples
    autoencoder: AutoencoderKL | PixelSpace
    text_encoder: TextEncoder
    noising: Noising
    others: object
    """What else decides the loss, as plain data."""
    side_px: int
    precision: Precision
    levels: int

    @property
    def num_images(self) -> int:
        """Return the number of pictures of all ranks."""
        return self.samples.num_images

    @property
    def of(self) -> str:
        """Return the digest of pictures, captions, size, levels, and what else decides the loss."""
        return digest_of([self.samples.digest, self.side_px, self.levels, self.others])

    def passes(self, level: int, size: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield the inputs, with as much noise in each picture as its level's span has. No caption is dropped."""
        latents_NCHW, texts_NLD = self._encoded
        for start in range(0, len(self.samples.sha256s), size):
            rows = slice(start, start + size)
            generators = [_generator(sha256, level) for sha256 in self.samples.sha256s[rows]]
            x0_BCHW = latents_NCHW[rows]
            noise_BCHW = torch.stack([torch.randn(x0_BCHW.shape[1:], generator=generator) for generator in generators])
            within_B = torch.stack([torch.rand((), generator=generator) for generator in generators])
            t_B = self.noising.times_at((level + within_B) / self.levels)
            yield x0_BCHW, noise_BCHW, t_B, texts_NLD[rows]

    @cached_property
    def _encoded(self) -> tuple[Tensor, Tensor]:
        """The latents of this rank, normalized, `(N, C, H, W)`, and its captions, `(N, L, D)`, on the CPU."""
        device = self.autoencoder.device
        latents = [
            normalize(
                self.autoencoder, encode(self.autoencoder, to_network(pixels_BCHW.to(device)), self.precision)
            ).cpu()
            for pixels_BCHW in self.samples.pixels(self.side_px, BATCH)
        ]
        texts = self.text_encoder.encode(list(self.samples.captions))
        return (
            torch.cat(latents) if latents else torch.empty(0),
            torch.stack(texts) if texts else torch.empty(0),
        )


@dataclass(frozen=True, kw_only=True)
class HeldOutPixels:
    """See `HeldOut`: pictures and the noise of their latents, for an autoencoder. There is one level."""

    samples: HeldOutSamples
    loss: object
    """What counts in the loss, as plain data."""
    side_px: int
    latent_shape: tuple[int, int, int]
    levels: int = 1

    @property
    def num_images(self) -> int:
        """Return the number of pictures of all ranks."""
        return self.samples.num_images

    @property
    def of(self) -> str:
        """Return the digest of pictures, size and loss."""
        return digest_of([self.samples.digest, self.side_px, self.loss])

    def passes(self, level: int, size: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield the inputs, pictures as bytes. No picture is mirrored."""
        done = 0
        for pixels_BCHW in self.samples.pixels(self.side_px, size):
            names = self.samples.sha256s[done : done + len(pixels_BCHW)]
            noises = [torch.randn(self.latent_shape, generator=_generator(sha256, level)) for sha256 in names]
            yield pixels_BCHW, torch.stack(noises)
            done += len(pixels_BCHW)


def _generator(sha256: str, level: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed_from("held out", sha256, level))
