"""The files that the `path` of a source names, and their lines; compressed ones are told by their content."""

import bz2
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob, has_magic
from io import BufferedIOBase
from pathlib import Path
from typing import IO, cast

from catalog.errors import SourceError

MAX_LINE_BYTES = 1 << 24
"""A longer line is no metadata; it is not held in memory either."""


def files_of(path: str, *, source: str | None = None) -> list[str]:
    """Return the file, or those of a folder and below or of a glob, sorted by path; hidden ones are not among them.

    Raises `SourceError` when there is none.
    """
    place = Path(path)
    if place.is_file():
        return [path]
    if place.is_dir():
        found = [file for file in place.rglob("*") if file.is_file() and not _is_hidden(file, place)]
    else:
        names = glob(path, recursive=True) if has_magic(path) else []  # noqa: PTH207 - `path` may be absolute
        found = [Path(name) for name in names if Path(name).is_file()]
    if not found:
        of_source = f" of source {source}" if source else " in the corpus config"
        kind = "in the folder" if place.is_dir() else "for" if has_magic(path) else "at"
        raise SourceError(f"no source file {kind} {path}; check `path`{of_source}")
    return [str(file) for file in sorted(found)]


def _is_hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """Open a file, plain or compressed with gzip or bzip2. Raises `SourceError` when it cannot be opened."""
    try:
        with open(path, "rb") as file:
            magic = file.read(3)
            file.seek(0)
            unpacked: BufferedIOBase | IO[bytes] = file
            if magic[:2] == b"\x1f\x8b":
                unpacked = gzip.GzipFile(fileobj=file)
            elif magic == b"BZh":
                unpacked = bz2.BZ2File(file)
            yield cast(IO[bytes], unpacked)
    except FileNotFoundError as error:
        raise SourceError(f"no source file at {path}; check `path` in the corpus config") from error
    except (IsADirectoryError, PermissionError) as error:
        raise SourceError(f"cannot read {path}: {error.strerror}; check `path` in the corpus config") from error


def lines_of(path: str) -> Iterator[bytes]:
    """Yield the lines with their ends; of one that is longer than `MAX_LINE_BYTES` only the first that many bytes.

    Raises `SourceError` with the number of the last whole line when a compressed file is cut short or damaged.
    """
    number = 0
    with opened(path) as file:
        while line := _read(file, MAX_LINE_BYTES, path, number):
            rest = line
            while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
                rest = _read(file, MAX_LINE_BYTES, path, number)
            yield line
            number += 1


def _read(file: IO[bytes], limit: int, path: str, number: int) -> bytes:
    try:
        return file.readline(limit)
    except (EOFError, OSError, zlib.error) as error:
        why = "is cut short" if isinstance(error, EOFError) else f"is damaged ({error})"
        last = f"its last whole line is {number}" if number else "it has no whole line"
        raise SourceError(f"{path} {why}: {last}; get the file again") from error
