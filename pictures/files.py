"""Pictures as people have them: files, folders of files, tars (webdataset), Parquet (Hugging Face, img2dataset).

Content decides what a file is, never its name. Nothing is left out in silence: what is no picture comes with a reason.
Of a tar only bytes of members are read, so links in it lead nowhere.
"""

import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from byline.catalog.disk.tars import whole_blocks
from byline.catalog.errors import ConfigError
from byline.catalog.text import one_line
from byline.pictures.cells import is_bytes, is_struct_with_bytes
from byline.pictures.members import tar_headers
from byline.pictures.pixels.kinds import kind_of
from byline.pictures.pixels.surveys import UnusableError

MAX_PICTURE_BYTES = 1 << 27
PARQUET_MAGIC = b"PAR1"
IMAGE_COLUMNS = ("jpg", "jpeg", "png", "webp", "image", "img", "bytes", "image_bytes", "content")
"""What columns of bytes are called that hold pictures."""
BESIDE_PICTURES = frozenset(
    ".cls .csv .htm .html .json .jsonl .md .npy .npz .text .toml .tsv .txt .vtt .xml .yaml .yml".split()
)
"""Suffixes of what usually lies beside pictures. Such a file is a picture all the same when its content is one."""
_HEAD_BYTES = 4096
_BATCH_ROWS = 32
_USTAR = slice(257, 262)


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    """One file, member or cell: the bytes of a picture, or why they are not given."""

    name: str
    """Path inside the folder that was named, on one line: `a/1.jpg`, `a.tar/1.jpg`, `a.parquet/image/17`."""
    data: bytes | None = None
    problem: str | None = None
    is_beside: bool = False
    """Whether it was not meant to be a picture: captions and labels."""


def size_of(paths: list[Path]) -> int:
    """Return the bytes of all files at or below `paths`. Raises `ConfigError` for a path that is not there."""
    return sum(file.stat().st_size for path in paths for file, _ in _files(path) if file.is_file())


def find_pictures(paths: list[Path]) -> Iterator[FoundFile]:
    """Yield all that lies at or below `paths`, in the order of names. Raises `ConfigError` for a path that is missing.

    Links to files and folders are followed, as model hubs lay them, and a folder inside itself is read once.
    """
    for path in paths:
        for file, name in _files(path):
            try:
                yield from _in_file(file, one_line(name))
            except OSError as error:
                yield FoundFile(name=one_line(name), problem=f"cannot be read: {error.strerror or error}")


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    if not path.exists():
        raise ConfigError(f"no file or folder at {path}; name pictures, folders, tars or Parquet files")
    if not path.is_dir():
        yield path, path.name
        return
    seen = {path.resolve()}
    for folder, folders, files in os.walk(path, followlinks=True):
        here = Path(folder)
        inside = [(name, (here / name).resolve()) for name in sorted(folders)]
        folders[:] = [name for name, target in inside if target not in seen]  # what os.walk enters
        seen.update(target for _, target in inside)
        for name in sorted(files):
            yield here / name, (here / name).relative_to(path).as_posix()


def _in_file(path: Path, name: str) -> Iterator[FoundFile]:
    if not path.is_file():
        yield FoundFile(name=name, problem="it is no file, or a link to nowhere")
        return
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if head.startswith(PARQUET_MAGIC):
            yield from _in_parquet(path, name)
        elif head[_USTAR] == b"ustar" or path.suffix == ".tar":
            file.seek(0)
            yield from _in_tar(file, name)
        else:
            size = path.stat().st_size
            yield _sniffed(name, head, size, lambda: head + file.read(size))


def _sniffed(name: str, head: bytes, size: int, read: Callable[[], bytes]) -> FoundFile:
    """Look at the first bytes, and read the others only of what may be a picture."""
    try:
        kind_of(head)
    except UnusableError as error:
        return FoundFile(name=name, problem=str(error), is_beside=_suffix(name) in BESIDE_PICTURES)
    if size > MAX_PICTURE_BYTES:
        return FoundFile(name=name, problem=f"it has {size:,} bytes; the limit is {MAX_PICTURE_BYTES:,}")
    return FoundFile(name=name, data=read())


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _in_tar(file: IO[bytes], name: str) -> Iterator[FoundFile]:
    end = 0
    try:
        for info in tar_headers(file):
            end = info.offset_data + (whole_blocks(info.size) if info.isreg() else 0)
            if not info.isdir():
                yield _in_member(file, info, f"{name}/{one_line(info.name)}")
    except Exception as error:  # tarfile raises whatever damaged headers lead it to
        reason = str(error)[:80] or type(error).__name__
        yield FoundFile(name=name, problem=f"the tar is damaged or cut off from here on: {reason}")
        return
    file.seek(end)
    block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or any(block):  # tarfile takes a damaged header for the end
        yield FoundFile(name=name, problem=f"the tar is damaged or cut off at byte {end:,}; what follows is lost")


def _in_member(file: IO[bytes], info: tarfile.TarInfo, name: str) -> FoundFile:
    if not info.isreg() or info.issparse():
        return FoundFile(name=name, problem="it is a link, a device or has holes, which is not read out of a tar")
    file.seek(info.offset_data)
    head = file.read(min(_HEAD_BYTES, info.size))
    file_in_tar = _sniffed(name, head, info.size, lambda: head + file.read(info.size - len(head)))
    if file_in_tar.data is not None and len(file_in_tar.data) < info.size:
        return FoundFile(name=name, problem="the tar is cut off inside of it")
    return file_in_tar


def _in_parquet(path: Path, name: str) -> Iterator[FoundFile]:
    try:
        with pq.ParquetFile(path) as file:
            columns = _picture_columns(file.schema_arrow)
            if not columns:
                known = ", ".join(file.schema_arrow.names)
                yield FoundFile(
                    name=name, problem=f"no column of pictures ({', '.join(IMAGE_COLUMNS)}); it has {known}"
                )
                return
            first = 0
            for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
                yield from _in_batch(batch, columns, name, first)
                first += len(batch)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        yield FoundFile(name=name, problem=f"the Parquet file is damaged from here on: {error}")


def _picture_columns(schema: pa.Schema) -> list[str]:
    """Return the columns of structs with bytes, as Hugging Face writes them, or else those of bytes by their name."""
    names = [field.name for field in schema if is_struct_with_bytes(field.type)]
    return names or [field.name for field in schema if field.name in IMAGE_COLUMNS and is_bytes(field.type)]


def _in_batch(batch: pa.RecordBatch, columns: list[str], name: str, first: int) -> Iterator[FoundFile]:
    for column in columns:
        values = batch.column(batch.schema.get_field_index(column))
        if pa.types.is_struct(values.type):
            values = pc.struct_field(values, "bytes")
        for row, value in enumerate(values, first):
            cell_name, data = f"{name}/{one_line(column)}/{row}", value.as_py()
            if data is None:
                yield FoundFile(name=cell_name, problem="the cell is empty")
            else:
                yield _sniffed(cell_name, data[:_HEAD_BYTES], len(data), partial(bytes, data))
