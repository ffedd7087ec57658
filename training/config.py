"""What a training run is asked to do. One TOML file, one of two kinds."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from byline.catalog.configs.loading import parse_config, read_toml
from byline.catalog.configs.places import DeepSpeedPlace, InputPlace, ModelPlace, OutputPlace
from byline.catalog.errors import ConfigError
from byline.diffusion.autoencoder import AutoencoderConfig, Precision
from byline.diffusion.networks import UNetConfig
from byline.diffusion.noise import NoiseConfig
from byline.diffusion.text import TextEncoderConfig
from byline.training.watch_config import DiffusionWatchConfig, WatchConfig


class OptimizerConfig(BaseModel, frozen=True, extra="forbid"):
    """AdamW, with a linear warm-up and a cosine decay to zero over the run."""

    learning_rate: float = Field(gt=0)
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    warmup_images: int = Field(default=0, ge=0)


class MachineConfig(BaseModel, frozen=True, extra="forbid"):
    """What cannot change the weights, beyond the rounding of sums."""

    num_ranks: int = Field(default=1, ge=1)
    """Processes on this machine. Under torchrun or the deepspeed launcher theirs counts instead."""
    deepspeed: DeepSpeedPlace = Field("cpu", validate_default=True)
    """How DeepSpeed spreads memory over ranks: a file, or `cpu` or `zero2`, which come with byline. What to compute is
    said in this file only."""
    max_images_per_pass: int = Field(default=64, ge=1)
    """A larger share of a batch is computed in several passes, whose gradients are summed."""
    log_every_images: int = Field(ge=1)
    save_every_images: int = Field(ge=1)
    keep_checkpoints: int = Field(default=2, ge=1)


class RunConfig(BaseModel, frozen=True, extra="forbid"):
    """What both kinds of run share. Paths count from the folder of the config (`catalog.configs.places`)."""

    release: InputPlace
    """`<corpus>/releases/<name>[/<version>]`."""
    run: OutputPlace
    """Folder for checkpoints and log. The same command resumes what is there."""
    resolution_px: int = Field(ge=8)
    seed: int = Field(default=0, ge=0)
    images: int = Field(ge=1)
    """Images to see in all; an image that is seen twice counts twice."""
    batch_size: int = Field(ge=1)
    """Over all ranks."""
    shuffle_shards: int = Field(default=32, ge=1)
    """Shards whose samples are mixed with each other, and so are in memory. A shard is up to ten thousand samples."""
    precision: Precision = "fp32"
    ema_half_life_images: int = Field(ge=1)
    """The average over weights forgets half in so many images, and in 5% of `images_seen` if that is less."""
    optimizer: OptimizerConfig
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
            **{key: (every, self.machine.log_every_images) for key, every in self.watch.intervals().items()},
        }
        for name, (value, unit) in steps.items():
            if value % unit:
                raise ValueError(f"{name} = {value} must be a multiple of {unit}")
        return self

    def identity(self) -> dict[str, Any]:
        """Return what decides the weights, as JSON: no places and nothing of `machine` and `watch`.

        What lies at the places (release, autoencoder) is identified by its digest instead.
        """
        return self.model_dump(mode="json", exclude={"release", "run", "machine", "watch"})


class AutoencoderLossConfig(BaseModel, frozen=True, extra="forbid"):
    """Squared error of pixels, plus these. No network that was trained on other pictures takes part."""

    gradient_weight: float = Field(default=0.05, ge=0)
    """Of the absolute error of differences between neighboring pixels: keeps edges sharp."""
    kl_weight: float = Field(default=1e-3, ge=0)
    """Of the KL divergence of latents from a unit Gaussian, summed over latents, per pixel value."""


class AutoencoderRun(RunConfig, frozen=True, extra="forbid"):
    """Train an autoencoder."""

    kind: Literal["autoencoder"]
    autoencoder: AutoencoderConfig
    loss: AutoencoderLossConfig = AutoencoderLossConfig()


class DiffusionRun(RunConfig, frozen=True, extra="forbid"):
    """Train a text-conditioned latent-diffusion model."""

    kind: Literal["diffusion"]
    autoencoder: ModelPlace
    """Folder or hub name of an `AutoencoderKL`."""
    text_encoder: TextEncoderConfig = TextEncoderConfig()
    unet: UNetConfig
    noise: NoiseConfig
    caption_drop_prob: float = Field(default=0.1, ge=0, le=1)
    """How often a caption is replaced by none, for classifier-free guidance."""
    watch: DiffusionWatchConfig = DiffusionWatchConfig()

    def identity(self) -> dict[str, Any]:
        """As for every run; the autoencoder's place does not count, its weights do."""
        identity = super().identity()
        del identity["autoencoder"]
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
