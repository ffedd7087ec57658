"""Arrays in a folder, to be mapped: written whole or not at all, and checked once, when they are opened.

<folder>/<array>.npy      as numpy writes them, without pickles
<folder>/digests.json     XXH3 of each file
"""

import json
import mmap
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
DIGESTS = "digests.json"
PARTIAL = ".partial-"


class DamagedArraysError(Exception):
    """A folder does not hold what was written there."""


class NewArrays:
    """What fills a folder: arrays on disk, which need not be in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Return a new array of zeros, to be filled in place. Raises `OSError` when the disk has no room for it.

        A mapped file that meets a full disk would end the process, so the room is taken before.
        """
        path = self._folder / f"{name}.npy"
        array: Array = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(dtype), shape=shape)
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        return array


def write_arrays(folder: Path, fill: Callable[[NewArrays], None]) -> None:
    """Let `fill` write arrays, and put them into `folder`. Of several writers one wins."""
    partial = Path(mkdtemp(prefix=PARTIAL, dir=folder.parent))
    try:
        fill(NewArrays(partial))
        digests = {path.name: _digest(path) for path in sorted(partial.iterdir())}
        (partial / DIGESTS).write_text(json.dumps(digests))
        partial.rename(folder)
    except OSError:
        if not (folder / DIGESTS).exists():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def open_arrays(folder: Path) -> Arrays:
    """Map the arrays of a folder. Raises `DamagedArraysError` when they are not those that were written."""
    try:
        digests: dict[str, str] = json.loads((folder / DIGESTS).read_text())
        if any(_digest(folder / name) != digest for name, digest in digests.items()):
            raise DamagedArraysError(folder)
        return {name.removesuffix(".npy"): np.asarray(np.load(folder / name, mmap_mode="r")) for name in digests}
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise DamagedArraysError(folder) from error


def _digest(path: Path) -> str:
    """Return XXH3 of a file, which may be larger than memory."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return xxhash.xxh3_128_hexdigest(data)
