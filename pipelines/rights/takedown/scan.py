"""Show that no run of bytes of removed pictures is left in a corpus: read every byte of every file, and look inside.

What is searched for are `fingerprints` of all that was made of a picture: its stored JPEG, its thumbnail, its latents.
What is searched is every file below the root, half written ones and what links lead to included, but for the lock. Each
file is searched as it lies, at every offset; and besides, decoded: the cells of Parquet files, base64 in pages and
other texts, and what was deflated (gzip members wherever they begin, zlib from a file's start; not zip archives).
Not seen: pictures that were encoded anew, numbers in Parquet (only bytes and strings are decoded), and what an object
store keeps besides its objects (old versions, parts of killed uploads).

Why a shared run is none that is left. Pictures that begin alike have JPEG data that begin alike, so windows of a
removed picture may lie in one that stays. A hit is called shared when all its bytes lie in a range of the file (a
member of a tar, a data URL, the whole file) with the SHA-256 of a picture that is kept. Nobody can make another range
with that digest, so these bytes are that picture's, to the last one: they would be just the same had the removed
picture never been there, and taking them away would damage a picture that nobody asked for. A cut, padded or patched
copy has another digest, and is left. A cell of facts about a picture (thumbnail, latents) has no digest to compare
with; it is shared when the key of its row is that of a kept picture, as facts are measured of that picture alone. The
bytes of a Parquet file are an encoding of its cells: a window in them is shared when a shared cell of the same file
holds that same window, for then it says nothing about the removed picture that the kept one does not. A longer run of
the removed picture has other windows too, and these are left.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import IO, Literal

import numpy as np
import pyarrow as pa

from byline.catalog.disk.storage import Store
from byline.catalog.disk.tars import TarMember
from byline.catalog.errors import StorageError
from byline.pipelines.rights.takedown.contents import (
    GZIP,
    HEAD_BYTES,
    Cells,
    Run,
    base64_runs,
    corpus_files,
    inflated,
    is_parquet,
    is_tar,
    is_text,
    is_zlib,
    overlapping,
    packed_as,
    parquet_cells,
    parquet_dictionaries,
    read_blocks,
    tar_members,
)
from byline.pipelines.rights.takedown.windows import SURE_BYTES, WINDOW_BYTES, Matcher, Places, Words, fingerprints

__all__ = ["SURE_BYTES", "Hit", "Scan", "fingerprints", "scan"]

STRETCH_BYTES = 4096
"""Windows nearer than this are one hit."""
MAX_PICTURE_BYTES = 1 << 28
"""Larger ranges are not compared with kept pictures: what is found in them is left."""
IsKept = Callable[[str], bool]
Progress = Callable[[str, int], None]
"""Is told the path and the bytes of each block that was read."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """Windows of removed pictures in one place."""

    path: str
    """Path of the file, relative to the root."""
    kind: Literal["left", "shared", "unread"]
    """What was hit. `left`: bytes of a removed picture. `shared`: bytes that a kept picture has as well. `unread`: a
    file that cannot be read or decoded (`problem` says why), so that at most its bytes as they lie were searched."""
    num_windows: int
    problem: str = ""
    inside: str = ""
    """A tar's member, `base64`, `gzip` or `zlib`; empty for the bytes of the file itself."""
    offset: int | None = None
    """Offset of the first window in the file; of base64 and deflated data, the offset where these begin."""
    column: str | None = None
    row: int | None = None
    """Row of the column; None means a value that no row has (any more), but the column's dictionary."""

    @property
    def where(self) -> str:
        """Return the place in words."""
        if self.column is not None:
            row = "in no row, but in its dictionary" if self.row is None else f"row {self.row}"
            return f"{self.path}, column {self.column}, {row}"
        location = self.path if self.offset is None else f"{self.path} at byte {self.offset}"
        return f"{location} ({self.inside})" if self.inside else location


@dataclass(kw_only=True)
class Scan:
    """One search of one corpus; `num_files` and `num_bytes` tell what it has read so far."""

    store: Store
    matcher: Matcher
    is_kept: IsKept
    is_kept_key: IsKept
    progress: Progress
    num_files: int = 0
    num_bytes: int = 0
    _kept_cells: set[str] = field(default_factory=set, repr=False)
    """Digests of shared cells, by which the page of credits that shows these thumbnails is known."""

    def __post_init__(self) -> None:
        """Raise `ValueError` when there is nothing to search for: finding nothing would then prove nothing."""
        if not len(self.matcher.fingerprints):
            raise ValueError("no fingerprints to search for; a scan without any shows nothing")

    def hits(self) -> Iterator[Hit]:
        """Yield every hit. Parquet files come first; within a kind of files they are sorted by path."""
        for path in sorted(corpus_files(self.store), key=lambda path: (not path.endswith(".parquet"), path)):
            try:
                yield from self.file(path)
            except (OSError, StorageError) as error:
                yield _unread(path, f"it cannot be read ({error})")
            self.num_files += 1

    def file(self, path: str) -> Iterator[Hit]:
        """Yield the hits of one file."""
        with self.store.open(path) as file:
            head = file.read(HEAD_BYTES)
            shared_windows: set[int] = set()
            if packing := packed_as(head):
                yield _unread(path, f"it is packed as {packing}, which is not looked into")
            if is_parquet(head):
                yield from self._parquet(path, file, shared_windows)
            members = tar_members(file) if is_tar(head) else [TarMember(name="", offset=0, size=_size(file))]
            places, streams = self._search(path, read_blocks(file), shared_windows)
            yield from self._raw(path, file, places, members)
            if is_text(path, head):
                yield from self._texts(path, read_blocks(file))
            for offset in [0, *streams] if is_zlib(head) else streams:
                yield from self._deflated(path, file, offset, shared_windows)

    def _search(self, path: str, blocks: Iterable[bytes], excused: set[int]) -> tuple[Places, list[int]]:
        """Return where the windows lie that are not excused, and where gzip members may begin."""
        offsets, streams = [np.zeros(0, np.int64)], set()
        for offset, data in overlapping(self._counted(path, blocks)):
            places = self.matcher.find(data)
            if len(places) and excused:
                values = self.matcher.values(data, places)
                places = places[~np.isin(values, np.array(sorted(excused), np.uint64))]
            offsets.append(places + offset)
            streams |= {offset + match.start() for match in GZIP.finditer(data)}
        return np.concatenate(offsets), sorted(streams)

    def _counted(self, path: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            yield block
            self.num_bytes += len(block)
            self.progress(path, len(block))

    def _raw(self, path: str, file: IO[bytes], places: Places, members: Iterable[TarMember]) -> Iterator[Hit]:
        """Yield the hits of a file as it lies: those in its members, then the rest by stretches."""
        if not len(places):
            return
        outside = np.ones(len(places), np.bool_)
        for member in members:
            first, last = np.searchsorted(places, [member.offset, member.offset + member.size - WINDOW_BYTES + 1])
            if first >= last:
                continue
            is_shared = self._is_whole(file, member)
            if is_shared or member.name:
                outside[first:last] = False
                kind, offset = _kind(is_shared), int(places[first])
                yield Hit(path=path, kind=kind, num_windows=int(last - first), inside=member.name, offset=offset)
        for stretch in _stretches(places[outside]):
            yield Hit(path=path, kind="left", num_windows=len(stretch), offset=int(stretch[0]))

    def _is_whole(self, file: IO[bytes], member: TarMember) -> bool:
        """Tell whether these bytes of a file are a kept picture, all of it and nothing else."""
        if member.size > MAX_PICTURE_BYTES:
            return False
        file.seek(member.offset)
        return self._is_kept_bytes(file.read(member.size))

    def _is_kept_bytes(self, data: bytes) -> bool:
        digest = sha256(data).hexdigest()
        return digest in self._kept_cells or self.is_kept(digest)

    def _texts(self, path: str, blocks: Iterable[bytes]) -> Iterator[Hit]:
        """Yield the hits in base64: in a data URL as it decodes, in other runs wherever a group of four may begin."""
        for runs in base64_runs(blocks):
            tries = [(run, phase) for run in runs for phase in ((0,) if run.is_data_url else range(4))]
            counts = self._in_each(run.decoded(phase) for run, phase in tries)
            for at in np.flatnonzero(counts).tolist():
                yield self._text_hit(path, tries[at][0], int(counts[at]))

    def _text_hit(self, path: str, run: Run, num_windows: int) -> Hit:
        is_shared = run.is_data_url and self._is_kept_bytes(run.decoded())
        return Hit(path=path, kind=_kind(is_shared), num_windows=num_windows, inside="base64", offset=run.offset)

    def _in_each(self, pieces: Iterable[bytes]) -> Places:
        """Return how many windows each of these pieces holds."""
        listed = list(pieces)
        bounds = np.cumsum([0, *map(len, listed)])
        cells = np.searchsorted(bounds, self.matcher.find(b"".join(listed), bounds), side="right") - 1
        return np.bincount(cells, minlength=len(listed))

    def _deflated(self, path: str, file: IO[bytes], offset: int, excused: set[int]) -> Iterator[Hit]:
        """Yield the hits in a deflated stream. It is never shared: no kept picture is stored so."""
        file.seek(offset)
        inside = "gzip" if GZIP.match(file.read(4)) else "zlib"
        num_windows = 0
        for _, data in overlapping(inflated(file, offset)):
            places = self.matcher.find(data)
            num_windows += sum(int(value) not in excused for value in self.matcher.values(data, places))
        if num_windows:
            yield Hit(path=path, kind="left", num_windows=num_windows, inside=inside, offset=offset)
        head = next(inflated(file, offset), b"")[:HEAD_BYTES]
        for hit in self._texts(path, inflated(file, offset)) if head and is_text("", head) else ():
            yield Hit(path=path, kind="left", num_windows=hit.num_windows, inside=inside, offset=offset)

    def _parquet(self, path: str, file: IO[bytes], shared_windows: set[int]) -> Iterator[Hit]:
        """Yield the hits in the cells of a file, and add the windows that shared cells hold to `shared_windows`."""
        in_cells: set[int] = set()
        try:
            for cells in parquet_cells(file):
                places = self.matcher.find(cells.data, cells.bounds)
                if len(places):
                    in_cells |= set(_ints(self.matcher.values(cells.data, places)))
                    yield from self._cell_hits(path, cells, places, shared_windows)
            for cells in parquet_dictionaries(file):
                places = self.matcher.find(cells.data, cells.bounds)
                unused = set(_ints(self.matcher.values(cells.data, places))) - in_cells
                if unused:
                    yield Hit(path=path, kind="left", num_windows=len(unused), column=cells.column)
        except (pa.ArrowException, OSError) as error:
            yield _unread(path, f"its cells cannot be decoded ({str(error).splitlines()[0]})")

    def _cell_hits(self, path: str, cells: Cells, places: Places, shared_windows: set[int]) -> Iterator[Hit]:
        its_cell = np.searchsorted(cells.bounds, places, side="right") - 1
        for cell in np.unique(its_cell).tolist():
            data = cells.data[cells.bounds[cell] : cells.bounds[cell + 1]].tobytes()
            inside = places[its_cell == cell] - cells.bounds[cell]
            key = cells.keys[cell] if cells.keys else None
            is_shared = (key is not None and self.is_kept_key(key)) or self.is_kept(sha256(data).hexdigest())
            if is_shared:
                self._kept_cells.add(sha256(data).hexdigest())
                shared_windows |= set(_ints(self.matcher.values(data, inside)))
            kind, row = _kind(is_shared), int(cells.rows[cell])
            yield Hit(path=path, kind=kind, num_windows=len(inside), column=cells.column, row=row)


def scan(
    store: Store,
    fingerprints: Words,
    key: bytes,
    *,
    is_kept: IsKept,
    is_kept_key: IsKept,
    progress: Progress = lambda path, num_bytes: None,
) -> Iterator[Hit]:
    """Yield every place below the root of `store` that holds a window with one of these fingerprints.

    `is_kept` is given the SHA-256 of bytes (of a stored picture, or a thumbnail in a page) and tells whether a picture
    that stays has these bytes; `is_kept_key` is given the key of a row of a Parquet file. With neither, pass a function
    that always says no: then everything is `left`. Guaranteed: any run of 127 bytes (`SURE_BYTES`) of what was
    fingerprinted is found; shorter ones may not be. Memory: some blocks of 4 MiB, a picture, and 8 bytes for each
    window that is found.
    """
    matcher = Matcher(fingerprints, key)
    yield from Scan(store=store, matcher=matcher, is_kept=is_kept, is_kept_key=is_kept_key, progress=progress).hits()


def scan_file(store: Store, path: str, matcher: Matcher) -> Iterator[Hit]:
    """Yield every place in one file that holds a window. Nothing is taken for a kept picture's."""
    file_scan = Scan(store=store, matcher=matcher, is_kept=_no, is_kept_key=_no, progress=lambda path, num_bytes: None)
    yield from file_scan.file(path)


def _unread(path: str, problem: str) -> Hit:
    return Hit(path=path, kind="unread", num_windows=0, problem=problem)


def _no(digest: str) -> bool:
    return False


def _kind(is_shared: bool) -> Literal["left", "shared"]:
    return "shared" if is_shared else "left"


def _stretches(places: Places) -> list[Places]:
    if not len(places):
        return []
    return np.split(places, np.flatnonzero(np.diff(places) > STRETCH_BYTES) + 1)


def _ints(values: Words) -> list[int]:
    return [int(value) for value in values]


def _size(file: IO[bytes]) -> int:
    return file.seek(0, os.SEEK_END)
