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


def main(millions: float, rounds: int) -> None:
    """Print a table of medians."""
    with TemporaryDirectory() as folder, chdir(folder):
        config = DiffusionRun.model_validate(
            {
                "kind": "diffusion",
                "release": "none",
                "run": str(Path(folder) / "run"),
                "resolution_px": 64,
                "images": BATCH * (rounds + 1),
                "batch_size": BATCH,
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
        stopped, written = [], []
        with checkpoints:
            for number in range(1, rounds + 1):
                take_step(engine, [(torch.randn(BATCH, 4, 8, 8), torch.randn(BATCH, 5, 64))], lr=1e-4)
                began_s = perf_counter()
                checkpoints.save(engine, average, number * BATCH)
                stopped.append(perf_counter() - began_s)
                checkpoints.wait()
                written.append(perf_counter() - began_s)
        size = sum(weight.numel() for weight in task.network.parameters())
        print("| parameters | on disk, MB | the step stops, s | written after, s | share |\n|---|---|---|---|---|")
        on_disk = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        stop_s, write_s = median(stopped), median(written)
        print(f"| {size:,} | {on_disk / 1e6:.0f} | {stop_s:.2f} | {write_s:.2f} | {stop_s / write_s:.0%} |")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 30, int(sys.argv[2]) if len(sys.argv) > 2 else 5)
