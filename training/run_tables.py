"""The tables that every kind of training run has: the optimizer, the machine, what a run starts from, its phases."""

from typing import Literal

from pydantic import BaseModel, Field, model_validator

from byline.catalog.configs.places import DeepSpeedPlace, InputPlace, OutputPlace

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
    routing_share: float | None = Field(default=None, ge=0, lt=1)
    """`routing.share` from here on, of a transformer; 0 for no routing."""
