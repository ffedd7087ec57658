"""Rows sorted into numbered buckets on disk, so that what is too much for the memory can be sorted bucket by bucket."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from byline.catalog.disk.seals import TableWriter

PENDING_BYTES = 16 << 20
"""How much is held before it is written. Cannot change what is read back."""
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


class Spill:
    """Rows in buckets. Memory holds `pending_bytes` and, while one is read, one bucket; one file is open at a time."""

    def __init__(self, folder: Path, schema: pa.Schema, *, pending_bytes: int = PENDING_BYTES) -> None:
        self.folder, self.schema, self.limit_bytes = folder, schema, pending_bytes
        self.numbers: set[int] = set()
        """Buckets that hold a row."""
        self._pending: list[tuple[pa.Table, npt.NDArray[np.int64]]] = []
        self._pending_bytes = 0
        folder.mkdir()

    def add(self, rows: pa.Table, buckets: npt.NDArray[np.int64]) -> None:
        """Put each row into its bucket."""
        self._pending.append((rows, buckets))
        self._pending_bytes += rows.nbytes + buckets.nbytes
        if self._pending_bytes >= self.limit_bytes:
            self._write()

    def read(self) -> Iterator[tuple[int, pa.Table]]:
        """Take out bucket after bucket, by number, each with its rows in the order in which they were added."""
        self._write()
        for number in sorted(self.numbers):
            path = self._path(number)
            with pa.OSFile(str(path)) as file:
                batches = []
                while file.tell() < file.size():
                    batches += list(pa.ipc.open_stream(file))
            yield number, pa.Table.from_batches(batches, self.schema)
            path.unlink()
        self.numbers.clear()

    def _write(self) -> None:
        """Append what is pending to the buckets' files. Files are not kept open: there may be a thousand."""
        if not self._pending:
            return
        buckets = np.concatenate([numbers for _, numbers in self._pending])
        rows = pa.concat_tables([rows for rows, _ in self._pending]).combine_chunks()
        self._pending, self._pending_bytes = [], 0
        order = np.argsort(buckets, kind="stable")
        rows = rows.take(pa.array(order))
        numbers, starts = np.unique(buckets[order], return_index=True)
        for number, start, end in zip(numbers.tolist(), starts, [*starts[1:], len(order)], strict=True):
            with (
                open(self._path(number), "ab") as file,
                pa.ipc.new_stream(file, self.schema, options=_OPTIONS) as writer,
            ):
                writer.write_table(rows.slice(start, end - start))
            self.numbers.add(number)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number}.arrows"


def regrouped(tables: Iterable[pa.Table], num_rows: int) -> Iterator[pa.Table]:
    """Yield the same rows in tables of `num_rows`, the last one shorter, each in one chunk; none of no rows."""
    held: list[pa.Table] = []
    num_held = 0
    for table in tables:
        held.append(table)
        num_held += len(table)
        if num_held >= num_rows:
            whole = pa.concat_tables(held)
            for start in range(0, num_held - num_rows + 1, num_rows):
                yield whole.slice(start, num_rows).combine_chunks()
            rest = num_held % num_rows
            held, num_held = [whole.slice(num_held - rest)], rest
    if num_held:
        yield pa.concat_tables(held).combine_chunks()


def write_regrouped(writer: TableWriter, tables: Iterable[pa.Table], num_rows: int) -> None:
    """Write row groups of `num_rows`, as `pq.write_table` does of one table; so no rows are one empty row group."""
    is_empty = True
    for table in regrouped(tables, num_rows):
        writer.write_table(table, row_group_size=num_rows)
        is_empty = False
    if is_empty:
        writer.write_table(writer.schema.empty_table())
