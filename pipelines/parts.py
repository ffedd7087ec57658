"""The element of every stage: a pack and where its records lie. Never a row, never image bytes."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from catalog.storage import Store


@dataclass(frozen=True, kw_only=True, order=True)
class PackPart:
    """One pack of one ingest run. The records are one row group of a Parquet file."""

    pack: str
    records_path: str
    row_group: int
    num_records: int

    def read_records(self, store: Store, columns: list[str] | None = None) -> pa.Table:
        """Return the records of the pack, sorted by record_id."""
        with store.open(self.records_path) as file:
            return pq.ParquetFile(file).read_row_group(self.row_group, columns=columns, use_threads=False)
