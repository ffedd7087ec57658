"""What a rank holds while it trains, by ZeRO stage: how `training.engine` and DeepSpeed lay it out, and one pass."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from byline.training.tracing import Trace

STAGES = (0, 1, 2, 3)
FLOAT32 = 4
DEFAULT_BUCKET, DEFAULT_LIVE = 500_000_000, 1_000_000_000
"""DeepSpeed's own, where a file says nothing, in numbers."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on one rank at the moment that needs most. What a driver and an allocator take beside is not in."""

    stage: int
    weights: int
    """Those that the network computes with, and under ZeRO 1 to 3 this rank's part of float32 ones."""
    optimizer: int
    average: int
    gradients: int
    buckets: int
    """Where ZeRO gathers gradients before they are sent, and under ZeRO 3 weights that are in use."""
    activations: int
    """The rest of a pass: what is kept for the backward pass, and what is only computed with."""

    @property
    def total(self) -> int:
        """All of it."""
        return sum(getattr(self, field.name) for field in fields(self) if field.name != "stage")


def memory_of(
    trace: Trace, zero: Mapping[str, Any], *, stage: int, num_ranks: int, num_passes: int, state_numbers: int
) -> Memory:
    """Return what a rank of `num_ranks` needs. `zero` is `zero_optimization` of the DeepSpeed file, `state_numbers` what
    the optimizer keeps of the whole network.

    Without ZeRO the gradients of a single pass come while activations go, so the two do not add up.
    """
    whole = FLOAT32 * trace.num_parameters
    fixed = FLOAT32 * trace.num_buffers
    if stage == 0:
        gradients, activations = whole, trace.peak_bytes
        if num_passes == 1:
            activations = max(0, trace.peak_with_gradients_bytes - whole)
        return Memory(
            stage=0,
            weights=whole + fixed,
            optimizer=FLOAT32 * state_numbers,
            average=whole,
            gradients=gradients,
            buckets=0,
            activations=activations,
        )
    part = -(-whole // num_ranks)
    return Memory(
        stage=stage,
        weights=fixed + part + (part if stage == 3 else whole),
        optimizer=-(-FLOAT32 * state_numbers // num_ranks),
        average=part,
        gradients=whole if stage == 1 else part,
        buckets=_buckets(trace, zero, stage),
        activations=trace.peak_bytes,
    )


def _buckets(trace: Trace, zero: Mapping[str, Any], stage: int) -> int:
    numbers = int(zero.get("reduce_bucket_size", DEFAULT_BUCKET))
    if zero.get("overlap_comm", stage == 3) and stage < 3:
        numbers *= 2
    if stage == 3:
        numbers += min(trace.num_parameters, int(zero.get("stage3_max_live_parameters", DEFAULT_LIVE)))
    return FLOAT32 * numbers
