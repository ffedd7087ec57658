"""What all ranks have computed, on each of them, with gradients that reach the rank that computed it."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def num_ranks() -> int:
    """Return how many ranks have joined; 1 before any did."""
    return dist.get_world_size() if dist.is_initialized() else 1


def gather_alike(own: Tensor) -> Tensor:
    """Return the rows of all ranks, one rank after the other. Each has as many; no gradient."""
    parts = [torch.empty_like(own) for _ in range(num_ranks())]
    dist.all_gather(parts, own.contiguous())
    return torch.cat(parts)


class _Gathered(torch.autograd.Function):
    """`gather_alike` with a gradient. torch's own, `torch.distributed.nn.functional.all_gather`, is deprecated."""

    @staticmethod
    def forward(_: Any, own: Tensor) -> Tensor:
        """Return the rows of all ranks."""
        return gather_alike(own)

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        """Return the sum over ranks of what each one's loss says of this rank's rows."""
        total = gradients[0].contiguous()
        dist.all_reduce(total)
        return total.tensor_split(num_ranks())[dist.get_rank()]


@torch.compiler.disable  # type: ignore[untyped-decorator]
def gather_with_gradients(own: Tensor) -> Tensor:
    """Return the rows of all ranks, of which each has as many, one rank after the other.

    A gradient of a row is the sum of those on all ranks. So when each rank's loss is a mean over its own rows, and
    ranks average the gradients of weights, as data parallelism does, that is the gradient of the mean over all rows.
    """
    gathered: Tensor = _Gathered.apply(own)  # type: ignore[no-untyped-call]
    return gathered
