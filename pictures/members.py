"""Where the pictures of one shard of img2dataset lie: in a tar, or in a folder. Only headers and names are read.

What a member is called is only ever looked up among the keys of the shard: no name becomes a path.
"""

import os
import tarfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

SUFFIXES = frozenset({"jpg", "jpeg", "png", "webp", "avif", "gif", "bmp", "tif", "tiff"})
MAX_HEADER_BYTES = 1 << 16
"""Largest header or extended header. A tar that claims a larger one is damaged, or made to fill the memory."""


@dataclass
class Members:
    """The pictures of a shard, by key, and what is wrong with it."""

    held: dict[str, str] = field(default_factory=dict)
    """Key -> where the bytes lie, as `catalog.corpora.records.ImageRecord.held` has it."""
    twice: set[str] = field(default_factory=set)
    num_unknown: int = 0
    """Pictures that no row speaks of."""
    problem: str | None = None
    """Why there may be more than was found."""

    def add(self, key: str, held: str) -> None:
        """Note a picture; of a key with two of them neither counts."""
        if key in self.held:
            self.twice.add(key)
        self.held[key] = held

    def problem_of(self, key: str) -> str | None:
        """Return why there is no picture for this key, none when there is one."""
        if key in self.twice:
            return f"two pictures have the key {key!r:.60}"
        if key in self.held:
            return None
        return f"no picture has the key {key!r:.60}" + (f": {self.problem}" if self.problem else "")


def members_beside(parquet: Path, keys: Collection[str]) -> Members:
    """Return the pictures of the shard whose rows are in `parquet`, those with one of these keys."""
    tar, folder = parquet.with_suffix(".tar"), parquet.with_suffix("")
    if tar.is_file():
        return _members_of_tar(tar, keys)
    if folder.is_dir() and not folder.is_symlink():
        return _members_of_folder(folder, keys)
    return Members(problem=f"there is neither {tar.name} nor a folder {folder.name}")


def _members_of_folder(folder: Path, keys: Collection[str]) -> Members:
    members = Members()
    with os.scandir(folder) as entries:
        for entry in entries:
            key, _, suffix = entry.name.partition(".")
            if suffix in SUFFIXES and entry.is_file(follow_symlinks=False):
                if key in keys:
                    members.add(key, str(Path(entry.path).resolve()))
                else:
                    members.num_unknown += 1
    return members


def _members_of_tar(tar: Path, keys: Collection[str]) -> Members:
    members, path = Members(), str(tar.resolve())
    try:
        with open(tar, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            for info in tar_headers(file):
                if info.offset_data + info.size > size:
                    raise tarfile.ReadError("unexpected end of data")
                key, _, suffix = info.name.removeprefix("./").partition(".")
                if suffix in SUFFIXES and info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not info.issparse():
                    if key in keys:
                        members.add(key, f"{path}#{info.offset_data}+{info.size}")
                    else:
                        members.num_unknown += 1
    except Exception as error:  # tarfile raises whatever damaged headers lead it to
        members.problem = f"{tar.name} is damaged or cut short ({str(error)[:80] or type(error).__name__})"
    return members


def tar_headers(file: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """Yield the headers of an archive, one in memory at a time. Raises what tarfile raises for a damaged one."""
    if os.fstat(file.fileno()).st_size == 0:
        raise tarfile.ReadError("empty file")
    with tarfile.open(fileobj=_Bounded(file), mode="r:") as archive:  # type: ignore[call-overload]
        end = 0
        while (info := archive.next()) is not None:
            if info.size < 0 or info.offset_data < end:
                raise tarfile.ReadError("a header leads back")
            end = info.offset_data + info.size
            archive.members.clear()
            yield info


class _Bounded:
    """A file whose reads are small: headers are, and pictures are not read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """Return that many bytes. Raises `tarfile.ReadError` for more than a header has."""
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self.file.read(size)
