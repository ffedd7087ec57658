"""What a rank holds while it trains, by ZeRO stage: how `training.engine` and DeepSpeed lay it out, and one pass."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from byline.training.tracing import Trace

STAGES = (0, 1, 2, 3)
FLOAT32 = 4
DEFAULT_BUCKET, DEFAULT_LIVE = 500_000_000, 1_000_000_000
"""DeepSpeed's own, where a file says nothing, in numbers."""
SENT_AT_ONCE = 500_000_000
"""Gradients in a message, without ZeRO."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on one rank. What a driver and an allocator take beside is not in."""

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
    step: int
    """The copy of gradients that DeepSpeed makes to send them, or to update this rank's part; by then no activation is
    left."""

    @property
    def total(self) -> int:
        """What there is at the moment that needs most."""
        kept = self.weights + self.optimizer + self.average + self.gradients + self.buckets
        return kept + max(self.activations, self.step)


def memory_of(
    trace: Trace, zero: Mapping[str, Any], *, stage: int, num_ranks: int, num_passes: int, state_numbers: int
) -> Memory:
    """Return what a rank of `num_ranks` needs.

    `zero` is `zero_optimization` of the DeepSpeed file, `state_numbers` what the optimizer keeps of the whole network.
    """
    whole = FLOAT32 * trace.num_parameters
    part = -(-whole // num_ranks)
    activations = trace.peak_bytes
    if stage == 0 and num_passes == 1:  # gradients come while activations go
        activations = max(0, trace.peak_with_gradients_bytes - whole)
    weights = {0: whole, 1: whole + part, 2: whole + part, 3: 2 * part}[stage]
    split = num_ranks if stage else 1
    return Memory(
        stage=stage,
        weights=weights + FLOAT32 * trace.num_buffers,
        optimizer=-(-FLOAT32 * state_numbers // split),
        average=-(-whole // split),
        gradients=whole if stage < 2 else part,
        buckets=_buckets(trace, zero, stage) if stage else 0,
        activations=activations,
        step={0: min(whole, FLOAT32 * SENT_AT_ONCE), 1: part, 2: part, 3: 0}[stage],
    )


def _buckets(trace: Trace, zero: Mapping[str, Any], stage: int) -> int:
    numbers = int(zero.get("reduce_bucket_size", DEFAULT_BUCKET))
    if zero.get("overlap_comm", stage == 3) and stage < 3:
        numbers *= 2
    if stage == 3:
        numbers += min(trace.num_parameters, int(zero.get("stage3_max_live_parameters", DEFAULT_LIVE)))
    return FLOAT32 * numbers
