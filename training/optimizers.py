"""What moves the weights: AdamW, or Muon for matrices beside AdamW for everything else."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from byline.catalog.errors import ConfigError
from byline.training.run_tables import OptimizerConfig


class MuonAndAdamW(torch.optim.Optimizer):
    """Two optimizers that step as one, and share one state and one list of groups."""

    def __init__(self, muon: torch.optim.Muon, adamw: torch.optim.AdamW) -> None:
        super().__init__([*muon.param_groups, *adamw.param_groups], {})
        self._both = (muon, adamw)
        muon.state = adamw.state = self.state

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step with the gradients that are there."""
        assert closure is None, "the loss is computed once"
        for optimizer in self._both:
            optimizer.step()  # type: ignore[no-untyped-call]


def build_optimizer(network: nn.Module, config: OptimizerConfig, *, zero_stage: int) -> torch.optim.Optimizer:
    """Return the optimizer of all weights that train. Raises `ConfigError` for Muon where ZeRO splits matrices."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    if config.name == "adamw":
        return _adamw(weights, config)
    if zero_stage:
        raise ConfigError(
            f"optimizer.name = 'muon' needs whole matrices, which ZeRO {zero_stage} splits; "
            "use machine.deepspeed = 'cpu' (stage 0), or optimizer.name = 'adamw'"
        )
    matrices = matrices_of(network)
    chosen = {id(weight) for weight in matrices}
    muon = torch.optim.Muon(
        matrices,
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        momentum=config.momentum,
        adjust_lr_fn="match_rms_adamw",
    )
    return MuonAndAdamW(muon, _adamw([weight for weight in weights if id(weight) not in chosen], config))


def matrices_of(network: nn.Module) -> list[nn.Parameter]:
    """Return the weights that Muon moves where it is chosen."""
    embeddings = {id(module.weight) for module in network.modules() if isinstance(module, nn.Embedding)}
    weights = (weight for weight in network.parameters() if weight.requires_grad)
    return [weight for weight in weights if weight.ndim == 2 and id(weight) not in embeddings]


def fresh_state(group: dict[str, Any], weight: Tensor) -> dict[str, Tensor]:
    """Return the state of a weight before the first step, as the optimizer of its group would make it."""
    if "ns_steps" in group:
        return {"momentum_buffer": torch.zeros_like(weight)}
    step = torch.zeros((), dtype=torch.float32, device=weight.device)
    return {"step": step, "exp_avg": torch.zeros_like(weight), "exp_avg_sq": torch.zeros_like(weight)}


def _adamw(weights: list[nn.Parameter], config: OptimizerConfig) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        cast("list[Tensor]", weights),
        lr=config.learning_rate,
        betas=config.betas,
        weight_decay=config.weight_decay,
        fused=True,
    )
