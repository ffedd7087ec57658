"""One step of the optimizer, which is taken whole or, where a number is not finite, not at all."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from byline.training.engine import Engine

Pass = tuple[Tensor, ...]
"""What the network is called with."""


class NotFiniteError(Exception):
    """A loss or a gradient is no number. No weight was touched; every rank raises it."""

    def __init__(self, what: str, rank: int | None) -> None:
        """`rank` is the first on which it is so, None for what was summed over ranks."""
        super().__init__(what)
        self.what, self.rank = what, rank


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What came of a step."""

    loss: Tensor
    """Mean over this rank's share, on its device."""
    grad_norm: float
    """The norm over all weights and ranks, before clipping; infinite where fp16 left the step out."""


def take_step(engine: Engine, passes: Sequence[Pass], lr: float) -> StepResult:
    """Train on this rank's share of a batch, in passes; each sample counts the same, whatever the size of its pass.

    Raises `NotFiniteError` on all ranks, with all weights as they were, when the loss of any of them or the gradient is
    not finite; under fp16 the latter only where no smaller loss scale is left.
    """
    for group in engine.deepspeed.optimizer.param_groups:
        group["lr"] = lr
    if engine.has_uneven_passes:
        passes = _as_many_on_all_ranks(passes)
    sizes = [len(inputs[0]) for inputs in passes]
    divisor = engine.deepspeed.gradient_accumulation_steps()
    with _scaled_loss(engine) as scale:
        losses = []
        for position, (inputs, size) in enumerate(zip(passes, sizes, strict=True)):
            if engine.has_uneven_passes:
                engine.deepspeed.set_gradient_accumulation_boundary(position + 1 == len(passes))
            loss = engine.deepspeed(*inputs)
            engine.deepspeed.backward(loss * (size * divisor / sum(sizes) * (1.0 if scale is None else scale)))
            losses.append(loss.detach() * (size * len(passes) / sum(sizes)))  # times exactly 1 where all are equal
            if position + 1 < len(passes):
                engine.deepspeed.step()
        mean = torch.stack(losses).mean()
        _refuse_lost(mean)
        norm = _update(engine)
    applied = math.isfinite(norm)
    if not applied and not _may_scale_down(engine):
        raise NotFiniteError("gradient", None)
    if engine.loss_scale is not None:
        engine.loss_scale.update_scale(not applied)
    return StepResult(loss=mean, grad_norm=norm)


def _as_many_on_all_ranks(passes: Sequence[Pass]) -> list[Pass]:
    """Return the passes, the largest ones halved, until this rank has as many as the one that has most.

    ZeRO 2 and 3 have ranks meet in each pass.
    """
    most = torch.tensor(len(passes), device=passes[0][0].device)
    dist.all_reduce(most, dist.ReduceOp.MAX)
    divided = list(passes)
    while len(divided) < most.item():
        at = max(range(len(divided)), key=lambda number: len(divided[number][0]))
        halves = zip(*(torch.tensor_split(tensor, 2) for tensor in divided[at]), strict=True)
        divided[at : at + 1] = halves
    return divided


@contextmanager
def _scaled_loss(engine: Engine) -> Iterator[float | None]:
    """Give what the loss is still to be multiplied with; ZeRO multiplies itself."""
    if engine.loss_scale is None:
        yield None
    elif engine.zero_stage:
        engine.deepspeed.optimizer.override_loss_scale(engine.loss_scale.cur_scale)
        yield None
    else:
        yield engine.loss_scale.cur_scale


def _refuse_lost(loss: Tensor) -> None:
    """Raise `NotFiniteError` on all ranks when a loss of any is not finite."""
    size = dist.get_world_size()
    first = torch.where(loss.isfinite(), size, dist.get_rank())
    dist.all_reduce(first, dist.ReduceOp.MIN)
    if first.item() < size:
        raise NotFiniteError("loss", int(first.item()))


def _update(engine: Engine) -> float:
    """Move the weights unless a gradient is not finite; return the norm of the gradient."""
    if not engine.zero_stage:
        norm = _clip(engine)
        engine.deepspeed.step()
        return norm
    engine.deepspeed.step()
    return float(engine.deepspeed.get_global_grad_norm()) if engine.deepspeed.was_step_applied() else math.inf


def _clip(engine: Engine) -> float:
    """Undo the loss scale and clip the gradients, which are summed over ranks already, as ZeRO does by itself.

    Without gradients, as after one that is not finite, the optimizer leaves weights and state as they are.
    """
    weights = [weight for weight in engine.network.parameters() if weight.grad is not None]
    grads = [weight.grad for weight in weights if weight.grad is not None]
    if engine.loss_scale is not None:
        torch._foreach_mul_(grads, 1 / engine.loss_scale.cur_scale)
    norm = torch.nn.utils.get_total_norm(grads)
    if not norm.isfinite().item():
        for weight in weights:
            weight.grad = None
        return math.inf
    torch.nn.utils.clip_grads_with_norm_(weights, engine.max_grad_norm, norm)
    return float(norm)


def _may_scale_down(engine: Engine) -> bool:
    scale = engine.loss_scale
    return scale is not None and scale.cur_scale > scale.min_scale
