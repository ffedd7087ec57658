"""How much memory training really takes: real ranks, DeepSpeed and the optimizer, as the kernel counts their pages."""

import ctypes
import gc
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

from byline.training.config import load_train_config
from byline.training.ema import WeightAverage
from byline.training.engine import build_engine, passes_per_step
from byline.training.estimate import build_network, empty_inputs
from byline.training.ranks import Ranks, join
from byline.training.stepping import Pass, take_step

STEPS = 2
GIVES_BACK = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
"""What is freed goes back to the kernel at once, so that the peak is of what lived at once and of no gaps between."""


def measured_bytes(config: Path, *, num_ranks: int) -> list[int]:
    """Return, for each rank, the most bytes that training by `config` has beyond those of a network of one weight."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(num_ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)} | GIVES_BACK
    command = [sys.executable, "-m", "harness.training_memory", str(config)]
    ranks = [
        subprocess.Popen(
            command, env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}, stdout=subprocess.PIPE
        )
        for rank in range(num_ranks)
    ]
    outputs = [rank.communicate()[0] for rank in ranks]
    for rank in ranks:
        if rank.returncode:
            raise RuntimeError(f"a rank ended with exit code {rank.returncode}; its lines are above")
    return [int(json.loads(lines.splitlines()[-1])) for lines in outputs]


def _train(path: str) -> int:
    config, ranks = load_train_config(path), join()
    size = config.batch_size // ranks.size // passes_per_step(config, ranks)
    _steps(path, _Mean(), (torch.ones(size, 1),), ranks)
    before = _settled_bytes()
    _steps(path, build_network(config), _random(empty_inputs(config, size)), ranks)
    return _status_bytes("VmHWM") - before


class _Mean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * self.weight).mean()


def _steps(path: str, network: nn.Module, inputs: Pass, ranks: Ranks) -> None:
    config = load_train_config(path)
    engine = build_engine(network, config, ranks)
    average = WeightAverage(engine, half_life_images=config.ema_half_life_images)
    for step in range(STEPS):
        take_step(engine, [inputs] * passes_per_step(config, ranks), lr=1e-4)
        average.update(images_seen=(step + 1) * config.batch_size, batch_size=config.batch_size)


def _random(like: Pass) -> Pass:
    """Return float inputs filled with noise: a page that nobody wrote would not be counted."""
    return tuple(tensor.normal_() if tensor.is_floating_point() else tensor for tensor in like)


def _settled_bytes() -> int:
    """Give back what is free, begin the peak anew, and return what is left."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _status_bytes("VmRSS")


def _status_bytes(name: str) -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(json.dumps(_train(sys.argv[1])))
