"""Pictures that lie in cells of Parquet files, side by side in scratch files, a row group each.

A cell cannot be read alone: what is compressed together is read together. So the row group of a picture that is asked
for is unpacked once for the whole build, by whichever process asks first, and each of its pictures is then a range of a
file. It takes as much disk as the pictures of these row groups, until the build ends, and memory for a few of them; a
picture that many cells have is there once, or once in some thousand rows.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from byline.catalog.corpora.packs import Outcome
from byline.catalog.digests import sha256_hex
from byline.catalog.disk.far import far_file, is_far
from byline.catalog.disk.storage_errors import explained
from byline.catalog.errors import StorageError
from byline.pictures.cells import Cell, PictureColumn, dictionary_of, holds_pictures, pictures_in, rows_at_once
from byline.pipelines.fetching.transport import Answer

BUFFER_BYTES = 1 << 20
_PLACE = np.dtype("<i8")


class Unpacked:
    """What is unpacked into one folder, which processes may share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = Lock()

    def read(self, cell: Cell, *, max_bytes: int) -> Answer:
        """Return the picture of a cell. Never raises for what lies there, `StorageError` when it cannot be unpacked."""
        try:
            if is_far(cell.path):
                cell = replace(cell, path=str(self._copied(cell.path)))
            state = Path(cell.path).stat()
            groups = _ends_of_groups(cell.path, state.st_size, state.st_mtime_ns)
            group = next(number for number, end in enumerate(groups) if cell.row < end)
            start = groups[group - 1] if group else 0
            name = sha256_hex(f"{cell.path}\0{state.st_size}\0{state.st_mtime_ns}\0{cell.column}\0{group}".encode())
            unpacked = self.folder / name
            with self._lock:
                if not unpacked.exists():
                    self._unpack(cell, group, unpacked)
            return _picture(unpacked, cell.row - start, groups[group] - start, max_bytes)
        except StopIteration:
            return Answer(outcome=Outcome.DAMAGED, message=f"{cell.path} has no row {cell.row + 1:,}")
        except (pa.ArrowException, IndexError) as error:
            problem = str(error).split("\n")[0][:160]
            return Answer(outcome=Outcome.DAMAGED, message=f"{cell.path} is damaged: {problem}")
        except (OSError, UnreachedError) as error:
            return Answer(outcome=Outcome.UNREACHABLE, message=f"cannot read {cell.path}: {error}")

    def _copied(self, url: str) -> Path:
        """Return the copy of a file of an object store, which is made for the first picture of it."""
        copy = self.folder / sha256_hex(url.encode())
        with self._lock:
            if not copy.exists():
                folder, name = far_file(url)
                with _written(copy) as write, _reached(folder.open(name)) as file:
                    while data := file.read(BUFFER_BYTES):
                        write(data)
        return copy

    def _unpack(self, cell: Cell, group: int, unpacked: Path) -> None:
        with pq.ParquetFile(cell.path, buffer_size=BUFFER_BYTES, pre_buffer=False) as parquet:
            if not holds_pictures(parquet.schema_arrow.field(cell.column).type):
                raise pa.ArrowInvalid(f"its column {cell.column + 1:,} holds no pictures")
            column = PictureColumn(name=parquet.schema_arrow.names[cell.column], index=cell.column)
            num_rows, texts = rows_at_once(parquet.metadata, column), dictionary_of(parquet.schema, column)
        with (
            pq.ParquetFile(cell.path, read_dictionary=texts, buffer_size=BUFFER_BYTES, pre_buffer=False) as parquet,
            _written(unpacked) as write,
        ):
            places, end = [], 0
            for batch in parquet.iter_batches(num_rows, row_groups=[group], columns=[column.name], use_threads=False):
                pictures, which = pictures_in(batch.column(0))
                written = []
                for picture in pictures:
                    write(picture)
                    written.append((end, end := end + len(picture)))
                places += [(0, 0) if index is None else written[index] for index in which]
            write(np.array(places, _PLACE).tobytes())


class UnreachedError(Exception):
    """An object store did not give what it has."""


@contextmanager
def _reached(opening: AbstractContextManager[IO[bytes]]) -> Iterator[IO[bytes]]:
    """Give a file of an object store. That it cannot be had is an outcome of a picture, no error of the build."""
    try:
        file = opening.__enter__()
    except StorageError as error:
        raise UnreachedError(str(error)) from error
    with closing(file):
        yield file


@contextmanager
def _written(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Give a function that writes a file, which is there when the block ends, and then whole.

    Raises `StorageError` when it cannot be written: that is no outcome of a picture.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
    except OSError as error:
        raise explained(error, str(path), writing=True) from error
    try:
        with os.fdopen(handle, "wb", buffering=BUFFER_BYTES) as file:

            def write(data: bytes) -> None:
                try:
                    file.write(data)
                except OSError as error:
                    raise explained(error, str(path), writing=True) from error

            yield write
            _flush(file, path)
        Path(name).rename(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _flush(file: IO[bytes], path: Path) -> None:
    try:
        file.flush()
    except OSError as error:
        raise explained(error, str(path), writing=True) from error


def _picture(unpacked: Path, number: int, num_rows: int, max_bytes: int) -> Answer:
    with open(unpacked, "rb") as file:
        file.seek(unpacked.stat().st_size - 2 * _PLACE.itemsize * (num_rows - number))
        start, end = (int(offset) for offset in np.frombuffer(file.read(2 * _PLACE.itemsize), _PLACE))
        if end - start > max_bytes:
            return Answer(outcome=Outcome.TOO_LARGE, message=f"over {max_bytes:,} bytes")
        file.seek(start)
        return Answer(body=file.read(end - start))


@lru_cache(maxsize=64)
def _ends_of_groups(path: str, size: int, mtime_ns: int) -> tuple[int, ...]:
    """Return the number of rows up to the end of each row group of a file, as it is now."""
    footer = pq.read_metadata(path)
    return tuple(accumulate(footer.row_group(number).num_rows for number in range(footer.num_row_groups)))
