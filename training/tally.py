"""What is counted between two entries of the log: gradient norms, waits for data, memory."""

import bisect
import math
import resource
from typing import Any

import torch
import torch.distributed as dist

from byline.training.log import WAITS_MS
from byline.training.ranks import Ranks

KIB = 1024


class Tally:
    """The count of one rank."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._grad_norms: list[float] = []
        self._waits_ms: list[float] = []

    def add(self, *, grad_norm: float, wait_s: float) -> None:
        """Count a step: the norm of its gradients, if fp16 could hold them, and how long it waited for its data."""
        if math.isfinite(grad_norm):
            self._grad_norms.append(grad_norm)
        self._waits_ms.append(1000 * wait_s)

    def fields(self, ranks: Ranks) -> dict[str, Any]:
        """Return fields of a `LogEntry`, over all ranks, all of which must call it."""
        counts = [0] * (len(WAITS_MS) + 1)
        for wait_ms in self._waits_ms:
            counts[bisect.bisect_right(WAITS_MS, wait_ms)] += 1
        sums = _reduced([sum(self._waits_ms), len(self._waits_ms), *counts], dist.ReduceOp.SUM, ranks)
        most = _reduced([max(self._waits_ms), peak_memory_bytes(ranks.device)], dist.ReduceOp.MAX, ranks)
        norms = self._grad_norms
        return {
            "grad_norm": round(sum(norms) / len(norms), 6) if norms else None,
            "grad_norm_max": round(max(norms), 6) if norms else None,
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
