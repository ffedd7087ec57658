"""What a training run is asked to do. One TOML file, one of two kinds."""

from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from byline.catalog.configs.loading import parse_config, read_toml
from byline.catalog.configs.places import InputPlace, OutputPlace
from byline.catalog.errors import ConfigError
from byline.diffusion.configs import (
    OF_FLOW,
    AutoencoderConfig,
    NoiseConfig,
    Precision,
    TextEncoderConfig,
    TransformerConfig,
    UNetConfig,
)
from byline.diffusion.sources import ModelSource
from byline.training.buckets import Buckets, BucketsConfig, buckets_of
from byline.training.run_tables import InitConfig, MachineConfig, OptimizerConfig, PhaseConfig
from byline.training.watch_config import DiffusionWatchConfig, WatchConfig


class RunConfig(BaseModel, frozen=True, extra="forbid"):
    """What both kinds of run share. Paths count from the folder of the config (`catalog.configs.places`)."""

    release: InputPlace
    """`<corpus>/releases/<name>[/<version>]`."""
    run: OutputPlace
    """Folder or URL for checkpoints and log. The same command resumes what is there."""
    init_from: InitConfig | None = None
    """What the run starts from; without it the weights are made anew from the seed."""
    resolution_px: int = Field(ge=8)
    seed: int = Field(default=0, ge=0)
    images: int = Field(ge=1)
    """Images to see in all; an image that is seen twice counts twice."""
    batch_size: int = Field(ge=1)
    """Images of a step, over all ranks."""
    streams: int = Field(default=8, ge=1)
    """Ways in which each epoch is cut (`training.order`). Any number of ranks that divides it sees the same batches."""
    shuffle_samples: int = Field(default=16_384, ge=1)
    """Samples of a stream that are mixed with each other. More of them lie in more shards, which are mapped at once."""
    precision: Precision = "fp32"
    ema_half_life_images: int = Field(ge=1)
    """The average over weights forgets half in so many images, and in 5% of those averaged if that is less."""
    ema_start_images: int = Field(default=0, ge=0)
    """Images to see before averaging begins; until then the average is the weights."""
    optimizer: OptimizerConfig
    phases: tuple[PhaseConfig, ...] = ()
    """Parts that differ, in their order, as 512 px after 256. One that has not begun may be added to a run."""
    machine: MachineConfig
    watch: WatchConfig = WatchConfig()

    @model_validator(mode="after")
    def _whole_steps(self) -> "RunConfig":
        steps = {
            "images": (self.images, self.batch_size),
            "machine.log_every_images": (self.machine.log_every_images, self.batch_size),
            "machine.save_every_images": (
                self.machine.save_every_images,
                self.machine.log_every_images,
            ),
            **{
                f"phases[{number}].from_images": (phase.from_images, self.machine.log_every_images)
                for number, phase in enumerate(self.phases)
            },
            **{key: (every, self.machine.log_every_images) for key, every in self.watch.intervals().items()},
        }
        for name, (value, unit) in steps.items():
            if value % unit:
                raise ValueError(f"{name} = {value} must be a multiple of {unit}")
        if self.batch_size % self.streams:
            raise ValueError(f"batch_size = {self.batch_size} must be a multiple of streams = {self.streams}")
        if self.streams % self.machine.num_ranks:
            raise ValueError(f"streams = {self.streams} must be a multiple of num_ranks = {self.machine.num_ranks}")
        starts = [0, *(phase.from_images for phase in self.phases), self.images]
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise ValueError(
                f"phases begin at {starts[1:-1]} images; these must grow, and end below images = {starts[-1]}"
            )
        return self

    def at(self, images_seen: int) -> Self:
        """Return what the run is asked to do when it has seen so many images: this, as its phases change it."""
        config = self
        for phase in self.phases:
            if phase.from_images <= images_seen:
                config = config._in(phase)
        return config

    def _in(self, phase: PhaseConfig) -> Self:
        changes: dict[str, Any] = {}
        if phase.resolution_px is not None:
            changes["resolution_px"] = phase.resolution_px
        if phase.learning_rate is not None:
            changes["optimizer"] = self.optimizer.model_copy(update={"learning_rate": phase.learning_rate})
        return self.model_copy(update=changes)

    @property
    def shapes(self) -> Buckets | None:
        """The shapes that pictures are cropped to; None where they are squares."""
        return None

    def end_of_phase(self, images_seen: int) -> int:
        """Return how many images the run has seen when the phase ends that it is in."""
        return min((phase.from_images for phase in self.phases if phase.from_images > images_seen), default=self.images)

    def identity(self) -> dict[str, Any]:
        """Return what decides the weights, as JSON: no places and nothing of `machine` and `watch`.

        What lies at the places (release, autoencoder) is identified by its digest instead.
        """
        left_out: dict[str, Any] = dict.fromkeys(("release", "run", "machine", "watch"), True)
        return self.model_dump(mode="json", exclude={**left_out, "init_from": {"checkpoint"}})


class AutoencoderLossConfig(BaseModel, frozen=True, extra="forbid"):
    """Squared error of pixels, plus these. No network that was trained on other pictures takes part."""

    gradient_weight: float = Field(default=0.05, ge=0)
    """The weight of the absolute error of differences between neighboring pixels: keeps edges sharp."""
    kl_weight: float = Field(default=1e-3, ge=0)
    """The weight of the KL divergence of latents from a unit Gaussian, summed over latents, per pixel value."""


class AutoencoderRun(RunConfig, frozen=True, extra="forbid"):
    """Train an autoencoder."""

    kind: Literal["autoencoder"]
    autoencoder: AutoencoderConfig
    loss: AutoencoderLossConfig = AutoencoderLossConfig()

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
        changed = super()._in(phase)
        if self.buckets is None or phase.resolution_px is None:
            return changed
        step_px = self.buckets.step_px * phase.resolution_px // self.resolution_px
        return changed.model_copy(update={"buckets": self.buckets.model_copy(update={"step_px": step_px})})

    def identity(self) -> dict[str, Any]:
        """Return what it is for every run, but that the autoencoder's place does not count: its weights do.

        What a run has none of (buckets, a transformer, a flow) is not spoken of, as before there were any.
        """
        identity = super().identity()
        del identity["autoencoder"]
        for name in ("buckets", "unet", "transformer"):
            if identity[name] is None:
                del identity[name]
        if not self.noise.use_flow_sigmas:
            for name in OF_FLOW:
                del identity["noise"][name]
        return identity


TrainConfig = AutoencoderRun | DiffusionRun


def load_train_config(path: str | Path) -> TrainConfig:
    """Read a run's TOML file. Raises `ConfigError`, one line, that names each wrong key."""
    table = read_toml(path)
    kind = table.get("kind")
    if kind == "autoencoder":
        return parse_config(table, AutoencoderRun, where=str(path), file=path)
    if kind == "diffusion":
        return parse_config(table, DiffusionRun, where=str(path), file=path)
    raise ConfigError(f"{path}: kind must be 'autoencoder' or 'diffusion', got {kind!r}")
