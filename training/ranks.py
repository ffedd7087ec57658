"""The processes of a run: start them, join them, and let none outlive its parent."""

import ctypes
import logging
import os
import signal
import sys
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

TIMEOUT = timedelta(days=1)
"""How long a rank waits for others: one may have many packs left to encode."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """The place of this process among those of the run."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait until every rank is here."""
        dist.barrier()


def is_launched() -> bool:
    """Tell whether a launcher (torchrun, deepspeed) started this process as one of its ranks."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def launch(module: str, arguments: list[str], *, num_ranks: int) -> int:
    """Run `python -P -m module arguments` as ranks of this machine, on a free port; return an exit code.

    `-P`: nothing in the current folder is imported.
    """
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    threads = max(1, (os.cpu_count() or 1) // num_ranks)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=num_ranks,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="127.0.0.1",
        max_restarts=0,
        run_id="byline",
    )
    try:
        elastic_launch(config, sys.executable)("-P", "-m", module, *arguments)
    except ChildFailedError as error:
        return max(1, error.get_first_failure()[1].exitcode)
    except SignalException as error:
        return 128 + error.sigval
    return 0


def join() -> Ranks:
    """Join the other ranks of this run; alone, without a port. A rank dies with the process that started it."""
    if is_launched():
        die_with_parent()
    device = _device()
    backend = "nccl" if device.type == "cuda" else "gloo"
    if is_launched():
        dist.init_process_group(backend, timeout=TIMEOUT)
    elif not dist.is_initialized():
        os.environ.setdefault("LOCAL_RANK", "0")  # DeepSpeed insists on it
        store = dist.HashStore()  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=store, rank=0, world_size=1)
    return Ranks(rank=dist.get_rank(), size=dist.get_world_size(), device=device)


def leave() -> None:
    """Leave the other ranks. A lone process stays joined to itself, as DeepSpeed cannot be started twice otherwise."""
    if is_launched():
        dist.destroy_process_group()


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends, however that ends."""
    if sys.platform == "linux":
        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)


def _device() -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)
