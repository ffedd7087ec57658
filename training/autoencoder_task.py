"""Fit an autoencoder to the pixels of a release."""

# Shapes: B batch, C channels, H and W height and width (of pixels or latents).

from collections.abc import Iterable
from contextlib import closing
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from byline.catalog.corpora.manifest import Release, Shard
from byline.diffusion.autoencoder import autocast, build_autoencoder, encode
from byline.diffusion.parts import FOLDER, FrozenParts, describe
from byline.diffusion.pixels import RULE, to_network
from byline.diffusion.provenance import PERCEPTUAL
from byline.diffusion.sources import ModelSource
from byline.diffusion.weights import weights_digest
from byline.training.config import AutoencoderRun
from byline.training.decoded import NUM_UNIFORM, Bytes, gather_decoded, make_decoded
from byline.training.feed import Batches, Share, Source, read_batches
from byline.training.feed_cache import FeedCache, cache_of
from byline.training.feed_files import NewArrays
from byline.training.held_out import HeldOutPixels, read_held_out
from byline.training.perceptual import PerceptualLoss, load_perceptual_loss
from byline.training.ranks import Ranks
from byline.training.samples import images_at, order_of, read_sizes, shards_of

MEASURED_ON = 512
"""Samples whose latents give `latents_mean` and `scaling_factor`."""
"""The part that a network plays which the loss looks with."""


class ReconstructionLoss(nn.Module):
    """The autoencoder, and how far its output is from its input; `perceptual` looks at both where there is one."""

    def __init__(self, vae: AutoencoderKL, config: AutoencoderRun, perceptual: PerceptualLoss | None = None) -> None:
        super().__init__()
        self.vae = vae
        self._config, self._perceptual = config, perceptual

    def forward(self, bytes_BCHW: Tensor, noise_BCHW: Tensor) -> Tensor:
        """Return the loss. `noise_BCHW`, unit Gaussian, picks the point of the posterior that is decoded."""
        pixels_BCHW = to_network(bytes_BCHW)
        with autocast(pixels_BCHW.device, self._config.precision):
            posterior = self.vae.encode(pixels_BCHW).latent_dist
            latents_BCHW = posterior.mean + posterior.std * noise_BCHW
            output_BCHW = self.vae.decode(latents_BCHW).sample.float()
        error_BCHW = output_BCHW - pixels_BCHW
        edges = error_BCHW.diff(dim=2).abs().mean() + error_BCHW.diff(dim=3).abs().mean()
        kl = posterior.kl().mean() / pixels_BCHW[0].numel()
        weights = self._config.loss
        loss: Tensor = error_BCHW.square().mean() + weights.gradient_weight * edges + weights.kl_weight * kl
        if self._perceptual is None:
            return loss
        with autocast(pixels_BCHW.device, self._config.precision):
            return loss + weights.perceptual_weight * self._perceptual(output_BCHW, pixels_BCHW)


class AutoencoderTask:
    """See `training.task.Task`."""

    kind: Literal["autoencoder"] = "autoencoder"

    def __init__(self, config: AutoencoderRun, release: Release, ranks: Ranks) -> None:
        """Make a new autoencoder from the run's seed."""
        torch.manual_seed(config.seed)
        vae = build_autoencoder(config.autoencoder, side_px=config.resolution_px)
        self._config = config
        self._release = release
        self._order = order_of(release.manifest, config.identity(), partial(read_sizes, release))
        self.provenance: dict[str, str] = {}
        self._parts: dict[str, FrozenParts] = {}
        self.network = ReconstructionLoss(vae, config, self._perceptual_loss(ranks))
        self.held_out = self._held_out(release, ranks)
        self.drawing = None

    def batches(self, ranks: Ranks, images_seen: int, passes: int) -> Batches:
        """Return pictures as bytes, half of them mirrored, and the noise of their latents."""
        config = self._config
        source = Source(
            cache=self._cache(),
            gather=partial(gather_decoded, device=ranks.device),
            sample_bytes=3 * config.resolution_px**2,
            num_uniform=NUM_UNIFORM,
            normal_shape=self._latent_shape,
        )
        share = Share(order=self._order, batch_size=config.batch_size, ranks=ranks)
        return read_batches(share, source, images_seen, passes)

    def images_of(self, positions: Iterable[int]) -> list[str]:
        """Return the SHA-256 of the pictures at these positions."""
        return images_at(self._release, self._order, positions)

    def finish(self, models: dict[str, Any]) -> None:
        """Note the statistics that give the latents zero mean and unit variance."""
        device = next(self.network.parameters()).device
        vae = models["vae"].to(device)
        pixels_NCHW = torch.from_numpy(self._first_pictures())
        latents_BCHW = torch.cat(
            [
                encode(vae, to_network(pixels_BCHW.to(device)), self._config.precision)
                for pixels_BCHW in torch.split(pixels_NCHW, self._config.batch_size)
            ]
        )
        mean_C = latents_BCHW.mean((0, 2, 3))
        spread = (latents_BCHW - mean_C.view(1, -1, 1, 1)).square().mean().sqrt().item()
        vae.register_to_config(
            latents_mean=[round(mean, 6) for mean in mean_C.tolist()], scaling_factor=round(1 / spread, 6)
        )

    def trained_models(self) -> dict[str, Any]:
        """Return the autoencoder."""
        return {"vae": self.network.vae}

    def frozen_models(self) -> dict[str, Any]:
        """Return whose the perceptual model is, if there is one: an autoencoder needs nothing else to be used."""
        return self._parts

    @property
    def _latent_shape(self) -> tuple[int, int, int]:
        side = self._config.resolution_px // 2 ** (len(self._config.autoencoder.block_out_channels) - 1)
        return self._config.autoencoder.latent_channels, side, side

    def _perceptual_loss(self, ranks: Ranks) -> PerceptualLoss | None:
        """Return what the loss looks with, and note whose that is; None where it counts for nothing."""
        model = self._config.loss.used_model
        if model is None:
            return None
        perceptual = load_perceptual_loss(model)
        self.provenance = {PERCEPTUAL: weights_digest(perceptual.network)}
        self._parts = {FOLDER: FrozenParts({PERCEPTUAL: describe(ModelSource(name=model))})}
        perceptual.network.to(ranks.device)
        return perceptual

    def _held_out(self, release: Release, ranks: Ranks) -> HeldOutPixels | None:
        validation = self._config.watch.validation
        if validation is None:
            return None
        return HeldOutPixels(
            samples=read_held_out(release, validation.images, ranks),
            loss={**self._config.loss.identity(), **self.provenance},
            side_px=self._config.resolution_px,
            latent_shape=self._latent_shape,
        )

    def _first_pictures(self) -> Bytes:
        """Return the pixels of the samples that the run sees first."""
        shards, rows = self._order.batch(0, min(MEASURED_ON, self._order.num_samples))
        with closing(self._cache()) as cache:
            pictures = np.empty((len(rows), 3, *[self._config.resolution_px] * 2), np.uint8)
            for shard in np.unique(shards).tolist():
                cache.prepare([shard], [])
                pictures[shards == shard] = cache.arrays(shard)["pixels"][rows[shards == shard]]
        return pictures

    def _cache(self) -> FeedCache:
        side_px = self._config.resolution_px

        def make(shard: Shard, new: NewArrays) -> None:
            make_decoded(self._release, shard, side_px, new)

        return cache_of(self._config, shards_of(self._release, "train"), [RULE, side_px], make)
