"""Fit a denoising U-Net to latents and captions."""

# Shapes: B batch, C latent channels, H and W latent height and width, L tokens, D width of a token.

from typing import Any, Literal

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from byline.catalog.corpora.manifest import Release
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError
from byline.diffusion.autoencoder import Precision, autocast, load_autoencoder, normalize
from byline.diffusion.checkpoint import CheckpointInfo
from byline.diffusion.networks import build_unet, predict
from byline.diffusion.noise import Noising
from byline.diffusion.sampling import TextToImage, seed_from
from byline.diffusion.text import TextEncoder, pad_tokens
from byline.diffusion.weights import weights_digest
from byline.training.config import DiffusionRun
from byline.training.drawing import Drawing
from byline.training.encoding import EncodedShards, Encoders, latent_facts, shards_of_rank, text_facts
from byline.training.held_out import HeldOutLatents, encode_held_out, read_held_out
from byline.training.progress import shown_progress
from byline.training.ranks import Ranks
from byline.training.samples import images_at, order_of


class DenoisingLoss(nn.Module):
    """The U-Net, and the weighted squared error of what it predicts."""

    def __init__(self, unet: UNet2DConditionModel, noising: Noising, precision: Precision) -> None:
        super().__init__()
        self.unet = unet
        self._noising, self._precision = noising, precision

    def forward(self, x0_BCHW: Tensor, noise_BCHW: Tensor, t_B: Tensor, text_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        """Return the loss. `x0_BCHW` has about unit variance."""
        noisy_BCHW = self._noising.add(x0_BCHW, noise_BCHW, t_B)
        with autocast(x0_BCHW.device, self._precision):
            predicted_BCHW = predict(self.unet, noisy_BCHW, t_B, text_BLD, mask_BL)
        error_BCHW = predicted_BCHW - self._noising.target(x0_BCHW, noise_BCHW, t_B)
        return (self._noising.weight(t_B) * error_BCHW.square().mean((1, 2, 3))).mean()


class DiffusionTask:
    """See `training.task.Task`."""

    kind: Literal["diffusion"] = "diffusion"

    def __init__(self, config: DiffusionRun, release: Release, ranks: Ranks) -> None:
        """Load autoencoder and text encoder, and measure what the release still lacks."""
        self._config, self._release = config, release
        encoders = _encoders(config, release, ranks)
        _measure(encoders, release, ranks)
        self._autoencoder = encoders.autoencoder
        (self._no_text_LD,) = encoders.text_encoder.encode([""])
        self._order = order_of(release, shuffle_shards=config.shuffle_shards, seed=config.seed)
        self._shards = EncodedShards(release, encoders, shards_in_memory=config.shuffle_shards)
        self.network = DenoisingLoss(_new_unet(config, encoders), Noising(config.noise), config.precision)
        self.provenance = {
            "autoencoder": weights_digest(encoders.autoencoder),
            "text_encoder": encoders.text_encoder.digest,
        }
        self.held_out = self._held_out(encoders, release, ranks)
        self.drawing = self._drawing(encoders, release.manifest.digest) if ranks.is_first else None

    def inputs(self, positions: range) -> tuple[Tensor, ...]:
        """Return normalized latents, noise, timesteps, captions and their mask."""
        latents, noises, times, texts = [], [], [], []
        for position in positions:
            shard, row = self._order.at(position)
            encoded = self._shards.shard(shard)
            generator = torch.Generator().manual_seed(seed_from(self._config.seed, position))
            raw_CHW = encoded.latents[row].float()
            dropped = torch.rand((), generator=generator) < self._config.caption_drop_prob
            latents.append(raw_CHW)
            noises.append(torch.randn(raw_CHW.shape, generator=generator))
            last = self._config.noise.num_train_timesteps
            times.append(torch.randint(last, (), generator=generator))
            texts.append(self._no_text_LD if dropped else encoded.texts[row].float())
        x0_BCHW = normalize(self._autoencoder, torch.stack(latents))
        return x0_BCHW, torch.stack(noises), torch.stack(times), *pad_tokens(texts)

    def images_of(self, positions: range) -> list[str]:
        """Return the SHA-256 of the pictures at these positions."""
        return images_at(self._release, self._order, positions)

    def finish(self, models: dict[str, Any]) -> None:
        """Do nothing: a U-Net says nothing about its weights."""

    def trained_models(self) -> dict[str, Any]:
        """Return the U-Net."""
        return {"unet": self.network.unet}

    def frozen_models(self) -> dict[str, Any]:
        """Return the autoencoder and the noise schedule: with them a checkpoint can be sampled."""
        scheduler = DDIMScheduler(**self._config.noise.scheduler_config())
        return {"vae": self._autoencoder, "scheduler": scheduler}

    def _held_out(self, encoders: Encoders, release: Release, ranks: Ranks) -> HeldOutLatents | None:
        validation = self._config.watch.validation
        if validation is None:
            return None
        return encode_held_out(
            read_held_out(release, validation.images, ranks),
            encoders.autoencoder,
            encoders.text_encoder,
            of=[self.provenance, self._config.noise.model_dump(mode="json"), self._config.text_encoder.max_tokens],
            side_px=self._config.resolution_px,
            precision=self._config.precision,
            levels=validation.levels,
            num_train_timesteps=self._config.noise.num_train_timesteps,
        )

    def _drawing(self, encoders: Encoders, release_digest: str) -> Drawing | None:
        samples = self._config.watch.samples
        if samples is None:
            return None
        info = CheckpointInfo(
            kind=self.kind,
            images_seen=0,
            config=self._config.identity(),
            release_digest=release_digest,
            provenance=self.provenance,
            files={},
        )
        model = TextToImage(
            info=info,
            unet=self.network.unet,
            autoencoder=encoders.autoencoder,
            text_encoder=encoders.text_encoder,
            scheduler_config=self._config.noise.scheduler_config(),
        )
        return Drawing(config=samples, model=model)


def _encoders(config: DiffusionRun, release: Release, ranks: Ranks) -> Encoders:
    autoencoder = load_autoencoder(config.autoencoder).to(ranks.device)
    text_encoder = TextEncoder(config.text_encoder)
    shrinks = 2 ** (len(autoencoder.config.block_out_channels) - 1)
    if config.resolution_px % shrinks:
        raise ConfigError(
            f"resolution_px = {config.resolution_px} must be a multiple of {shrinks}, by which "
            f"{config.autoencoder} shrinks pictures"
        )
    # Facts are the corpus'; an export, which has none, is left as it is.
    store = release.store if release.export is None else Store(str(config.run))
    return Encoders(
        autoencoder=autoencoder,
        text_encoder=text_encoder,
        latents=latent_facts(store, autoencoder, side_px=config.resolution_px, precision=config.precision),
        text=text_facts(store, text_encoder),
        side_px=config.resolution_px,
        precision=config.precision,
    )


def _measure(encoders: Encoders, release: Release, ranks: Ranks) -> None:
    total = sum(shard.num_samples for shard in shards_of_rank(release, ranks))
    with shown_progress("encode", total=total, shown=ranks.is_first) as progress:
        encoders.measure_missing(release, ranks, progress.advance)
    ranks.barrier()


def _new_unet(config: DiffusionRun, encoders: Encoders) -> UNet2DConditionModel:
    torch.manual_seed(config.seed)
    shrinks = 2 ** (len(encoders.autoencoder.config.block_out_channels) - 1)
    return build_unet(
        config.unet,
        side=config.resolution_px // shrinks,
        latent_channels=encoders.autoencoder.config.latent_channels,
        text_width=encoders.text_encoder.width,
    )
