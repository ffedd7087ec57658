"""Runs whose memory is estimated and measured: U-Nets on made-up latents, on as many ranks as ZeRO needs to divide."""

import json
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from byline.training.config import DiffusionRun, load_train_config
from byline.training.estimate import estimate
from byline.training.hardware import CPU, find_hardware
from byline.training.memory import Memory
from harness.training_memory import measured_bytes

SMALL = 2_000_000
"""Numbers in DeepSpeed's buckets: those that come with byline are larger than these networks."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One run. Its weights decide about its memory, or its activations do."""

    name: str
    stage: int
    num_ranks: int
    block_out_channels: tuple[int, ...]
    side: int
    """Of the latents."""
    batch_size: int
    precision: str = "fp32"
    activation_checkpointing: bool = False


def estimated_and_measured(case: Case, folder: Path) -> tuple[Memory, int]:
    """Return what the estimate says of the case, and the most that a rank really took. Takes seconds."""
    path = _write(case, folder)
    config = load_train_config(path)
    estimated = estimate(config, find_hardware(CPU, num_ranks=case.num_ranks), gpus=case.num_ranks)
    return estimated.memory[case.stage], max(measured_bytes(path, num_ranks=case.num_ranks))


def _write(case: Case, folder: Path) -> Path:
    zero = {
        "stage": case.stage,
        "reduce_bucket_size": SMALL,
        "allgather_bucket_size": SMALL,
        "stage3_prefetch_bucket_size": SMALL,
        "stage3_max_live_parameters": SMALL,
        "stage3_max_reuse_distance": SMALL,
    }
    (folder / "deepspeed.json").write_text(json.dumps({"zero_optimization": zero, "steps_per_print": 10**9}))
    config = DiffusionRun.model_validate(
        {
            "kind": "diffusion",
            "release": str(folder / "none"),
            "run": str(folder / "run"),
            "autoencoder": "stabilityai/sd-vae-ft-mse",
            "resolution_px": 8 * case.side,
            "images": case.batch_size,
            "batch_size": case.batch_size,
            "streams": case.num_ranks,
            "precision": case.precision,
            "ema_half_life_images": 1000,
            "unet": {"block_out_channels": case.block_out_channels, "pooled_text": False},
            "noise": {},
            "optimizer": {"learning_rate": 1e-4},
            "machine": {
                "deepspeed": str(folder / "deepspeed.json"),
                "log_every_images": case.batch_size,
                "save_every_images": case.batch_size,
                "activation_checkpointing": case.activation_checkpointing,
            },
        }
    )
    path = folder / "run.toml"
    path.write_text(tomli_w.dumps(config.model_dump(mode="json", exclude_none=True)))
    return path
