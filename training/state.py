"""What training changes, as whole float32 tensors by the names of the parameters, whatever ranks and ZeRO stage.

So a checkpoint of one number of ranks and one stage is resumed by any other. Reading is collective: every rank calls,
the first rank gets the tensors on its CPU, as copies, and the others get none.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import torch
import torch.distributed as dist
from torch import Tensor, nn

from byline.catalog.errors import CheckpointError
from byline.training.engine import Engine

STEPS = "steps"
"""How many steps the optimizer took."""
LOSS_SCALE = "loss_scale"
"""fp16's: the scale, the steps so far, and which of them overflowed last."""


def weights_of(engine: Engine, averages: Mapping[Tensor, Tensor] = MappingProxyType({})) -> dict[str, Tensor]:
    """Return the network's state dict; of a parameter that has a whole average, the average."""
    parameters = dict(engine.network.named_parameters())
    buffers = {name: tensor for name, tensor in engine.network.state_dict().items() if name not in parameters}
    whole = (
        (name, averages[parameter] if parameter in averages else _whole(engine, parameter, None))
        for name, parameter in parameters.items()
    )
    return _on_first_rank(whole) | _on_first_rank(iter(buffers.items()))


def set_weights(engine: Engine, tensors: dict[str, Tensor]) -> None:
    """Let the float32 weights of every rank's part be these, by name; what the network computes with stays as it is."""
    for name, parameter in _trained(engine):
        _set(engine, parameter, None, tensors[name])


def optimizer_state(engine: Engine) -> dict[str, Tensor]:
    """Return the optimizer's state, as `<parameter>.<state>`, and what belongs to the steps as a whole."""
    tensors = _on_first_rank(
        (f"{name}.{key}", _whole(engine, parameter, key))
        for name, parameter in _trained(engine)
        for key in _keys(engine, parameter)
    )
    return tensors | _on_first_rank(iter(_counts(engine).items()))


def restore_optimizer(engine: Engine, tensors: dict[str, Tensor], path: Path | str) -> None:
    """Put back what `optimizer_state` gave. Every rank gives it all. Raises `CheckpointError` if it does not fit."""
    left = dict(tensors)
    try:
        for name, parameter in _trained(engine):
            for key in _keys(engine, parameter):
                value = left.pop(f"{name}.{key}")
                shape = _shape(parameter)
                if value.shape != shape:
                    is_other = f"has shape {tuple(value.shape)}, and the weight has {tuple(shape)}"
                    raise CheckpointError(f"{path}: {name}.{key} {is_other}; it belongs to another network")
                _set(engine, parameter, key, value)
        _restore_counts(engine, left)
    except KeyError as error:
        raise CheckpointError(f"{path} lacks the optimizer state {error}; go on from another checkpoint") from error
    if left:
        raise CheckpointError(f"{path} holds optimizer state of other weights: {sorted(left)[0]}")


def _counts(engine: Engine) -> dict[str, Tensor]:
    steps = next((state["step"] for state in engine.optimizer.state.values() if "step" in state), None)
    counts = {} if steps is None else {STEPS: steps}
    if engine.loss_scale is not None:
        scale = engine.loss_scale
        numbers = [scale.cur_scale, scale.cur_iter, scale.last_overflow_iter]
        counts[LOSS_SCALE] = torch.tensor(numbers, dtype=torch.float64)
    return counts


def _restore_counts(engine: Engine, tensors: dict[str, Tensor]) -> None:
    """Take the counts out of `tensors` and put them back."""
    for name in _counts(engine):
        value = tensors.pop(name)
        if name == STEPS:
            for state in engine.optimizer.state.values():
                if "step" in state:
                    state["step"].copy_(value)
        else:
            scale = engine.loss_scale
            scale.cur_scale, scale.cur_iter, scale.last_overflow_iter = (
                float(value[0]),
                int(value[1]),
                int(value[2]),
            )


def _keys(engine: Engine, parameter: nn.Parameter) -> list[str]:
    """Return the names of the state that has the shape of the parameter. ZeRO is AdamW's only."""
    if engine.zero_stage:
        return ["exp_avg", "exp_avg_sq"]
    return sorted(key for key in engine.optimizer.state[parameter] if key != "step")


def _trained(engine: Engine) -> list[tuple[str, nn.Parameter]]:
    return [(name, weight) for name, weight in engine.network.named_parameters() if weight.requires_grad]


def _shape(parameter: nn.Parameter) -> torch.Size:
    """Return the shape of the whole parameter, which under ZeRO 3 is not that of what is here."""
    shape: torch.Size = getattr(parameter, "ds_shape", parameter.shape)
    return shape


def _whole(engine: Engine, parameter: nn.Parameter, key: str | None) -> Tensor:
    """Return the weight, or one of its states, whole and on every rank."""
    from deepspeed import zero
    from deepspeed.utils import safe_get_full_fp32_param, safe_get_full_optimizer_state

    if not parameter.requires_grad:
        with zero.GatheredParameters([parameter]):
            return parameter.detach().clone()
    if not engine.zero_stage:
        return parameter.detach() if key is None else engine.optimizer.state[parameter][key]
    whole: Tensor
    whole = safe_get_full_fp32_param(parameter) if key is None else safe_get_full_optimizer_state(parameter, key)
    return whole


def _set(engine: Engine, parameter: nn.Parameter, key: str | None, value: Tensor) -> None:
    """Let this rank's part of a weight, or of one of its states, be that of `value`, which is whole."""
    from deepspeed import utils

    if not engine.zero_stage:
        with torch.no_grad():
            (parameter if key is None else engine.optimizer.state[parameter][key]).copy_(value)
    elif engine.zero_stage < 3 and key is None:
        utils.safe_set_full_fp32_param(parameter, value)
    elif engine.zero_stage < 3:
        utils.safe_set_full_optimizer_state(parameter, value, key)
    elif key is None:
        utils.safe_set_local_fp32_param(parameter, _part(parameter, value))
    else:
        utils.safe_set_local_optimizer_state(parameter, _part(parameter, value), key)


def _part(parameter: nn.Parameter, value: Tensor) -> Tensor:
    """Return this rank's part of a whole tensor under ZeRO 3, which pads the last one."""
    size = parameter.ds_tensor.numel()  # type: ignore[attr-defined]
    padded = value.new_zeros(size * dist.get_world_size())
    padded[: value.numel()] = value.flatten()
    return padded[size * dist.get_rank() :][:size]


def _on_first_rank(tensors: Iterator[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Run through `tensors` on every rank, which may be collective, and keep copies on the first."""
    kept = {}
    for name, tensor in tensors:
        if dist.get_rank() == 0:
            kept[name] = tensor.detach().to("cpu", copy=True)
    return kept
