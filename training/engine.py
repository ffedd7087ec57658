"""DeepSpeed around a network: what it is told, and which part of the weights this rank keeps in float32.

Weights are float32 under every precision and every ZeRO stage; `precision` says what products are computed in. So a
checkpoint, an average and a resumed run never round.
"""

import logging
import os
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from byline.catalog.configs.extras import needs
from byline.catalog.errors import ConfigError
from byline.training.deepspeed_files import read_deepspeed, zero_stage
from byline.training.kernels import checkpoint_activations, require_compiler
from byline.training.optimizers import build_optimizer, fresh_state
from byline.training.ranks import Ranks
from byline.training.run_config import RunConfig

FIRST_LOSS_SCALE = 2.0**16
SCALE_WINDOW = 2000
"""Steps without an overflow after which fp16's loss scale doubles: both are `torch.amp.GradScaler`'s."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A network that DeepSpeed trains, as this rank holds it."""

    deepspeed: Any
    zero_stage: int
    max_grad_norm: float
    loss_scale: Any
    """DeepSpeed's `DynamicLossScaler` under fp16, else None."""
    has_uneven_passes: bool = False
    """Whether each step has its own number of passes, of several sizes."""

    @property
    def network(self) -> nn.Module:
        """The network itself. Under ZeRO 3 its parameters are empty between steps."""
        network: nn.Module = self.deepspeed.module
        return network

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of torch, inside what ZeRO puts around it."""
        optimizer: torch.optim.Optimizer = getattr(self.deepspeed.optimizer, "optimizer", self.deepspeed.optimizer)
        return optimizer

    @property
    def masters(self) -> list[Tensor]:
        """The float32 weights that this rank updates: all of them by parameter, or under ZeRO its part, flat."""
        if self.zero_stage == 3:
            return list(self.deepspeed.optimizer.fp32_partitioned_groups_flat)
        return [weight for group in self.optimizer.param_groups for weight in group["params"]]


def passes_per_step(config: RunConfig, ranks: Ranks) -> int:
    """Return in how many equal passes a rank computes its share of a batch. Raises `ConfigError` if that is uneven."""
    if config.batch_size % ranks.size:
        raise ConfigError(f"batch_size = {config.batch_size} must be a multiple of the {ranks.size} ranks")
    share = config.batch_size // ranks.size
    fewest = -(-share // config.machine.max_images_per_pass)
    return next(passes for passes in range(fewest, share + 1) if share % passes == 0)


def build_engine(network: nn.Module, config: RunConfig, ranks: Ranks) -> Engine:
    """Return an engine that trains `network` on the ranks that already joined, from the first rank's weights.

    On CPU DeepSpeed would compile an all-reduce over shared memory at its first start (40 s, needs a C++ compiler); it
    serves inference only, so it is left out and gloo sums the gradients.
    """
    deepspeed = _import_deepspeed(ranks.device)
    passes = passes_per_step(config, ranks)
    settings = read_deepspeed(config.machine.deepspeed)
    stage = zero_stage(settings)
    settings |= {
        "train_batch_size": config.batch_size,
        "train_micro_batch_size_per_gpu": config.batch_size // ranks.size // passes,
        "gradient_accumulation_steps": passes,
        "gradient_clipping": config.optimizer.max_grad_norm if stage else 0.0,  # `training.stepping` clips at stage 0
    }
    if config.machine.activation_checkpointing:
        checkpoint_activations(network)
    optimizer = build_optimizer(network, config.optimizer, zero_stage=stage)
    built, *_ = deepspeed.initialize(model=network, optimizer=optimizer, config=settings, dist_init_required=False)
    if config.machine.compile:
        require_compiler()
        built.compile()
    engine = Engine(
        deepspeed=built,
        zero_stage=stage,
        max_grad_norm=config.optimizer.max_grad_norm,
        loss_scale=_loss_scale() if config.precision == "fp16" else None,
        has_uneven_passes=config.shapes is not None,
    )
    _begin_state(engine)
    return engine


def _begin_state(engine: Engine) -> None:
    """Make the optimizer's state now and not in the first step, so that it can be restored and saved at any time."""
    first_group = engine.optimizer.param_groups[0]
    groups = {id(weight): group for group in engine.optimizer.param_groups for weight in group["params"]}
    for master in engine.masters:
        engine.optimizer.state[master] = fresh_state(groups.get(id(master), first_group), master)
    if engine.zero_stage in (1, 2):
        from deepspeed.utils import lazy_init_hp_params_optimizer_state

        for weights, master in zip(engine.deepspeed.optimizer.bit16_groups, engine.masters, strict=True):
            lazy_init_hp_params_optimizer_state(weights, master, engine.optimizer.state)


def _loss_scale() -> Any:
    from deepspeed.runtime.fp16.loss_scaler import DynamicLossScaler

    return DynamicLossScaler(
        init_scale=FIRST_LOSS_SCALE,
        scale_window=SCALE_WINDOW,
        min_scale=1.0,
        delayed_shift=1,
        consecutive_hysteresis=False,
        raise_error_at_min_scale=False,
    )


def _import_deepspeed(device: torch.device) -> Any:
    if device.type == "cpu":
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    with needs("train", "byline train"):
        import deepspeed

    if device.type == "cpu":
        deepspeed.ops.__compatible_ops__ = {}
    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)  # its ZeRO 3 uses them
    return deepspeed
