"""The element of every stage: a pack and where its records lie. Never a row, never image bytes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby

import pyarrow as pa

from byline.catalog.corpora.url_index import UrlIndex
from byline.catalog.disk.seals import Footer
from byline.catalog.disk.storage import Store
from byline.catalog.nothing import stated_records


@dataclass(frozen=True, kw_only=True, order=True)
class PackPart:
    """One pack of one ingest run. The records are one row group of a Parquet file."""

    pack: str
    records_path: str
    row_group: int
    num_records: int

    @property
    def source(self) -> str:
        """The name of the source that the pack belongs to."""
        return self.pack.rsplit("-", 1)[0]

    def read_records(self, store: Store, columns: list[str] | None = None, words: tuple[str, ...] = ()) -> pa.Table:
        """Return the records of the pack, sorted by record_id; the columns in `words` come as dictionaries.

        Raises `StorageError` when the file is damaged.
        """
        footer = _footer(store, self.records_path, store.state(self.records_path))
        return store.read_row_group(self.records_path, self.row_group, footer, columns, words=words)

    def read_stated(self, store: Store, columns: list[str]) -> pa.Table:
        """Return these columns of the records, null where a source has only a word for nothing (`nan`, `unknown`)."""
        return stated_records(self.read_records(store, columns))


def parts_of(store: Store, records_path: str) -> list[PackPart]:
    """Return the packs of an ingest run, in order. Raises `StorageError` when the file is damaged."""
    footer = _footer(store, records_path, store.state(records_path)).metadata
    pack_column = footer.schema.names.index("pack")
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    return [
        PackPart(
            pack=group.column(pack_column).statistics.min,
            records_path=records_path,
            row_group=number,
            num_records=group.num_rows,
        )
        for number, group in enumerate(groups)
    ]


@contextmanager
def writing_records(store: Store, path: str, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Give a function that takes the records of one pack after the other, in order, and writes each as one row group.

    When the block ends there is first the URL index and then, complete, the records. Memory holds one pack.
    """
    with store.scratch_folder() as scratch, store.writing_groups(path, schema, compression="zstd") as writer:
        index = UrlIndex(scratch / "urls")

        def add(pack: pa.Table) -> None:
            writer.write_table(pack.combine_chunks(), row_group_size=len(pack))
            index.add(pack)

        yield add
        index.write(store, path)


def write_records(store: Store, path: str, records: pa.Table) -> None:
    """Write the records of an ingest run, sorted by pack and id, as one row group a pack; first their URL index."""
    with writing_records(store, path, records.schema) as add:
        for pack in packs_of(records):
            add(pack)


def packs_of(records: pa.Table) -> Iterator[pa.Table]:
    """Yield the records of each pack, of records that are sorted by pack."""
    sizes = [len(list(rows)) for _, rows in groupby(records["pack"].to_pylist())]
    for start, size in zip(accumulate([0, *sizes]), sizes, strict=False):
        yield records.slice(start, size)


@lru_cache(maxsize=64)
def _footer(store: Store, path: str, state: str) -> Footer:
    """Return what a Parquet file says of itself, at length if it has a thousand packs. `state` changes with it."""
    return store.read_footer(path)
