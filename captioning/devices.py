"""Which device a captioner works on: a GPU belongs to one process at a time, with one copy of the weights."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ASKED_EVERY_S = 0.2


def gpus(device: str) -> list[str]:
    """Return the GPUs that `device` allows: all for "auto" and "cuda", one for "cuda:1", none for "cpu"."""
    if device == "cpu":
        return []
    import torch

    every = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return every if device in ("auto", "cuda") else [device]


def num_decoders(asked: int | None, device: str) -> int:
    """Return how many processes prepare pictures: those that were asked for, else all cores but one for a GPU.

    On the CPU none do: the model uses the cores.
    """
    if asked is not None:
        return asked
    return 0 if device == "cpu" else max(1, len(os.sched_getaffinity(0)) - 1)


@contextmanager
def held_device(device: str) -> Iterator[str]:
    """Give a device that no other process of this user captions on; wait for one. "cpu" where there is no GPU.

    What holds it is a lock that ends with the process. So there are never two copies of the weights on a GPU, however
    many workers a build has, and a worker that waits leaves its cores to those who prepare pictures.
    """
    allowed = gpus(device)
    if not allowed:
        yield "cpu"
        return
    with held(allowed, Path(tempfile.gettempdir())) as gpu:
        yield gpu


@contextmanager
def held(names: Sequence[str], folder: Path) -> Iterator[str]:
    """Give one of these names that no other process holds by a file in `folder`; wait for one."""
    while True:
        for name in names:
            file = os.open(folder / _file_of(name), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                continue
            try:
                yield name
                return
            finally:
                os.close(file)
        time.sleep(ASKED_EVERY_S)


def _file_of(name: str) -> str:
    """Name the lock of a GPU, as the machine numbers it."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    index = int(name.rpartition(":")[2])
    physical = visible[index] if index < len(visible) and visible[index] else str(index)
    return f"byline-{os.getuid()}-gpu-{physical}.lock"
