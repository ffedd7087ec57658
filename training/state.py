"""What training changes, as whole float32 tensors by the names of the parameters. Reading is collective."""

from pathlib import Path
from typing import Any

from torch import Tensor

from byline.catalog.errors import CheckpointError

STATES = ("step", "exp_avg", "exp_avg_sq")


def weights_of(engine: Any) -> dict[str, Tensor]:
    """Return the network's state dict, copied to the CPU."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in engine.module.state_dict().items()}


def optimizer_state(engine: Any) -> dict[str, Tensor]:
    """Return the optimizer's state, as `<parameter>.<state>`, copied to the CPU."""
    return {
        f"{name}.{key}": value.detach().to("cpu", copy=True)
        for name, parameter in engine.module.named_parameters()
        for key, value in _adamw(engine).state[parameter].items()
    }


def restore_optimizer(engine: Any, tensors: dict[str, Tensor], path: Path) -> None:
    """Put back what `optimizer_state` gave. Raises `CheckpointError` when it does not fit."""
    try:
        for name, parameter in engine.module.named_parameters():
            _adamw(engine).state[parameter] = {
                key: tensors[f"{name}.{key}"].to("cpu" if key == "step" else parameter.device) for key in STATES
            }
    except KeyError as error:
        raise CheckpointError(f"{path} lacks the optimizer state {error}") from error


def _adamw(engine: Any) -> Any:
    return getattr(engine.optimizer, "optimizer", engine.optimizer)
