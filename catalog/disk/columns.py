"""Columns of a table: a digest that depends on their values and on nothing else, equality, blanks."""

import hashlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def table_digest(table: pa.Table) -> str:
    """Return the SHA-256 of the names, values and order of a table's rows, whatever its chunks or Arrow's version.

    Columns are text, numbers, truth values, or lists of them; null differs from every value.
    """
    digest = hashlib.sha256(f"{len(table)}\n".encode())
    for name in table.column_names:
        column = table[name].combine_chunks()
        digest.update(f"{name}\n".encode())
        if isinstance(column, pa.ChunkedArray):  # pyarrow gives no array for no rows
            continue
        for piece in _pieces(column):
            digest.update(piece)
    return digest.hexdigest()


def _pieces(column: pa.Array) -> Iterator[bytes | memoryview]:
    """Yield the bytes that stand for the values of a column."""
    yield np.packbits(column.is_null().to_numpy(zero_copy_only=False)).tobytes()
    if pa.types.is_list(column.type):
        yield pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype("<i4").tobytes()
        yield from _pieces(column.flatten())
    elif pa.types.is_string(column.type):
        text = pc.fill_null(column, "")
        yield pc.binary_length(text).to_numpy().astype("<i4").tobytes()
        start, stop = (int(offset) for offset in _offsets(text)[[0, -1]])
        yield memoryview(text.buffers()[2] or b"")[start:stop]
    elif pa.types.is_floating(column.type):
        yield pc.fill_null(column, 0).to_numpy().astype("<f8").tobytes()
    else:
        yield pc.fill_null(column, 0).cast(pa.int64()).to_numpy().astype("<i8").tobytes()


def _offsets(text: pa.StringArray) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
    return np.frombuffer(text.buffers()[1], np.int32)[text.offset : text.offset + len(text) + 1]


def same_rows(table: pa.Table, other: pa.Table) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Return in which rows two tables with the same columns and number of rows hold the same values."""
    same = np.ones(len(table), np.bool_)
    for name in table.column_names:
        if pa.types.is_list(table[name].type):
            pairs = zip(table[name].to_pylist(), other[name].to_pylist(), strict=True)
            same &= np.array([value == another for value, another in pairs], np.bool_)
            continue
        equal = pc.fill_null(pc.equal(table[name], other[name]), False)
        both_null = pc.and_(pc.is_null(table[name]), pc.is_null(other[name]))
        same &= np.asarray(pc.or_(equal, both_null).to_numpy(), np.bool_)
    return same


def is_blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Tell which texts of a column are missing, empty or white space."""
    return pc.equal(pc.utf8_trim_whitespace(pc.fill_null(column, "")), "")
