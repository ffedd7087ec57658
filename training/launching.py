"""Start the ranks of a run on this machine, and tell which one ended first. Loads torch only when it starts them."""

import ctypes
import logging
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass

OURS = "byline"
"""What a launch of ours is called in the environment of its ranks (`TORCHELASTIC_RUN_ID`)."""

LOST = 3
"""The exit code of a rank that ended because another one did."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The rank that ended a run."""

    rank: int
    exit_code: int
    """`-N` when signal N killed it."""


def is_launched() -> bool:
    """Tell whether a launcher (torchrun, deepspeed, Slurm's srun) started this process as one of the ranks."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def is_launched_by_us() -> bool:
    """Tell whether `launch` started this process, and so will say what ended the run."""
    return is_launched() and os.environ.get("TORCHELASTIC_RUN_ID") == OURS


def launch(module: str, arguments: list[str], *, num_ranks: int) -> Failure | None:
    """Run `python -P -m module arguments` as ranks of this machine, on a free port; return what went wrong, if it did.

    `-P`: nothing in the current folder is imported.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

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
        run_id=OURS,
    )
    try:
        elastic_launch(config, sys.executable)("-P", "-m", module, *arguments)
    except ChildFailedError as error:
        codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
        rank, exit_code = first_failure(codes)
        return Failure(rank=rank, exit_code=exit_code)
    except SignalException as error:
        if error.sigval == signal.SIGINT:
            raise KeyboardInterrupt from error
        raise SystemExit(128 + error.sigval) from error
    return None


def first_failure(codes: Mapping[int, int]) -> tuple[int, int]:
    """Return the rank that ended the others, and its exit code: one that was killed, or else one that knows why.

    The others are terminated then, or find that one is gone.
    """
    follows = {-signal.SIGTERM, LOST}
    return min(
        codes.items(), key=lambda rank_and_code: (rank_and_code[1] in follows, rank_and_code[1] >= 0, rank_and_code[0])
    )


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends, however that ends."""
    if sys.platform == "linux":
        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
