"""Tar archives whose bytes depend on nothing but their members: ustar, fixed owner, mode and time."""

import hashlib
import tarfile
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from typing import IO

AHEAD = 4
"""Pieces that are written before they are hashed, at most: what they hold is in memory."""


@dataclass(frozen=True, kw_only=True)
class TarMember:
    """Where a member's bytes lie inside the archive."""

    name: str
    offset: int
    size: int


def write_tar(file: IO[bytes], members: Iterable[tuple[str, bytes]]) -> list[TarMember]:
    """Write `members` in the order given and return where the bytes of each one lie."""
    places = []
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), 0o644, 0
            start = archive.offset + tarfile.BLOCKSIZE
            archive.addfile(info, BytesIO(data))
            places.append(TarMember(name=name, offset=start, size=len(data)))
    return places


def sample_bytes(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return members as they lie in an archive of `write_tar`, headers and padding included, without its end."""
    blocks = []
    for name, data in members:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = len(data), 0o644, 0
        blocks += [info.tobuf(tarfile.USTAR_FORMAT), data, bytes(whole_blocks(len(data)) - len(data))]
    return b"".join(blocks)


def end_of_tar(size: int) -> bytes:
    """Return what ends an archive whose members fill `size` bytes: two empty blocks, and zeros to a whole record."""
    return bytes(2 * tarfile.BLOCKSIZE + -(size + 2 * tarfile.BLOCKSIZE) % tarfile.RECORDSIZE)


def write_pieces(file: IO[bytes], pieces: Iterable[bytes | memoryview]) -> tuple[str, int]:
    """Write members as they lie in another archive, and the end of this one; return its SHA-256 and size.

    Each piece is hashed while it is written: both leave Python alone.
    """
    digest, size = hashlib.sha256(), 0
    with ThreadPoolExecutor(1) as hasher:
        hashed: deque[Future[None]] = deque()
        for piece in pieces:
            hashed.append(hasher.submit(digest.update, piece))
            file.write(piece)
            size += len(piece)
            if len(hashed) > AHEAD:
                hashed.popleft().result()
        for last in hashed:
            last.result()
    end = end_of_tar(size)
    file.write(end)
    digest.update(end)
    return digest.hexdigest(), size + len(end)


def whole_blocks(size: int) -> int:
    """Return what `size` bytes fill in an archive."""
    return size + -size % tarfile.BLOCKSIZE


def read_tar(file: IO[bytes]) -> Iterable[tuple[str, bytes]]:
    """Yield name and bytes of every regular file in the archive, in its order."""
    with tarfile.open(fileobj=file, mode="r|") as archive:
        for info in archive:
            if info.isreg():
                member = archive.extractfile(info)
                assert member is not None
                yield info.name, member.read()
