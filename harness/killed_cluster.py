"""`kill -9` of one part of a cluster while it builds, and the same command again."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.cluster import a_free_port, a_pool, a_prism, beam_options

VICTIMS = ("worker", "process of a worker", "pool", "runner", "driver")
ENDS_WITHIN_S = 600
Process = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Killed:
    """What became of a build of which one part was killed, and of the same command after it."""

    victim: str
    code: int
    """Of the command whose cluster was hit, 0 when that did it no harm, negative when it was the victim."""
    lines: tuple[str, ...]
    """What the driver wrote to stderr, but for the bars."""
    version: str
    """Of the release, once the same command was run again on a cluster that is whole."""


def killed(config: Path, victim: str, is_time: Callable[[], bool], folder: Path) -> Killed:
    """Build on Prism and a pool, kill the victim as soon as `is_time()`, and build again."""
    with _a_cluster(folder) as (runner, pool, options):
        command = _command(config, options)
        driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while not is_time() and driver.poll() is None:
            time.sleep(0.02)
        workers = _children(pool.pid)
        victims = {
            "worker": workers,
            "process of a worker": [process for worker in workers for process in _children(worker)],
            "pool": [pool.pid],
            "runner": [runner.pid],
            "driver": [driver.pid],
        }
        for pid in victims[victim]:
            _kill(pid)
        _, stderr = driver.communicate(timeout=ENDS_WITHIN_S)
        for pid in workers:  # they outlive a pool that is killed
            _kill(pid)
    return Killed(victim, driver.returncode, tuple(stderr.splitlines()), whole(config, folder))


def at_random(seed: int, most_s: float) -> Callable[[], bool]:
    """Return what says when it is time: after a moment that follows from the seed."""
    until = time.monotonic() + random.Random(seed).uniform(0, most_s)
    return lambda: time.monotonic() > until


def whole(config: Path, folder: Path) -> str:
    """Build on a cluster of which nothing is killed, and return the version of the release."""
    with _a_cluster(folder) as (_, _, options):
        done = subprocess.run(_command(config, options), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.strip().rpartition("/")[2]


@contextmanager
def _a_cluster(folder: Path) -> Iterator[tuple[Process, Process, list[str]]]:
    port, pool_port = a_free_port(), a_free_port()
    with a_prism(port, folder / "prism.log") as runner, a_pool(pool_port, folder / "pool.log") as pool:
        yield runner, pool, beam_options(f"localhost:{port}", f"localhost:{pool_port}")


def _command(config: Path, options: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "byline.cli.main", "build", str(config), "--", *options]


def _children(pid: int) -> list[int]:
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
