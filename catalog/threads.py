"""One piece of work after the other, in threads: Arrow and numpy leave Python alone."""

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")
SWITCH_S = 0.0005
"""Time after which a thread hands Python over, in seconds. They let go of it for some 100 us at a time; Python's own 5
ms are an age."""


def num_cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(work: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """Yield `work(item)` in order, a few ahead of what is taken.

    Arrow and numpy let go of Python for some 100 us at a time, so threads must be quick to hand it over.
    """
    workers = os.cpu_count() or 1
    sys.setswitchinterval(SWITCH_S)
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future[B]] = deque()
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) > 2 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def thread_busy_s() -> float:
    """Return the seconds in which this thread computed, or waited for a core where the system tells that."""
    try:
        computed, waited, _ = Path("/proc/thread-self/schedstat").read_text().split()
        return (int(computed) + int(waited)) / 1e9
    except (OSError, ValueError):
        return time.thread_time()
