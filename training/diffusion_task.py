"""Fit a denoising network to latents, or pixels, and captions."""

# Shapes: B batch, C latent channels, H and W latent height and width, L tokens of text, D width of a token,
# M tokens of a picture that skip no block, F numbers of all tokens of a picture.

import time
from collections.abc import Iterable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from byline.catalog.corpora.manifest import Release, Shard
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError
from byline.diffusion.autoencoder import autocast, load_autoencoder, shrinks_by
from byline.diffusion.configs import DispersiveLossConfig, Precision, RoutingConfig
from byline.diffusion.dispersive import dispersive_loss
from byline.diffusion.networks import Denoiser, build_denoiser
from byline.diffusion.noise import Noising
from byline.diffusion.parts import FOLDER, parts_of
from byline.diffusion.pixel_space import PixelSpace
from byline.diffusion.pixels import RULE
from byline.diffusion.routing import Route
from byline.diffusion.samplers import build_scheduler
from byline.diffusion.text import TextEncoder
from byline.diffusion.weights import weights_digest
from byline.training.config import DiffusionRun
from byline.training.drawing import Drawing
from byline.training.encoded import NUM_UNIFORM, Encoded
from byline.training.encoded_shards import make_encoded, make_pixels
from byline.training.encoding import Encoders, Views, latent_facts, shards_of_rank, text_facts
from byline.training.encoding_speed import keep_speed
from byline.training.feed import Batches, Share, Source, read_batches
from byline.training.feed_cache import FeedCache, cache_of
from byline.training.feed_files import NewArrays
from byline.training.gathered import gather_with_gradients, num_ranks
from byline.training.held_out import HeldOutLatents, read_held_out
from byline.training.progress import shown_progress
from byline.training.ranks import Ranks
from byline.training.samples import images_at, order_of, read_sizes, shards_of


class DenoisingLoss(nn.Module):
    """The network, and the weighted squared error of what it predicts; diffusers' pipelines call it U-Net."""

    def __init__(
        self,
        unet: Denoiser,
        noising: Noising,
        precision: Precision,
        *,
        routing: RoutingConfig | None = None,
        dispersive: DispersiveLossConfig | None = None,
    ) -> None:
        super().__init__()
        self.unet = unet
        self._noising, self._precision = noising, precision
        self._routing, self._dispersive = routing, dispersive

    def forward(
        self, x0_BCHW: Tensor, noise_BCHW: Tensor, t_B: Tensor, text_BLD: Tensor, kept_BM: Tensor | None = None
    ) -> Tensor:
        """Return the loss. `x0_BCHW` has about unit variance; `kept_BM` are the tokens that skip no block, or all are.

        In evaluation mode it is the squared error of the picture that the prediction implies, without a weight, which
        compares between networks of all kinds of prediction.
        """
        noisy_BCHW = self._noising.add(x0_BCHW, noise_BCHW, t_B)
        with autocast(x0_BCHW.device, self._precision):
            output = self.unet(noisy_BCHW, t_B, encoder_hidden_states=text_BLD.float(), **self._asked(kept_BM))
        predicted_BCHW: Tensor = output.sample.float()
        if not self.training:
            return (self._noising.picture(predicted_BCHW, noisy_BCHW, t_B) - x0_BCHW).square().mean()
        error_BCHW = predicted_BCHW - self._noising.target(x0_BCHW, noise_BCHW, t_B)
        loss = (self._noising.weight(t_B) * error_BCHW.square().mean((1, 2, 3))).mean()
        if self._dispersive is None:
            return loss
        return loss + self._dispersive.weight * _dispersed(output.hidden, self._dispersive.temperature)

    def _asked(self, kept_BM: Tensor | None) -> dict[str, Any]:
        """Return what a transformer is asked for in training beside its prediction."""
        asked: dict[str, Any] = {}
        if self._routing is not None and kept_BM is not None:
            blocks = {"start_block": self._routing.start_block, "end_block": self._routing.end_block}
            asked["route"] = Route(**blocks, kept=kept_BM)
        if self._dispersive is not None and self.training:
            asked["hidden_block"] = self._dispersive.block
        return asked


def _dispersed(hidden_BND: Tensor, temperature: float) -> Tensor:
    """Return the dispersive loss of the pictures of all ranks, the same on each.

    A rank's own pictures alone would be fewer to differ from, and another loss for each number of ranks; so tokens are
    gathered with their gradients, and a batch is one pass (`RunConfig.require_one_pass`). Every rank then has the
    gradient of the one loss by its own pictures as often as there are ranks, which averaging over ranks undoes.
    """
    own_BF = hidden_BND.float().flatten(1)
    return dispersive_loss(own_BF if num_ranks() == 1 else gather_with_gradients(own_BF), temperature)


class DiffusionTask:
    """See `training.task.Task`."""

    kind: Literal["diffusion"] = "diffusion"

    def __init__(self, config: DiffusionRun, release: Release, ranks: Ranks) -> None:
        """Load autoencoder and text encoder, and measure what the release still lacks."""
        config.require_one_pass(ranks.size)
        self._config, self._release = config, release
        encoders = _encoders(config, release, ranks)
        _measure(encoders, release, ranks)
        self._autoencoder = encoders.autoencoder
        self._parts = parts_of(config.autoencoder, encoders.text_encoder)
        self._noising = Noising(config.noise)
        (self._no_text_LD,) = encoders.text_encoder.encode([""])
        self._release, self._encoders = release, encoders
        self._order = order_of(release.manifest, config.identity(), partial(read_sizes, release))
        self.network = DenoisingLoss(
            _new_network(config, encoders),
            self._noising,
            config.precision,
            routing=config.routing,
            dispersive=config.dispersive_loss,
        )
        self.provenance = {"text_encoder": encoders.text_encoder.digest}
        if config.autoencoder is not None:
            self.provenance |= {"autoencoder": weights_digest(encoders.autoencoder)}
        self.held_out = self._held_out(encoders, release, ranks)
        self.drawing = self._drawing(encoders) if ranks.is_first else None

    def batches(self, ranks: Ranks, images_seen: int, passes: int) -> Batches:
        """Return latents of about unit variance, noise, timesteps, captions, and of a routed run the kept tokens."""
        config, encoders = self._config, self._encoders
        share = Share(order=self._order, batch_size=config.batch_size, ranks=ranks)
        encoded = Encoded(
            autoencoder=encoders.autoencoder,
            no_text=self._no_text_LD.half().numpy(),
            caption_drop_prob=config.caption_drop_prob,
            flip_prob=config.flip_prob,
            max_tokens=config.text_encoder.max_tokens,
            noising=self._noising,
            device=ranks.device,
            routing_share=config.routing_share,
            patch_size=config.network.shrinks,
        )
        side = config.resolution_px // shrinks_by(encoders.autoencoder)
        parts, channels = len(encoders.views.columns[0]), encoders.autoencoder.config.latent_channels
        num_routed = (side // config.network.shrinks) ** 2 if config.routing_share else 0
        text_bytes = 2 * config.text_encoder.max_tokens * encoders.text_encoder.width
        source = Source(
            cache=self._cache(),
            gather=encoded.gather,
            sample_bytes=text_bytes + 2 * parts * channels * side**2,
            num_uniform=NUM_UNIFORM + num_routed,
            normal_shape=(parts, channels, side, side) if config.shapes is None else (parts, channels * side**2),
        )
        return read_batches(share, source, images_seen, passes)

    def _cache(self) -> FeedCache:
        encoders, flat = self._encoders, None
        if encoders.buckets is not None:
            side = self._config.resolution_px // shrinks_by(encoders.autoencoder)
            flat = encoders.autoencoder.config.latent_channels * side**2

        def make(shard: Shard, new: NewArrays) -> None:
            if encoders.latents is None:
                make_pixels(self._release, shard, encoders.text, encoders.side_px, new)
            else:
                make_encoded(
                    self._release, shard, encoders.latents, encoders.text, encoders.views.columns, new, flat=flat
                )

        pixels = [RULE, encoders.side_px]
        made_of = [pixels if encoders.latents is None else encoders.latents.instrument, encoders.text.instrument]
        return cache_of(self._config, shards_of(self._release, "train"), made_of, make)

    def images_of(self, positions: Iterable[int]) -> list[str]:
        """Return the SHA-256 of the pictures at these positions."""
        return images_at(self._release, self._order, positions)

    def finish(self, models: dict[str, Any]) -> None:
        """Do nothing: a denoising network says nothing about its weights."""

    def trained_models(self) -> dict[str, Any]:
        """Return the network."""
        return {"unet": self.network.unet}

    def frozen_models(self) -> dict[str, Any]:
        """Return what sampling needs (autoencoder, noise schedule, a text encoder of ours), and whose the parts are."""
        sampler = "dpm++" if self._config.noise.use_flow_sigmas else "ddim"
        scheduler = build_scheduler(sampler, self._config.noise.scheduler_config())
        latents = {} if self._config.autoencoder is None else {"vae": self._autoencoder}
        encoder = self._encoders.text_encoder
        text = {} if encoder.provenance is None else encoder.models()  # one that nobody else can give
        return {**latents, **text, "scheduler": scheduler, FOLDER: self._parts}

    def _held_out(self, encoders: Encoders, release: Release, ranks: Ranks) -> HeldOutLatents | None:
        config, validation = self._config, self._config.watch.validation
        if validation is None:
            return None
        return HeldOutLatents(
            samples=read_held_out(release, validation.images, ranks),
            autoencoder=encoders.autoencoder,
            text_encoder=encoders.text_encoder,
            noising=self._noising,
            others=["error of the picture", self.provenance, config.text_encoder.max_tokens],
            side_px=config.resolution_px,
            precision=config.precision,
            levels=validation.levels,
        )

    def _drawing(self, encoders: Encoders) -> Drawing | None:
        samples = self._config.watch.samples
        if samples is None:
            return None
        return Drawing(
            config=samples,
            autoencoder=encoders.autoencoder,
            text_encoder=encoders.text_encoder,
            scheduler_config=self._config.noise.scheduler_config(),
        )


def _encoders(config: DiffusionRun, release: Release, ranks: Ranks) -> Encoders:
    autoencoder = PixelSpace() if config.autoencoder is None else load_autoencoder(config.autoencoder)
    autoencoder = autoencoder.to(ranks.device)
    text_encoder = TextEncoder(config.text_encoder).to(ranks.device)
    shrinks = shrinks_by(autoencoder)
    if config.resolution_px % shrinks:
        raise ConfigError(
            f"resolution_px = {config.resolution_px} must be a multiple of {shrinks}, by which "
            f"{config.autoencoder} shrinks pictures"
        )
    config.require_fits(shrinks)
    views = Views(spread=config.sample_latents, mirrored=config.flip_prob > 0 and config.autoencoder is not None)
    # Facts are the corpus'; an export, which has none, is left as it is.
    store = release.store if release.export is None else Store(str(config.run))
    latents = None
    if config.autoencoder is not None:
        latents = latent_facts(
            store,
            autoencoder,
            side_px=config.resolution_px,
            precision=config.precision,
            views=views,
            buckets=config.shapes,
        )
    return Encoders(
        autoencoder=autoencoder,
        text_encoder=text_encoder,
        latents=latents,
        text=text_facts(store, text_encoder),
        views=views,
        side_px=config.resolution_px,
        precision=config.precision,
        buckets=config.shapes,
    )


def _measure(encoders: Encoders, release: Release, ranks: Ranks) -> None:
    total = sum(shard.num_samples for shard in shards_of_rank(release, ranks))
    began_s = time.process_time(), time.monotonic()
    with shown_progress("encode", total=total, shown=ranks.is_first) as progress:
        number = encoders.measure_missing(release, ranks, progress.advance)
    if encoders.latents is not None:
        took_s = time.process_time() - began_s[0], time.monotonic() - began_s[1]
        keep_speed(encoders.latents, ranks, number, took_s)
    ranks.barrier()


def _new_network(config: DiffusionRun, encoders: Encoders) -> Denoiser:
    torch.manual_seed(config.seed)
    return build_denoiser(
        config.network,
        side=config.resolution_px // shrinks_by(encoders.autoencoder),
        latent_channels=encoders.autoencoder.config.latent_channels,
        text_width=encoders.text_encoder.width,
    )
