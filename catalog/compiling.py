"""The few loops that Python is too slow for, compiled by numba."""

from collections.abc import Callable
from typing import Any


def compiled(**options: Any) -> Callable[[Any], Any]:
    """Return numba's `njit` with these options, which keeps what it compiled on disk, for all later processes.

    Where neither the folder of the file nor the user's cache can be written, each process compiles for itself: seconds
    more, and the same results.
    """
    from numba import njit  # a third of a second, which most verbs need not wait

    def compile_(function: Any) -> Any:
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            return njit(**options)(function)

    return compile_
