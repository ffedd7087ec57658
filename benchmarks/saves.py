"""How long a save stops the step, and how long it takes. python -m benchmarks.saves [MILLIONS] [ROUNDS]

A U-Net of about MILLIONS of parameters is trained for a step on one rank and saved, ROUNDS times; medians. The step
stops while `Checkpoints.save` runs; the write ends when the checkpoint has its name.
"""

import sys
from contextlib import chdir
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Literal

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from benchmarks.side_by_side import write_section
from byline.training.checkpoints import Checkpoints
from byline.training.config import DiffusionRun
from byline.training.ema import WeightAverage
from byline.training.engine import build_engine
from byline.training.ranks import join
from byline.training.stepping import take_step

BATCH = 4


class Network(nn.Module):
    """A U-Net and a loss of it."""

    def __init__(self, millions: float) -> None:
        super().__init__()
        width = max(32, round((millions * 700) ** 0.5) // 32 * 32)
        self.unet = UNet2DConditionModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            block_out_channels=(width, 2 * width),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=64,
            layers_per_block=1,
        )

    def forward(self, noisy_BCHW: Tensor, text_BLD: Tensor) -> Tensor:
        """Return the loss."""
        loss: Tensor = self.unet(noisy_BCHW, torch.zeros(len(noisy_BCHW)), text_BLD).sample.square().mean()
        return loss


class Saved:
    """What `Checkpoints` asks of a task."""

    kind: Literal["diffusion"] = "diffusion"

    def __init__(self, millions: float) -> None:
        self.network = Network(millions)
        self.provenance: dict[str, str] = {}

    def trained_models(self) -> dict[str, Any]:
        """Return the U-Net."""
        return {"unet": self.network.unet}

    def frozen_models(self) -> dict[str, Any]:
        """Return none."""
        return {}

    def finish(self, models: dict[str, Any]) -> None:
        """Do nothing."""


def main(millions: float, rounds: int) -> str:
    """Return a table of medians."""
    with TemporaryDirectory() as folder, chdir(folder):
        config = DiffusionRun.model_validate(
            {
                "kind": "diffusion",
                "release": "none",
                "run": str(Path(folder) / "run"),
                "resolution_px": 64,
                "images": BATCH * (rounds + 1),
                "batch_size": BATCH,
                "streams": 1,
                "ema_half_life_images": BATCH,
                "autoencoder": "none",
                "unet": {"block_out_channels": [32, 64]},
                "noise": {},
                "optimizer": {"learning_rate": 1e-4},
                "machine": {"log_every_images": BATCH, "save_every_images": BATCH, "keep_checkpoints": 1},
            }
        )
        task, ranks = Saved(millions), join()
        checkpoints = Checkpoints(config=config, release_digest="0" * 64, task=task, ranks=ranks)  # type: ignore[arg-type]
        checkpoints.restore_weights()
        engine = build_engine(task.network, config, ranks)
        average = WeightAverage(engine, half_life_images=BATCH)
        took: dict[str, list[float]] = {"copied": [], "stopped": [], "written": []}
        with checkpoints:
            for number in range(1, rounds + 1):
                take_step(engine, [(torch.randn(BATCH, 4, 8, 8), torch.randn(BATCH, 5, 64))], lr=1e-4)
                began_s = perf_counter()
                _copies(task.network)
                took["copied"].append(perf_counter() - began_s)
                began_s = perf_counter()
                checkpoints.save(engine, average, number * BATCH)
                took["stopped"].append(perf_counter() - began_s)
                checkpoints.wait()
                took["written"].append(perf_counter() - began_s)
        size = sum(weight.numel() for weight in task.network.parameters())
        on_disk = sum(path.stat().st_size for path in (Path(folder) / "run").rglob("*") if path.is_file())
    copied_s, stopped_s, written_s = (median(times) for times in took.values())
    return (
        "| parameters | on disk, MB | copies of as many numbers, s | the step stops, s | written after, s | share |\n"
        "|---:|---:|---:|---:|---:|---:|\n"
        f"| {size:,} | {on_disk / 1e6:,.0f} | {copied_s:.2f} | {stopped_s:.2f} | {written_s:.2f} | "
        f"{stopped_s / written_s:.0%} |\n\nMedians of {rounds} saves. The step stops for copies (weights, average, two "
        "moments); several ranks sum the bits of all weights besides, by which they agree."
    )


def _copies(network: nn.Module) -> list[Tensor]:
    """Return four copies of every weight, as many numbers as a checkpoint has."""
    return [weight.detach().to("cpu", copy=True) for weight in network.parameters() for _ in range(4)]


if __name__ == "__main__":
    arguments = sys.argv[1:]
    text = main(float(arguments[0]) if arguments else 30, int(arguments[1]) if len(arguments) > 1 else 5)
    write_section("Saving while it trains", f"python -m benchmarks.saves {' '.join(arguments)}".strip(), text)
