"""Start the ranks of a run on this machine, and tell which one ended first. Loads torch only when it starts them."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

LISTENER = "BYLINE_LISTENER"
"""The environment variable of ranks that `launch` started: the descriptor of the socket at which the first listens."""

LOST = 3
"""The exit code of a rank that ended because another one did."""

LOOK_S = 0.05
"""Seconds between two looks at whether a rank has ended."""
GRACE_S = 30.0
"""Seconds in which a rank that is told to end may do so before it is killed."""


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
    return is_launched() and LISTENER in os.environ


def set_up_torch() -> None:
    """Say to torch how it shall use the processor; call it before torch is loaded. What is set already stays.

    Threads that spin while they wait make a shared machine crawl. Large tensors lie in large pages, where Linux gives
    them to who asks (`madvise`): a batch is new memory, and taking it by 4 KiB costs more than filling it.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def launch(module: str, arguments: list[str], *, num_ranks: int) -> Failure | None:
    """Run `python -P -m module arguments` as ranks of this machine; return what went wrong, if it did.

    `-P`: nothing in the current folder is imported. A rank that fails ends the others. Ctrl-C and what else is to end
    this process ends them first. The first rank is handed a socket that listens already, so no port is ever guessed.
    """
    set_up_torch()
    ranks: list[subprocess.Popen[bytes]] = []
    with _signals_raise():
        try:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                for rank in range(num_ranks):
                    ranks.append(
                        subprocess.Popen(
                            [sys.executable, "-P", "-m", module, *arguments],
                            env=_environment(rank, num_ranks, listener),
                            pass_fds=() if rank else (listener.fileno(),),
                            start_new_session=True,  # Ctrl-C is for this process, which ends the ranks
                        )
                    )
            while any(process.poll() is None for process in ranks) and not any(process.poll() for process in ranks):
                time.sleep(LOOK_S)
        finally:
            _end(ranks)
    codes = {rank: process.returncode for rank, process in enumerate(ranks) if process.returncode}
    if not codes:
        return None
    rank, exit_code = first_failure(codes)
    return Failure(rank=rank, exit_code=exit_code)


def _environment(rank: int, num_ranks: int, listener: socket.socket) -> dict[str, str]:
    threads = max(1, (os.cpu_count() or 1) // num_ranks)
    address, port = listener.getsockname()
    return {
        "OMP_NUM_THREADS": str(threads),
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(num_ranks),
        "LOCAL_WORLD_SIZE": str(num_ranks),
        "MASTER_ADDR": address,
        "MASTER_PORT": str(port),
        LISTENER: str(listener.fileno()),
    }


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Let signals that end a process raise `SystemExit` in it, as Ctrl-C raises `KeyboardInterrupt`.

    One that is ignored, as nohup has it, stays ignored.
    """

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    is_main = threading.current_thread() is threading.main_thread()  # no other one may set them
    heeded = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, leave) for number in heeded if is_main}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(ranks: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Wait for processes that are told to end, and kill who does not."""
    for process in ranks:
        process.terminate()
    deadline_s = time.monotonic() + GRACE_S
    try:
        for process in ranks:
            process.wait(max(0.0, deadline_s - time.monotonic()))
    except subprocess.TimeoutExpired:
        pass
    finally:
        for process in ranks:
            process.kill()
            process.wait()


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
