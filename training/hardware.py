"""What training may run on: peak rates, memory and an assumed price, as data; this machine's own rate, measured."""

import os
import time

import torch
from pydantic import BaseModel, Field

from byline.catalog.configs.hardware import GPUS, read_row, shipped_table
from byline.catalog.configs.loading import parse_config
from byline.diffusion.configs import Precision

CPU = "cpu"
CPU_MFU = 0.5
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
SIDE, ROUNDS = 1024, 3
"""Side, and times, of the matrix product that tells what this machine computes."""


class Hardware(BaseModel, frozen=True, extra="forbid"):
    """One accelerator, or the cores of one machine."""

    name: str
    bf16_tflops: float = Field(gt=0)
    fp16_tflops: float = Field(gt=0)
    fp32_tflops: float = Field(gt=0)
    memory_gb: float = Field(gt=0)
    """Memory in 10^9 bytes."""
    mfu: float = Field(gt=0, le=1)
    """Part of the peak that training is assumed to make of it (model FLOPs utilization)."""
    mfu_from: str = Field(max_length=69)
    """Where the MFU comes from, on a line of 80 columns."""
    usd_per_hour: float = Field(ge=0)
    price_from: str = Field(max_length=69)
    is_cpu: bool = False

    def tflops(self, precision: Precision) -> float:
        """Return the dense peak of matrix products, in 10^12 operations a second."""
        return {"bf16": self.bf16_tflops, "fp16": self.fp16_tflops, "fp32": self.fp32_tflops}[precision]


def find_hardware(
    name: str, *, num_ranks: int = 1, usd_per_hour: float | None = None, mfu: float | None = None
) -> Hardware:
    """Return the hardware of each rank, with another price and MFU where they are given.

    `cpu` is a rank's share of this machine, whose rate is measured in a second. Raises `ConfigError`, which lists the
    known ones, for another name, and for numbers that cannot be.
    """
    hardware = _share_of_cpu(num_ranks) if name == CPU else _from_table(name)
    stated = {"usd_per_hour": usd_per_hour, "mfu": mfu}
    changes = {key: value for key, value in stated.items() if value is not None}
    sources = {"price_from": "as given"} if "usd_per_hour" in changes else {}
    sources |= {"mfu_from": "as given"} if "mfu" in changes else {}
    return parse_config({**hardware.model_dump(), **changes, **sources}, Hardware, where=f"hardware {name}")


def _from_table(name: str) -> Hardware:
    return read_row(shipped_table(GPUS), name, Hardware, unknown=f"unknown hardware '{name}'", more=f", {CPU}")


def _share_of_cpu(num_ranks: int) -> Hardware:
    cores = max(1, (os.cpu_count() or 1) // num_ranks)
    num_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    before = torch.get_num_threads()
    torch.set_num_threads(cores)
    rates = {f"{name}_tflops": _measured_tflops(dtype) for name, dtype in DTYPES.items()}
    torch.set_num_threads(before)
    return Hardware(
        name=f"CPU of this machine, {cores} core{'s' if cores > 1 else ''} each",
        **rates,
        memory_gb=num_bytes / num_ranks / 1e9,
        mfu=CPU_MFU,
        mfu_from="of the rate of large matrix products, measured now: a guess",
        usd_per_hour=0.0,
        price_from="not counted",
        is_cpu=True,
    )


def _measured_tflops(dtype: torch.dtype) -> float:
    """Return the best of a few products of square matrices."""
    matrix = torch.ones(SIDE, SIDE, dtype=dtype)
    seconds = []
    for _ in range(ROUNDS):
        started_s = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - started_s)
    return 2 * SIDE**3 / min(seconds) / 1e12
