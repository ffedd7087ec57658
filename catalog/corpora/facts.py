"""Facts: what was measured, by which instrument, aligned to packs, in segments that only ever get added.

`facts/<measure>/<instrument>/<pack>.<segment>.parquet`. A fact is found by its key column; what a pack still lacks is
the keys that none of its segments has. So a stopped, killed or extended run measures each thing once.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa
import pyarrow.parquet as pq

from byline.catalog.digests import digest_of
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.disk.storage_errors import damaged_parquet


def instrument_name(name: str, version: str, settings: object) -> str:
    """Name an instrument so that a change of version or of any setting that can change its output renames it."""
    return f"{name}-{version}-{digest_of(settings)[:8]}"


class Key(StrEnum):
    """What a fact can be about: the name of its key column. Who adds one says what of it a takedown removes
    (`pipelines.rights.takedown.removing.Doomed.keys`); the type checker asks for it."""

    PICTURE = "sha256"
    """The digest of the picture, as fetched."""
    SHOWN = "shown_sha256"
    """The digest of what a captioner was shown: that of the picture, or of the record's texts."""
    CAPTION = "caption_sha256"
    """The digest of a caption."""


PAIRS = frozenset({"edges", "similar"})
"""Folders of `facts/` that are no fact tables: what they hold is about two pictures, by whatever pack."""


def key_among(columns: Collection[str]) -> Key | None:
    """Return what the facts of a table with these columns are about; none for a table that no `FactTable` wrote."""
    return next((key for key in Key if key in columns), None)


def key_of(store: Store, path: str) -> Key | None:
    """Return what the facts in a segment are about, by its columns. Raises `StorageError` when it is damaged."""
    try:
        with store.open(path) as file:
            return key_among(pq.read_schema(file).names)
    except pa.ArrowException as error:
        raise damaged_parquet(store.url(path), error) from error


@dataclass(frozen=True, kw_only=True)
class FactTable:
    """The facts of one measure by one instrument. `schema` must hold the column `key`, a string, and no other key."""

    store: Store
    measure: str
    instrument: str
    schema: pa.Schema
    key: Key = Key.PICTURE
    later: frozenset[str] = frozenset()
    """Columns that segments of earlier versions of byline lack; they are null there. So nothing is measured again."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a table whose facts a takedown could not tell apart."""
        if (actual_key := key_among(self.schema.names)) != self.key:
            raise ValueError(
                f"facts of {self.measure} are about {self.key}, and the key of their columns "
                f"({', '.join(self.schema.names)}) is {actual_key}; have one column of `catalog.corpora.facts.Key`, "
                "and name it as the key"
            )

    @property
    def folder(self) -> str:
        """Where the segments lie, relative to the corpus."""
        return layout.facts_folder(self.measure, self.instrument)

    def read(self, pack: str, columns: list[str] | None = None, *, first: int = 0, last: int | None = None) -> pa.Table:
        """Return the key and these columns (all by default) of a pack's facts, sorted by key.

        `first` and `last` choose segments, as a slice does. An empty table when nothing was measured yet.
        """
        return self.read_segments(self.segments(pack)[first:last], columns)

    def read_segments(self, stems: list[str], columns: list[str] | None = None) -> pa.Table:
        """The same of these segments, whose paths are without `.parquet`."""
        names = self.schema.names if columns is None else [self.key, *columns]
        tables = [self._segment(f"{stem}.parquet", names) for stem in stems]
        if len(tables) == 1:
            return tables[0]  # a segment is sorted
        return pa.concat_tables([self.schema.empty_table().select(names), *tables]).sort_by(self.key)

    def _segment(self, path: str, names: list[str]) -> pa.Table:
        table = self.store.read_table(path, names)
        missing = [name for name in names if name in self.later and name not in table.column_names]
        for name in missing:
            table = table.append_column(self.schema.field(name), pa.nulls(len(table), self.schema.field(name).type))
        return table.select(names) if missing else table

    def lacking(self, pack: str, keys: Iterable[str]) -> list[str]:
        """Return, sorted and once each, the keys that were not measured yet."""
        return FactWriter(self, pack).lacking(keys)

    def append(self, pack: str, rows: list[dict[str, object]]) -> None:
        """Add a segment of what is not there yet, as `FactWriter` does."""
        if rows:
            FactWriter(self, pack).append(rows)

    def overwrite(self, pack: str, rows: list[dict[str, object]]) -> None:
        """Make these rows the first segment of a pack, whatever is there: by one request, which asks nothing.

        For what can be made again: where two write, one's rows take the place of the other's.
        """
        self.store.write_table(self.path_of(pack, 0), self.table_of(rows))

    def path_of(self, pack: str, segment: int) -> str:
        """Return where a segment of a pack lies, relative to the corpus."""
        return f"{self.folder}/{pack}.{segment:03d}.parquet"

    def table_of(self, rows: list[dict[str, object]]) -> pa.Table:
        """Return the rows as a segment has them: sorted by key."""
        return pa.Table.from_pylist(sorted(rows, key=lambda row: str(row[self.key])), schema=self.schema)

    def remove(self, pack: str) -> None:
        """Remove all facts of a pack. Killed in the middle, it leaves the first of them."""
        for stem in reversed(self.segments(pack)):
            self.store.remove(f"{stem}.parquet")

    def num_segments(self, pack: str) -> int:
        """Return how often facts of a pack were added."""
        return len(self.segments(pack))

    def segments(self, pack: str) -> list[str]:
        """Return the paths of the segments of a pack, without `.parquet`."""
        return self.store.numbered(f"{self.folder}/{pack}.", ".parquet")


class FactWriter:
    """Adds facts to one pack, segment after segment, and knows which are there: it reads the segments once.

    What it wrote it remembers; what others write meanwhile it learns when it cannot write where they did.
    """

    def __init__(self, table: FactTable, pack: str) -> None:
        self.table, self.pack = table, pack
        self._read()

    def _read(self) -> None:
        stems = self.table.segments(self.pack)
        self.num_segments = len(stems)
        self.known: set[str] = set(self.table.read_segments(stems, [])[self.table.key].to_pylist())

    def lacking(self, keys: Iterable[str]) -> list[str]:
        """Return, sorted and once each, the keys that were not measured yet."""
        return sorted(set(keys) - self.known)

    def append(self, rows: list[dict[str, object]]) -> None:
        """Add a segment of what is not there yet. Rows are sorted by key; of several writers each fact has one."""
        while rows := [row for row in rows if row[self.table.key] not in self.known]:
            path = self.table.path_of(self.pack, self.num_segments)
            if not self.table.store.write_new_table(path, self.table.table_of(rows)):
                self._read()
                continue
            self.num_segments += 1
            self.known.update(str(row[self.table.key]) for row in rows)
