"""Real ranks of a run, each a process with its own config, that meet on a port of this machine."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
WAIT_S = 240
"""For ranks to end, on a machine that does much else. One that hangs is a failure."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_python(arguments: Sequence[str], **environment: str) -> "subprocess.Popen[str]":
    """Start a Python that imports this repository, with one thread."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_ranks(commands: Sequence[Sequence[str]]) -> "list[subprocess.Popen[str]]":
    """Start a Python for each of these argument lists, as ranks of one run, as a launcher on many nodes would."""
    port = free_port()
    return [
        start_python(
            arguments,
            RANK=str(rank),
            LOCAL_RANK=str(rank),
            WORLD_SIZE=str(len(commands)),
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=str(port),
        )
        for rank, arguments in enumerate(commands)
    ]


def train_as_ranks(configs: Sequence[Path]) -> list[tuple[int, str]]:
    """Train with a rank for each of these config files; return the exit code and the standard error of each."""
    return ended(start_ranks([("-m", "byline.training.run", str(config)) for config in configs]))


def ended(processes: "Sequence[subprocess.Popen[str]]") -> list[tuple[int, str]]:
    """Wait for processes; return the exit code and the standard error of each."""
    try:
        errors = [process.communicate(timeout=WAIT_S)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, error) for process, error in zip(processes, errors, strict=True)]


def lines_of_ours(error: str) -> list[str]:
    """Return the lines of standard error that byline wrote."""
    return [line for line in error.splitlines() if line.startswith("byline:")]


def rank_of(parent: int, rank: int) -> int:
    """Return the process of a rank that a process has started."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for child in children:
        if f"\0RANK={rank}\0".encode() in b"\0" + Path(f"/proc/{child}/environ").read_bytes():
            return int(child)
    raise AssertionError(f"no rank {rank} among {children}")
