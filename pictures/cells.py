"""Pictures that lie in the cells of a Parquet table: a struct with `bytes`, as of Hugging Face, or bytes.

Where a picture lies is its file, its row and its column (`path#row@column`, both counted from 0).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

BYTES_AT_ONCE = 1 << 26
"""Bytes of pictures that are in memory together, about: a batch has as many rows as that is on average."""
MAX_ROWS_AT_ONCE = 4096
_CELL = re.compile(r"(?P<path>.+)#(?P<row>\d{1,18})@(?P<column>\d{1,9})", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class PictureColumn:
    """The column of a file that holds its pictures."""

    name: str
    index: int

    def held(self, path: str, row: int) -> str:
        """Return where the picture of a row lies, as `catalog.corpora.records.ImageRecord.held` has it."""
        return f"{Path(path).resolve()}#{row}@{self.index}"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Where a picture lies."""

    path: str
    row: int
    """Row of the file, from 0."""
    column: int


def cell_at(held: str) -> Cell | None:
    """Return the cell that `held` names, none where it names a file or a member of a tar."""
    match = _CELL.fullmatch(held)
    return Cell(path=match["path"], row=int(match["row"]), column=int(match["column"])) if match else None


def is_bytes(kind: pa.DataType) -> bool:
    """Tell whether the cells of a type are bytes."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def is_struct_with_bytes(kind: pa.DataType) -> bool:
    """Tell whether the cells of a type are objects with bytes in them."""
    return pa.types.is_struct(kind) and any(field.name == "bytes" and is_bytes(field.type) for field in kind)


def holds_pictures(kind: pa.DataType) -> bool:
    """Tell whether the cells of a type may be pictures."""
    return is_bytes(kind) or is_struct_with_bytes(kind)


def rows_at_once(footer: pq.FileMetaData, column: PictureColumn | None) -> int:
    """Return how many rows are read together, so that memory is bounded by what pictures of the file have."""
    if column is None:
        return MAX_ROWS_AT_ONCE
    most = 1
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        most = max(most, group.total_byte_size // max(1, group.num_rows))
    return max(1, min(MAX_ROWS_AT_ONCE, BYTES_AT_ONCE // most))


def dictionary_of(schema: pq.ParquetSchema, column: PictureColumn) -> list[str]:
    """Return what pyarrow is to read as a dictionary, so that one picture in many cells is in memory once."""
    wanted = (column.name, f"{column.name}.bytes")
    return [path for index in range(len(schema)) if (path := schema.column(index).path) in wanted]


def pictures_in(cells: pa.Array) -> tuple[Iterator[bytes], list[int | None]]:
    """Return the pictures of a column of them, read as a dictionary, and of each cell which it has; None of a null."""
    if pa.types.is_struct(cells.type):
        cells = pc.struct_field(cells, "bytes")
    return (cell.as_py() or b"" for cell in cells.dictionary), cells.indices.to_pylist()
