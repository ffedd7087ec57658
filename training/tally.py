"""What is counted between two entries of the log: gradient norms, waits for data, memory."""

import bisect
import resource
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from byline.training.log import WAITS_MS
from byline.training.ranks import Ranks

KIB = 1024


class Tally:
    """The count of one rank. It keeps tensors as they are, so that no step waits for the device."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._grad_norms: list[Tensor] = []
        self._waits_ms: list[float] = []

    def add(self, *, grad_norm: Tensor | float | None, wait_s: float) -> None:
        """Count a step: the norm of its gradients where it is known, and how long it waited for its data."""
        if grad_norm is not None:
            self._grad_norms.append(torch.as_tensor(grad_norm, dtype=torch.float32))
        self._waits_ms.append(1000 * wait_s)

    def fields(self, ranks: Ranks) -> dict[str, Any]:
        """Return fields of a `LogEntry`, over all ranks, all of which must call it."""
        counts = [0] * (len(WAITS_MS) + 1)
        for wait_ms in self._waits_ms:
            counts[bisect.bisect_right(WAITS_MS, wait_ms)] += 1
        sums = _reduced([sum(self._waits_ms), len(self._waits_ms), *counts], dist.ReduceOp.SUM, ranks)
        most = _reduced([max(self._waits_ms), peak_memory_bytes(ranks.device)], dist.ReduceOp.MAX, ranks)
        norms = torch.stack(self._grad_norms) if self._grad_norms else None
        return {
            "grad_norm": None if norms is None else round(float(norms.mean()), 6),
            "grad_norm_max": None if norms is None else round(float(norms.max()), 6),
            "wait_ms": round(sums[0] / sums[1], 3),
            "wait_max_ms": round(most[0], 3),
            "waits": tuple(map(int, sums[2:])),
            "memory_bytes": int(most[1]),
        }


def peak_memory_bytes(device: torch.device) -> int:
    """Return the most that this process has held at once: of its GPU, or on a CPU of the machine."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


def _reduced(values: list[float], how: Any, ranks: Ranks) -> list[float]:
    tensor = torch.tensor(values, dtype=torch.float64, device=ranks.device)
    dist.all_reduce(tensor, how)
    reduced: list[float] = tensor.tolist()
    return reduced
