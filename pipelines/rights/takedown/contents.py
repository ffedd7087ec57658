"""Every file of a corpus, and what lies inside: members of tars, cells of Parquet, base64, what was deflated."""

import os
import re
import tarfile
import zlib
from binascii import a2b_base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.disk.tars import TarMember
from byline.catalog.errors import StorageError
from byline.pipelines.rights.takedown.windows import WINDOW_BYTES, Places

BLOCK_BYTES = 4 << 20
HEAD_BYTES = 512
ROWS_AT_ONCE = 1024
KEY_COLUMNS = ("sha256", "key")
"""Columns that name the picture which a row is about; the first that is there does."""
GZIP = re.compile(rb"\x1f\x8b\x08[\x00-\x1f]")
"""How a gzip member begins (RFC 1952): deflated, with no flag that is not defined."""
_ZLIB_HEADS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_PACKED = {
    b"PK\x03\x04": "zip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
}
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_RUN = re.compile(rb"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{88,}={0,2}")
"""Shorter base64 holds no whole window, in any of the four ways to begin a group of four."""
_BEFORE_RUN = b"base64,"
_RUN_OVERLAP_BYTES = 256
_BYTES = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
)


def corpus_files(store: Store) -> Iterator[str]:
    """Yield the paths of all files below the root but the lock; on a disk also of those that links lead to."""
    paths = _local_files(store.local_path("")) if store.is_local else _listed_files(store, "")
    return (path for path in paths if path != layout.LOCK)


def _local_files(root: Path) -> Iterator[str]:
    entered: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, followlinks=True, onerror=_raise):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in entered:  # a link that leads back up
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        paths = (Path(folder) / name for name in names)
        yield from (path.relative_to(root).as_posix() for path in paths if path.is_file())


def _listed_files(store: Store, folder: str) -> Iterator[str]:
    stem = f"{folder}/" if folder else ""
    deeper = (_listed_files(store, f"{stem}{name}") for name in store.folders(folder, hidden=True))
    return chain((f"{stem}{name}" for name in store.files(folder, hidden=True)), *deeper)


def _raise(error: OSError) -> None:
    raise StorageError(f"cannot read {error.filename}: {error.strerror}") from error


def read_blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the bytes of a file from its start."""
    file.seek(0)
    while block := file.read(BLOCK_BYTES):
        yield block


def overlapping(blocks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield blocks and where they begin, each with the end of the one before: each window is whole in exactly one."""
    offset, tail = 0, b""
    for block in blocks:
        data = tail + block
        yield offset, data
        tail = data[-(WINDOW_BYTES - 1) :]
        offset += len(data) - len(tail)


def is_tar(head: bytes) -> bool:
    """Tell whether a file begins as a tar does."""
    return head[257:262] == b"ustar"


def is_parquet(head: bytes) -> bool:
    """Tell whether a file begins as Parquet does, whole or not."""
    return head.startswith(b"PAR1")


def is_text(path: str, head: bytes) -> bool:
    """Tell whether base64 is looked for: in every .html file, and in what has no zero byte at its start."""
    return path.endswith(".html") or b"\0" not in head


def packed_as(head: bytes) -> str | None:
    """Return how a file is packed that cannot be looked into; none for one that can, or that is not packed."""
    return next((name for start, name in _PACKED.items() if head.startswith(start)), None)


def is_zlib(head: bytes) -> bool:
    """Tell whether a file begins as a zlib stream does."""
    return head.startswith(_ZLIB_HEADS)


def tar_members(file: IO[bytes]) -> Iterator[TarMember]:
    """Yield where the regular files of a tar lie, as far as the tar is whole."""
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for info in archive:
                if info.isreg():
                    yield TarMember(name=info.name, offset=info.offset_data, size=info.size)
    except tarfile.TarError:
        return


def inflated(file: IO[bytes], offset: int) -> Iterator[bytes]:
    """Yield what the gzip member or zlib stream at `offset` holds, as far as it can be inflated. Never raises."""
    file.seek(offset)
    inflater, waiting = zlib.decompressobj(zlib.MAX_WBITS | 32), b""
    while not inflater.eof and (waiting := waiting or file.read(1 << 16)):
        before = inflater.copy()
        try:
            yield inflater.decompress(waiting, BLOCK_BYTES)
        except zlib.error:
            yield b"".join(_before_damage(before, waiting))
            return
        waiting = inflater.unconsumed_tail


def _before_damage(inflater: "zlib._Decompress", data: bytes) -> Iterator[bytes]:
    """Yield what a chunk gives before its damage: zlib keeps that to itself when it is given all at once."""
    try:
        for offset in range(len(data)):
            yield inflater.decompress(data[offset : offset + 1])
    except zlib.error:
        return


@dataclass(frozen=True)
class Run:
    """A run of base64 in a text."""

    offset: int
    text: bytes
    is_data_url: bool
    """Whether it begins right after `base64,`: then it is a data URL to its end, and decodes as one."""

    def decoded(self, phase: int = 0) -> bytes:
        """Return the bytes from the character `phase` on, which is where a group of four is taken to begin."""
        text = self.text.rstrip(b"=")[phase:]
        text = text[:-1] if len(text) % 4 == 1 else text
        return a2b_base64(text + b"=" * (-len(text) % 4))


def base64_runs(blocks: Iterable[bytes]) -> Iterator[list[Run]]:
    """Yield all runs of base64 in a text that can hold a window, block by block.

    A run is whole unless it is longer than a block; then it comes in pieces that overlap by more than a window.
    """
    offset, held = 0, b""
    for block in blocks:
        held += block
        end = len(held.rstrip(_ALPHABET))
        if len(held) - end > BLOCK_BYTES:
            yield list(_runs(offset, held))
            kept_from = len(held) - _RUN_OVERLAP_BYTES
        else:
            yield list(_runs(offset, held[:end]))
            kept_from = max(0, end - len(_BEFORE_RUN))
        offset, held = offset + kept_from, held[kept_from:]
    yield list(_runs(offset, held))


def _runs(offset: int, text: bytes) -> Iterator[Run]:
    for match in _RUN.finditer(text):
        is_data_url = text.endswith(_BEFORE_RUN, 0, match.start())
        yield Run(offset + match.start(), match.group(), is_data_url)


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Cells of one binary or string column of a Parquet file: cell i is `data[bounds[i]:bounds[i + 1]]`."""

    column: str
    data: npt.NDArray[np.uint8]
    bounds: Places
    rows: Places
    """The row of each cell, in the file."""
    keys: list[str | None] | None
    """What the key column says of each cell; none without such a column."""


def parquet_cells(file: IO[bytes]) -> Iterator[Cells]:
    """Yield the cells of every binary and string column, those in lists and structs too, some rows at a time.

    Numbers are left out. Raises Arrow's errors, or `OSError`, where the file is damaged.
    """
    file.seek(0)
    parquet = pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20)
    first_row = 0
    for group in range(parquet.num_row_groups):
        for batch in parquet.iter_batches(ROWS_AT_ONCE, row_groups=[group], use_threads=False):
            named = [name for name in KEY_COLUMNS if name in batch.schema.names]
            keys = batch.column(named[0]).cast(pa.string()).to_pylist() if named else None
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                for path, values, rows in _leaves(name, column, np.arange(len(batch))):
                    yield _cells(path, values, rows, first_row, keys)
            first_row += len(batch)


def parquet_dictionaries(file: IO[bytes]) -> Iterator[Cells]:
    """Yield all values in a Parquet file's dictionaries, those too that no row uses: a removed row may have left them.

    Only of columns that are not nested. `rows` says nothing. Raises as `parquet_cells` does.
    """
    file.seek(0)
    metadata = pq.ParquetFile(file).metadata
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(metadata.num_columns)]
    with_dictionary = {c.path_in_schema for c in chunks if c.has_dictionary_page and c.physical_type == "BYTE_ARRAY"}
    names = sorted(name for name in with_dictionary if "." not in name)
    file.seek(0)
    parquet = pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20, read_dictionary=names)
    for group in range(parquet.num_row_groups if names else 0):
        batch = next(parquet.iter_batches(1, row_groups=[group], columns=names, use_threads=False), None)
        for name, column in zip(batch.schema.names, batch.columns, strict=True) if batch else ():
            values = column.dictionary.cast(pa.large_binary())
            yield _cells(name, values, np.zeros(len(values), np.int64), 0, None)


def _leaves(name: str, array: pa.Array, rows: Places) -> Iterator[tuple[str, pa.Array, Places]]:
    """Yield the arrays of bytes inside an array, and the row of each of their values."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        yield from _leaves(name, array.dictionary_decode(), rows)
    elif pa.types.is_struct(kind):
        for field, child in zip(kind, array.flatten(), strict=True):
            yield from _leaves(f"{name}.{field.name}", child, rows)
    elif pa.types.is_map(kind):
        yield from _leaves(name, array.cast(pa.list_(pa.struct([kind.key_field, kind.item_field]))), rows)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        parents = np.asarray(pc.list_parent_indices(array), np.int64)
        yield from _leaves(name, pc.list_flatten(array), rows[parents])
    elif pa.types.is_fixed_size_binary(kind):
        yield name, array.cast(pa.binary()).cast(pa.large_binary()), rows
    elif any(test(kind) for test in _BYTES):
        yield name, array.cast(pa.large_binary()), rows


def _cells(column: str, values: pa.Array, rows: Places, first_row: int, keys: list[str | None] | None) -> Cells:
    _, offsets, data = values.buffers()
    bounds = np.frombuffer(offsets, np.int64)[values.offset : values.offset + len(values) + 1]
    held = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(0, np.uint8)
    its_keys = None if keys is None else [keys[row] for row in rows.tolist()]
    return Cells(column=column, data=held, bounds=bounds, rows=rows + first_row, keys=its_keys)
