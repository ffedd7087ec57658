"""What every kind of training run is asked to do, whatever it trains."""

from itertools import pairwise
from typing import Any, Self

from pydantic import BaseModel, Field, model_validator

from byline.catalog.configs.places import InputPlace, OutputPlace
from byline.catalog.errors import ConfigError
from byline.diffusion.configs import Precision
from byline.training.buckets import Buckets
from byline.training.run_tables import InitConfig, MachineConfig, OptimizerConfig, PhaseConfig
from byline.training.watch_config import WatchConfig


class RunConfig(BaseModel, frozen=True, extra="forbid"):
    """What all kinds of run share. Paths count from the folder of the config (`catalog.configs.places`)."""

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

    @model_validator(mode="after")
    def _routed_phases(self) -> "RunConfig":
        for number, phase in enumerate(self.phases):
            if phase.routing_share is not None and not self.routes_tokens:
                raise ValueError(
                    f"phases[{number}].routing_share changes the table [routing], which is not there; add it, or "
                    "remove routing_share"
                )
        return self

    @model_validator(mode="after")
    def _one_pass(self) -> "RunConfig":
        self.require_one_pass(self.machine.num_ranks)
        return self

    def require_one_pass(self, num_ranks: int) -> None:
        """Raise `ConfigError` when so many ranks would compute a batch in several passes whose images are compared.

        What an image is compared with is the batch, and a pass would see a part of it.
        """
        share = -(-self.batch_size // num_ranks)
        if self.compares_images and share > self.machine.max_images_per_pass:
            raise ConfigError(
                f"batch_size = {self.batch_size} on {num_ranks} rank{'s' if num_ranks > 1 else ''} is {share} images a "
                f"pass, and machine.max_images_per_pass = {self.machine.max_images_per_pass}; the loss compares the "
                "images of whole batches: raise it, lower batch_size, or take more ranks"
            )

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

    @property
    def routes_tokens(self) -> bool:
        """Whether there is a share of tokens that phases may change."""
        return False

    @property
    def compares_images(self) -> bool:
        """Whether the loss compares the images of a batch with each other."""
        return False

    def end_of_phase(self, images_seen: int) -> int:
        """Return how many images the run has seen when the phase ends that it is in."""
        return min((phase.from_images for phase in self.phases if phase.from_images > images_seen), default=self.images)

    def identity(self) -> dict[str, Any]:
        """Return what decides the weights, as JSON: no places and nothing of `machine` and `watch`.

        What lies at the places (release, autoencoder) is identified by its digest instead. A phase that leaves the
        routing of tokens alone does not speak of it, as before there was any.
        """
        left_out: dict[str, Any] = dict.fromkeys(("release", "run", "machine", "watch"), True)
        identity = self.model_dump(mode="json", exclude={**left_out, "init_from": {"checkpoint"}})
        for phase in identity["phases"]:
            if phase["routing_share"] is None:
                del phase["routing_share"]
        return identity
