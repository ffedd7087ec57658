"""Read each source into records, sorted by pack. A source file that was ingested already is not read again."""

import hashlib
from io import BytesIO
from itertools import groupby

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.metrics.metric import Metrics
from apache_beam.pvalue import PCollection

from catalog.digests import digest_of
from catalog.errors import SourceError
from catalog.records import RECORD_SCHEMA, ImageRecord, UnreadableRow, records_table, unreadable_table
from catalog.storage import Store
from pipelines.config import SourceConfig
from pipelines.parts import PackPart, parts_of
from pipelines.progress import TOTAL, Meter
from pipelines.sources import READERS

INGESTED = Metrics.counter("byline", "ingested")
"""Rows that were read from source files, unreadable ones included."""


def ingest(source: SourceConfig, store: Store) -> list[PackPart]:
    """Return the packs of a source, in order, reading its file only when this version of it was not ingested yet."""
    path = f"records/{source.name}/{_run_of(source)}.parquet"
    if not store.exists(path):
        _write_records(source, store, path)
    return parts_of(store, path)


def _run_of(source: SourceConfig) -> str:
    """Name the run after the bytes of the source file and how they are read."""
    digest = hashlib.sha256()
    try:
        with open(source.path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except FileNotFoundError as error:
        raise SourceError(f"no source file at {source.path}; check `path` of source {source.name}") from error
    return digest_of([RECORD_SCHEMA.names, source.reader, source.num_packs, digest.hexdigest()])[:16]


def _write_records(source: SourceConfig, store: Store, path: str) -> None:
    records: dict[str, ImageRecord] = {}
    unreadable = []
    for row in READERS[source.reader](source.path, source.name):
        if isinstance(row, UnreadableRow):
            unreadable.append(row)
        elif row.record_id in records:
            unreadable.append(UnreadableRow(place=row.evidence.place, problem=f"id {row.id} came before"))
        else:
            records[row.record_id] = row
    INGESTED.inc(len(records) + len(unreadable))
    table = records_table(records.values(), num_packs=source.num_packs)
    store.write_table(path.replace(".parquet", ".unreadable.parquet"), unreadable_table(unreadable))
    store.write_bytes(path, _one_row_group_a_pack(table))


def _one_row_group_a_pack(table: pa.Table) -> bytes:
    sink, start = BytesIO(), 0
    with pq.ParquetWriter(sink, table.schema, compression="zstd") as writer:
        for _, records in groupby(table["pack"].to_pylist()):
            size = len(list(records))
            writer.write_table(table.slice(start, size), row_group_size=size)
            start += size
    return sink.getvalue()


def _ingest_and_count(source: SourceConfig, store: Store, meter: Meter) -> list[PackPart]:
    parts = ingest(source, store)
    num_records = sum(part.num_records for part in parts)
    meter.add(TOTAL, num_records)
    meter.add("ingest", num_records)
    return parts


class Ingest(beam.PTransform[PCollection[SourceConfig], PCollection[PackPart]]):
    """PCollection[SourceConfig] -> PCollection[PackPart]."""

    def __init__(self, store: Store, meter: Meter) -> None:
        super().__init__()
        self.store, self.meter = store, meter

    def expand(self, sources: PCollection[SourceConfig]) -> PCollection[PackPart]:
        return sources | "Read" >> beam.FlatMap(_ingest_and_count, self.store, self.meter)
