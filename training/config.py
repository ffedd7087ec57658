"""What a training run is asked to do. One TOML file, one of two kinds."""

from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from byline.catalog.configs.loading import parse_config, read_toml
from byline.catalog.configs.places import DeepSpeedPlace, InputPlace, OutputPlace
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
from byline.training.watch_config import DiffusionWatchConfig, WatchConfig

Attention = Literal["auto", "flash", "efficient", "cudnn", "math"]


class OptimizerConfig(BaseModel, frozen=True, extra="forbid"):
    """Which optimizer, and its learning rate over the run: a linear warm-up, then the schedule."""

    name: Literal["adamw", "muon"] = "adamw"
    """`muon` orthogonalizes the updates of matrices, scaled so that AdamW's learning rate suits them (Moonshot); the
    rest (convolutions, norms, biases, embeddings) is AdamW's."""
    learning_rate: float = Field(gt=0)
    betas: tuple[float, float] = (0.9, 0.99)
    momentum: float = Field(default=0.95, ge=0, lt=1)
    """Muon's."""
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    warmup_images: int = Field(default=0, ge=0)
    schedule: Literal["cosine", "constant", "wsd"] = "cosine"
    """A cosine over the whole run; constant; or constant and at the end linear (warm-up, stable, decay)."""
    decay_images: int = Field(default=0, ge=0)
    """How long `wsd` decays, at the end of the run."""
    min_lr_ratio: float = Field(default=0.0, ge=0, le=1)
    """Where `cosine` and `wsd` end, as a part of `learning_rate`."""

    @model_validator(mode="after")
    def _decay_belongs_to_wsd(self) -> "OptimizerConfig":
        if (self.schedule == "wsd") != (self.decay_images > 0):
            raise ValueError(
                f"schedule = '{self.schedule}' with decay_images = {self.decay_images}; "
                "'wsd' needs decay_images above 0, and no other schedule has it"
            )
        return self


class MachineConfig(BaseModel, frozen=True, extra="forbid"):
    """What cannot change the weights, beyond the rounding of sums."""

    num_ranks: int = Field(default=1, ge=1)
    """Processes on this machine. Under torchrun or the deepspeed launcher theirs counts instead."""
    deepspeed: DeepSpeedPlace = Field("cpu", validate_default=True)
    """How DeepSpeed spreads memory over ranks: a file, or `cpu` (each rank holds everything), `zero1`, `zero2` or
    `zero3`, which come with byline. What to compute is said in this file only."""
    max_images_per_pass: int = Field(default=64, ge=1)
    """A larger share of a batch is computed in several passes, whose gradients are summed."""
    log_every_images: int = Field(ge=1)
    save_every_images: int = Field(ge=1)
    keep_checkpoints: int = Field(default=2, ge=1)
    timeout_minutes: float = Field(default=10, gt=0)
    """How long ranks wait for one that shows no life. One that still encodes, or writes, is waited for."""
    activation_checkpointing: bool = False
    """Compute activations again in the backward pass, and hold few: less memory, about a third more work."""
    compile: bool = False
    """Compile the network by `torch.compile`, which takes minutes at the start."""
    attention: Attention = "auto"
    """Which kernel of torch computes attention, where it can; others where it cannot."""
    cache: OutputPlace | None = None
    """Folder of what is mapped while training, best on a disk of the machine; `feed` in the run's if none is named.
    Ranks and runs may share it."""
    cache_gb: float = Field(default=100, gt=0)
    """About how large it may become; what was not read for longest goes first."""


class InitConfig(BaseModel, frozen=True, extra="forbid"):
    """Start from the weights of another run, as for fine-tuning: what it saw counts for this one too."""

    checkpoint: InputPlace
    """A checkpoint, or a run, whose newest is taken: a folder or a URL. Its digest is part of this run."""
    weights: Literal["averaged", "last"] = "averaged"


class PhaseConfig(BaseModel, frozen=True, extra="forbid"):
    """A part of a run that differs from what came before it: what it does not name stays."""

    from_images: int = Field(gt=0)
    """Images that the run has seen when the phase begins."""
    resolution_px: int | None = Field(default=None, ge=8)
    learning_rate: float | None = Field(default=None, gt=0)
    """The optimizer's from here on; its schedule is that of the whole run."""


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
            found = "neither" if self.unet is None else "both"
            raise ValueError(f"the network is [unet] or [transformer], and {found} is there; give one of the two")
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
