"""Fit an autoencoder to the pixels of a release."""

# Shapes: B batch, C channels, H and W height and width (of pixels or latents).

from typing import Any, Literal

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from byline.catalog.corpora.manifest import Release
from byline.diffusion.autoencoder import autocast, build_autoencoder, encode
from byline.diffusion.pixels import to_network
from byline.diffusion.sampling import seed_from
from byline.training.config import AutoencoderRun
from byline.training.held_out import HeldOutPixels, read_held_out
from byline.training.ranks import Ranks
from byline.training.samples import PixelShards, images_at, order_of

MEASURED_ON = 512
"""Samples whose latents give `latents_mean` and `scaling_factor`."""


class ReconstructionLoss(nn.Module):
    """The autoencoder, and how far its output is from its input."""

    def __init__(self, vae: AutoencoderKL, config: AutoencoderRun) -> None:
        super().__init__()
        self.vae = vae
        self._config = config

    def forward(self, pixels_BCHW: Tensor, noise_BCHW: Tensor) -> Tensor:
        """Return the loss. `noise_BCHW`, unit Gaussian, picks the point of the posterior that is decoded."""
        with autocast(pixels_BCHW.device, self._config.precision):
            posterior = self.vae.encode(pixels_BCHW).latent_dist
            latents_BCHW = posterior.mean + posterior.std * noise_BCHW
            output_BCHW = self.vae.decode(latents_BCHW).sample.float()
        error_BCHW = output_BCHW - pixels_BCHW
        edges = error_BCHW.diff(dim=2).abs().mean() + error_BCHW.diff(dim=3).abs().mean()
        kl = posterior.kl().mean() / pixels_BCHW[0].numel()
        weights = self._config.loss
        loss: Tensor = error_BCHW.square().mean() + weights.gradient_weight * edges + weights.kl_weight * kl
        return loss


class AutoencoderTask:
    """See `training.task.Task`."""

    kind: Literal["autoencoder"] = "autoencoder"

    def __init__(self, config: AutoencoderRun, release: Release, ranks: Ranks) -> None:
        """Make a new autoencoder from the run's seed."""
        torch.manual_seed(config.seed)
        vae = build_autoencoder(config.autoencoder, side_px=config.resolution_px)
        self._config, self._release = config, release
        self._order = order_of(release, shuffle_shards=config.shuffle_shards, seed=config.seed)
        self._shards = PixelShards(
            release,
            side_px=config.resolution_px,
            shards_in_memory=config.shuffle_shards,
        )
        self.network = ReconstructionLoss(vae, config)
        self.provenance: dict[str, str] = {}
        self.held_out = self._held_out(release, ranks)
        self.drawing = None

    def inputs(self, positions: range) -> tuple[Tensor, ...]:
        """Return pictures, half of them mirrored, and the noise of their latents."""
        pictures, noises = [], []
        for position in positions:
            generator = torch.Generator().manual_seed(seed_from(self._config.seed, position))
            picture_CHW = self._picture(position)
            mirrored = torch.rand((), generator=generator) < 0.5
            pictures.append(picture_CHW.flip(-1) if mirrored else picture_CHW)
            noises.append(torch.randn(self._latent_shape, generator=generator))
        return to_network(torch.stack(pictures)), torch.stack(noises)

    def images_of(self, positions: range) -> list[str]:
        """Return the SHA-256 of the pictures at these positions."""
        return images_at(self._release, self._order, positions)

    def finish(self, models: dict[str, Any]) -> None:
        """Note the statistics that give the latents zero mean and unit variance."""
        device = next(self.network.parameters()).device
        vae = models["vae"].to(device)
        pictures = [self._picture(position) for position in range(min(MEASURED_ON, self._order.num_samples))]
        batches = torch.split(torch.stack(pictures), self._config.batch_size)
        latents_BCHW = torch.cat(
            [encode(vae, to_network(batch_BCHW.to(device)), self._config.precision) for batch_BCHW in batches]
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
        """Return nothing: an autoencoder needs nothing else."""
        return {}

    @property
    def _latent_shape(self) -> tuple[int, int, int]:
        side = self._config.resolution_px // 2 ** (len(self._config.autoencoder.block_out_channels) - 1)
        return self._config.autoencoder.latent_channels, side, side

    def _held_out(self, release: Release, ranks: Ranks) -> HeldOutPixels | None:
        validation = self._config.watch.validation
        if validation is None:
            return None
        return HeldOutPixels(
            samples=read_held_out(release, validation.images, ranks),
            loss=self._config.loss.model_dump(mode="json"),
            side_px=self._config.resolution_px,
            latent_shape=self._latent_shape,
        )

    def _picture(self, position: int) -> Tensor:
        shard, row = self._order.at(position)
        picture_CHW: np.ndarray[Any, Any] = self._shards.shard(shard)[row]
        return torch.from_numpy(picture_CHW)
