"""The files that the `path` of a source names, and their lines; compressed ones are told by their content."""

import gzip
import os
import zlib
from bz2 import BZ2Decompressor
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from glob import glob, has_magic
from io import BufferedIOBase, BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, Any, cast

from byline.catalog.disk.far import SCHEMES, far_states, is_far
from byline.catalog.errors import SourceError, StorageError

MAX_LINE_BYTES = 1 << 24
"""A longer line is no metadata; it is not held in memory either."""
BLOCK_BYTES = 1 << 16


def files_of(path: str, *, source: str | None = None) -> list[str]:
    """Return the file, or those of a folder and below or of a glob, sorted by path; hidden ones are not among them.

    On an object store they are URLs, and a glob is one of fsspec's. Raises `SourceError` when there is none.
    """
    if is_far(path):
        return list(states_of(path, source=source))
    file_or_folder = Path(path)
    of_source = f" of source {source}" if source else " in the corpus config"
    try:
        if path and file_or_folder.is_file():
            return [path]
        if path and file_or_folder.is_dir():
            files = [
                file for file in file_or_folder.rglob("*") if file.is_file() and not _is_hidden(file, file_or_folder)
            ]
        else:
            names = glob(path, recursive=True) if has_magic(path) else []  # noqa: PTH207 - `path` may be absolute
            files = [Path(name) for name in names if Path(name).is_file()]
        if not files:
            if path and not has_magic(path):
                with suppress(FileNotFoundError, NotADirectoryError, ValueError):  # no such name, or none of a file
                    file_or_folder.stat()  # says what is wrong where `is_file`, from Python 3.14 on, only denies
            raise SourceError(f"no source file {_why_none(path)}; check `path`{of_source}")
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}; check `path`{of_source}") from error
    return [str(file) for file in sorted(files)]


def states_of(path: str, *, source: str | None = None) -> Mapping[str, str]:
    """Return the files on an object store that a path names, each with a word that changes when its bytes do.

    Raises `SourceError` when there is none, or when the store does not answer.
    """
    of_source = f" of source {source}" if source else " in the corpus config"
    try:
        states = far_states(path)
    except StorageError as error:
        raise SourceError(f"{error}; check `path`{of_source}") from error
    if not states:
        raise SourceError(f"no source file at {path}; check `path`{of_source}")
    return states


def _why_none(path: str) -> str:
    file_or_folder = Path(path)
    if "://" in path:
        stores = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        return (
            f"at {path}: a source lies on this machine or an object store ({stores}); download it and say where it is"
        )
    if path.startswith("~"):
        return f"at {path}: ~ is not read as your home, write the path out"
    if has_magic(path):
        return f"for {path}"
    if path and file_or_folder.is_dir():
        return f"in the folder {path}"
    return (
        f"at {path}, which is a pipe or a device"
        if path and file_or_folder.exists()
        else f"at {path or 'an empty path'}"
    )


def metadata_of(path: str) -> list[str]:
    """Return `files_of`, for files of metadata: the evidence of every record has their names, so these must be text.

    Raises `SourceError` for one that is not UTF-8.
    """
    files = files_of(path)
    for file in files:
        shown = os.fsencode(file).decode("utf-8", "backslashreplace")
        if shown != file:
            raise SourceError(f"the name of {shown} is not UTF-8; rename it")
    return files


def _is_hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """Open a file, plain or compressed with gzip or bzip2. Raises `SourceError` when it cannot be opened."""
    try:
        with open(path, "rb") as file:
            magic = file.read(3)
            file.seek(0)
            if not magic and path.lower().endswith((".gz", ".bz2")):
                raise SourceError(f"{path} is empty, which no packed file is; get the file again")
            unpacked: BufferedIOBase | IO[bytes] = file
            if magic[:2] == b"\x1f\x8b":
                unpacked = gzip.GzipFile(fileobj=file)
            elif magic == b"BZh":
                unpacked = BufferedReader(_Bzip2(file), BLOCK_BYTES)
            yield cast(IO[bytes], unpacked)
    except FileNotFoundError as error:
        raise SourceError(f"no source file at {path}; check `path` in the corpus config") from error
    except (IsADirectoryError, PermissionError) as error:
        raise SourceError(f"cannot read {path}: {error.strerror}; check `path` in the corpus config") from error


class _Bzip2(RawIOBase):
    """The text of a file of bzip2, of one stream or several.

    `bz2.BZ2File` takes a later stream that is damaged at its start for rubbish after the end, and ends there without a
    word. Here it is an error.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._stream = BZ2Decompressor()

    def readable(self) -> bool:
        """It is only read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, or some of it. Raises `EOFError` for a stream without end, `OSError` for a damaged one."""
        while True:
            packed = b""
            if self._stream.eof:
                packed = self._stream.unused_data or self._file.read(BLOCK_BYTES)
                if not packed:
                    return 0
                self._stream = BZ2Decompressor()
            elif self._stream.needs_input:
                packed = self._file.read(BLOCK_BYTES)
                if not packed:
                    raise EOFError("a stream of bzip2 has no end")
            if data := self._stream.decompress(packed, len(buffer)):
                buffer[: len(data)] = data
                return len(data)


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
