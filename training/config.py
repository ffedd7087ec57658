"""What a training run is asked to do. One TOML file, one of three kinds."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from byline.catalog.configs.loading import parse_config, read_toml
from byline.catalog.configs.places import InputPlace
from byline.catalog.errors import ConfigError
from byline.diffusion.configs import (
    OF_FLOW,
    AutoencoderConfig,
    DispersiveLossConfig,
    NoiseConfig,
    RoutingConfig,
    TextEncoderConfig,
    TransformerConfig,
    UNetConfig,
)
from byline.diffusion.sources import ModelSource
from byline.diffusion.text_sources import is_trained_by_byline
from byline.training.buckets import Buckets, BucketsConfig, buckets_of
from byline.training.run_config import RunConfig
from byline.training.run_tables import PhaseConfig
from byline.training.text_encoder_config import TextEncoderRun
from byline.training.watch_config import DiffusionWatchConfig


class AutoencoderLossConfig(BaseModel, frozen=True, extra="forbid"):
    """Squared error of pixels, plus these. A network that was trained before takes part only where one is named."""

    gradient_weight: float = Field(default=0.05, ge=0)
    """The weight of the absolute error of differences between neighboring pixels: keeps edges sharp."""
    kl_weight: float = Field(default=1e-3, ge=0)
    """The weight of the KL divergence of latents from a unit Gaussian, summed over latents, per pixel value."""
    perceptual_weight: float = Field(default=0.0, ge=0)
    """The weight of the distance of activations of `perceptual_model` (`training.perceptual`). At 0 it is unused."""
    perceptual_model: InputPlace | None = None
    """Folder of a copy detector, whose weights stay as they are."""

    @model_validator(mode="after")
    def _names_a_model(self) -> "AutoencoderLossConfig":
        if self.perceptual_weight > 0 and self.perceptual_model is None:
            raise ValueError(
                f"perceptual_weight = {self.perceptual_weight} is of activations of a network, and none is named; set "
                "perceptual_model to the folder of a copy detector, such as samples/models/copy-detector"
            )
        return self

    @property
    def used_model(self) -> str | None:
        """The folder of the perceptual model; None where it counts for nothing."""
        return self.perceptual_model if self.perceptual_weight > 0 else None

    def identity(self) -> dict[str, Any]:
        """Return what decides the loss, as JSON, beside the weights of the perceptual model, wherever that lies.

        A loss that has none does not speak of it, as before there was any.
        """
        identity = self.model_dump(mode="json", exclude={"perceptual_model"})
        if self.used_model is None:
            del identity["perceptual_weight"]
        return identity


class AutoencoderRun(RunConfig, frozen=True, extra="forbid"):
    """Train an autoencoder."""

    kind: Literal["autoencoder"]
    autoencoder: AutoencoderConfig
    loss: AutoencoderLossConfig = AutoencoderLossConfig()

    def identity(self) -> dict[str, Any]:
        """Return what it is for every run, but that the place of the perceptual model does not count."""
        return {**super().identity(), "loss": self.loss.identity()}

    @model_validator(mode="after")
    def _halves(self) -> "AutoencoderRun":
        shrinks = 2 ** (len(self.autoencoder.block_out_channels) - 1)
        for side_px in (self.resolution_px, *(phase.resolution_px or shrinks for phase in self.phases)):
            if side_px % shrinks:
                raise ValueError(
                    f"resolution_px = {side_px} must be a multiple of {shrinks}, "
                    "by which the autoencoder shrinks pictures"
                )
        return self


class DiffusionRun(RunConfig, frozen=True, extra="forbid"):
    """Train a text-conditioned diffusion model, of latents or of pixels."""

    kind: Literal["diffusion"]
    autoencoder: ModelSource | None = None
    """Folder or hub name of an `AutoencoderKL`, or `{ name = ..., subfolder = "vae", revision = ... }`. Left out, the
    model is of pixels."""
    text_encoder: TextEncoderConfig = TextEncoderConfig()
    unet: UNetConfig | None = None
    """The network: this or `transformer`."""
    transformer: TransformerConfig | None = None
    routing: RoutingConfig | None = None
    """Let tokens of a transformer skip blocks while it trains; without the table none does."""
    dispersive_loss: DispersiveLossConfig | None = None
    """Add a loss that keeps pictures apart inside of a transformer; without the table there is none."""
    noise: NoiseConfig
    caption_drop_prob: float = Field(default=0.1, ge=0, le=1)
    """How often a caption is replaced by none, for classifier-free guidance."""
    sample_latents: bool = False
    """Draw latents anew each time that an image is seen, instead of taking the likeliest: what is encoded doubles."""
    flip_prob: float = Field(default=0.0, ge=0, le=1)
    """How often an image is mirrored. Captions stay as they are; what is encoded doubles."""
    buckets: BucketsConfig | None = None
    """Train on several shapes; without the table on squares."""
    watch: DiffusionWatchConfig = DiffusionWatchConfig()

    @model_validator(mode="after")
    def _one_network(self) -> "DiffusionRun":
        if (self.unet is None) == (self.transformer is None):
            both_or_neither = "neither" if self.unet is None else "both"
            raise ValueError(
                f"the network is [unet] or [transformer], and {both_or_neither} is there; give one of the two"
            )
        if self.autoencoder is None and self.sample_latents:
            raise ValueError("sample_latents is of an autoencoder, and none is named; remove it")
        if self.autoencoder is None and self.buckets is not None:
            raise ValueError("buckets are of latents, and a model of pixels reads squares; remove them, or name one")
        return self

    @model_validator(mode="after")
    def _has_blocks(self) -> "DiffusionRun":
        for name in ("routing", "dispersive_loss"):
            if self.transformer is None and getattr(self, name) is not None:
                raise ValueError(
                    f"[{name}] is of the blocks of a [transformer], and the network is a [unet]; remove it"
                )
        blocks = 0 if self.transformer is None else self.transformer.num_layers
        if self.routing is not None and self.routing.end_block > blocks:
            raise ValueError(
                f"routing.end_block = {self.routing.end_block} is more than transformer.num_layers = {blocks}"
            )
        if self.dispersive_loss is not None and self.dispersive_loss.block >= blocks:
            raise ValueError(
                f"dispersive_loss.block = {self.dispersive_loss.block} must be less than transformer.num_layers = "
                f"{blocks}: blocks count from 0"
            )
        return self

    @model_validator(mode="after")
    def _comparable(self) -> "DiffusionRun":
        if self.dispersive_loss is None:
            return self
        block, routing = self.dispersive_loss.block, self.routing
        if routing is not None and routing.start_block <= block < routing.end_block:
            raise ValueError(
                f"dispersive_loss.block = {block} is one that tokens skip ({routing.start_block} to "
                f"{routing.end_block - 1}), and each picture has other tokens there; take another one"
            )
        if self.buckets is not None:
            raise ValueError("dispersive_loss compares pictures of one shape; remove it, or buckets")
        if self.batch_size < 2:
            raise ValueError("batch_size = 1 leaves dispersive_loss no other picture; take at least 2")
        return self

    @model_validator(mode="after")
    def _guided(self) -> "DiffusionRun":
        drawn = self.watch.samples
        if drawn is not None and drawn.guidance_scale > 1 and self.caption_drop_prob == 0:
            raise ValueError(
                f"watch.samples.guidance_scale = {drawn.guidance_scale} with caption_drop_prob = 0: guidance needs a "
                "model that was trained without captions too; set guidance_scale = 1, or drop some"
            )
        return self

    @property
    def network(self) -> UNetConfig | TransformerConfig:
        """The one that is there."""
        network = self.transformer if self.unet is None else self.unet
        assert network is not None
        return network

    @property
    def routes_tokens(self) -> bool:
        """Whether there is a share of tokens that phases may change."""
        return self.routing is not None

    @property
    def routing_share(self) -> float:
        """The part of a picture's tokens that skip blocks; 0 where none does."""
        return 0.0 if self.routing is None else self.routing.share

    @property
    def compares_images(self) -> bool:
        """Whether the loss compares the images of a batch with each other."""
        return self.dispersive_loss is not None

    @model_validator(mode="after")
    def _whole_buckets(self) -> "DiffusionRun":
        if self.buckets is not None:
            steps = buckets_of(self.buckets, self.resolution_px).steps
            for number, phase in enumerate(self.phases):
                if phase.resolution_px is not None and phase.resolution_px % steps:
                    raise ValueError(
                        f"phases[{number}].resolution_px = {phase.resolution_px} must be a multiple of {steps}, the "
                        "steps of buckets in resolution_px, so that pictures stay in their buckets"
                    )
        return self

    @property
    def shapes(self) -> Buckets | None:
        """The shapes that pictures are cropped to; None where they are squares."""
        return None if self.buckets is None else buckets_of(self.buckets, self.resolution_px)

    def require_fits(self, shrinks: int) -> None:
        """Raise `ConfigError` when shapes do not fit the network and an autoencoder that shrinks by so much."""
        if self.shapes is not None:
            by = self.network.shrinks
            self.shapes.require_multiple(shrinks * by, f"the autoencoder ({shrinks}) and the network ({by})")

    def _in(self, phase: PhaseConfig) -> "DiffusionRun":
        changes: dict[str, Any] = {}
        if self.buckets is not None and phase.resolution_px is not None:
            step_px = self.buckets.step_px * phase.resolution_px // self.resolution_px
            changes["buckets"] = self.buckets.model_copy(update={"step_px": step_px})
        if self.routing is not None and phase.routing_share is not None:
            changes["routing"] = self.routing.model_copy(update={"share": phase.routing_share})
        return super()._in(phase).model_copy(update=changes)

    def identity(self) -> dict[str, Any]:
        """Return what it is for every run, but that the places of models do not count that are known by their weights:
        the autoencoder's, and that of a text encoder that byline trained.

        What a run has none of (buckets, a transformer, routing, a flow) is not spoken of, as before there were any.
        """
        identity = super().identity()
        del identity["autoencoder"]
        if is_trained_by_byline(self.text_encoder):
            del identity["text_encoder"]["name"]
        for name in ("buckets", "unet", "transformer", "routing", "dispersive_loss"):
            if identity[name] is None:
                del identity[name]
        if not self.noise.use_flow_sigmas:
            for name in OF_FLOW:
                del identity["noise"][name]
        return identity


TrainConfig = AutoencoderRun | DiffusionRun | TextEncoderRun
KINDS: dict[object, type[TrainConfig]] = {
    "autoencoder": AutoencoderRun,
    "diffusion": DiffusionRun,
    "text_encoder": TextEncoderRun,
}


def load_train_config(path: str | Path) -> TrainConfig:
    """Read a run's TOML file. Raises `ConfigError`, one line, that names each wrong key."""
    table = read_toml(path)
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigError(f"{path}: kind must be 'autoencoder', 'diffusion' or 'text_encoder', got {kind!r}")
    return parse_config(table, KINDS[kind], where=str(path), file=path)
