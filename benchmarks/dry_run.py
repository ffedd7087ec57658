"""Estimated memory beside measured memory, by ZeRO stage, on real ranks. python -m benchmarks.dry_run"""

import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.side_by_side import write_section
from harness.training_cases import Case, estimated_and_measured

WEIGHTS = Case(name="weights", stage=0, num_ranks=1, block_out_channels=(192, 384), side=8, batch_size=4)
PICTURES = Case(name="activations", stage=0, num_ranks=1, block_out_channels=(96, 160), side=16, batch_size=32)
CASES = [
    WEIGHTS,
    *(replace(WEIGHTS, stage=stage, num_ranks=2) for stage in (1, 2, 3)),
    PICTURES,
    replace(PICTURES, name="activations, checkpointed", activation_checkpointing=True),
]


def _row(case: Case) -> str:
    with tempfile.TemporaryDirectory() as folder:
        memory, measured = estimated_and_measured(case, Path(folder))
    held = memory.weights + memory.optimizer + memory.average + memory.gradients
    sizes = [held, memory.activations, memory.total, measured]
    cells = [case.name, f"ZeRO {case.stage}", str(case.num_ranks), *(f"{size / 1e6:,.0f}" for size in sizes)]
    return f"| {' | '.join(cells)} | {memory.total / measured:.2f} |"


if __name__ == "__main__":
    names = [
        "what is most",
        "stage",
        "ranks",
        "weights and what belongs to them",
        "activations",
        "estimate",
        "measured",
        "ratio",
    ]
    lines = [f"| {' | '.join(names)} |", "|---|---|" + "---:|" * (len(names) - 2), *map(_row, CASES)]
    write_section(
        "Memory of training, estimated and measured",
        "python -m benchmarks.dry_run",
        "MB of the rank that takes most. Estimated by `byline train --dry-run`; measured as the peak of resident "
        "memory over two steps, less what the same process held after two steps of a network of 64 weights (torch and "
        "DeepSpeed). What is freed goes back to the kernel at once, so no gaps are counted. Weights are most: 192 and "
        "384 channels, 8 x 8 latents, 4 images a step; activations: 96 and 160 channels, 16 x 16 latents, 32 images."
        "\n\n" + "\n".join(lines),
    )
