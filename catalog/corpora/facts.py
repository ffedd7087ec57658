"""Facts: what was measured, by which instrument, aligned to packs, in segments that only ever get added.

`facts/<measure>/<instrument>/<pack>.<segment>.parquet`. A fact is found by its key column; what a pack still lacks is
the keys that none of its segments has. So a stopped, killed or extended run measures each thing once.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from byline.catalog.digests import digest_of
from byline.catalog.disk.storage import Store, parquet_bytes


def instrument_name(name: str, version: str, settings: object) -> str:
    """Name an instrument so that a change of version or of any setting that can change its output renames it."""
    return f"{name}-{version}-{digest_of(settings)[:8]}"


@dataclass(frozen=True, kw_only=True)
class FactTable:
    """The facts of one measure by one instrument. `schema` must hold the column `key`, a string."""

    store: Store
    measure: str
    instrument: str
    schema: pa.Schema
    key: str = "sha256"

    @property
    def folder(self) -> str:
        """Where the segments lie, relative to the corpus."""
        return f"facts/{self.measure}/{self.instrument}"

    def read(self, pack: str, columns: list[str] | None = None, *, first: int = 0, last: int | None = None) -> pa.Table:
        """Return the key and these columns (all by default) of a pack's facts, sorted by key.

        `first` and `last` choose segments, as a slice does. An empty table when nothing was measured yet.
        """
        names = self.schema.names if columns is None else [self.key, *columns]
        tables = [self.store.read_table(f"{name}.parquet", names) for name in self._segments(pack)[first:last]]
        if len(tables) == 1:
            return tables[0]  # a segment is sorted
        return pa.concat_tables([self.schema.empty_table().select(names), *tables]).sort_by(self.key)

    def lacking(self, pack: str, keys: Iterable[str]) -> list[str]:
        """Return, sorted and once each, the keys that were not measured yet."""
        known = set(self.read(pack, []).column(self.key).to_pylist())
        return sorted(set(keys) - known)

    def append(self, pack: str, rows: list[dict[str, object]]) -> None:
        """Add a segment of what is not there yet. Rows are sorted by key; of several writers each fact has one."""
        while rows := self._unknown(pack, rows):
            table = pa.Table.from_pylist(sorted(rows, key=lambda row: str(row[self.key])), schema=self.schema)
            segment = len(self._segments(pack))
            if self.store.write_new(f"{self.folder}/{pack}.{segment:03d}.parquet", parquet_bytes(table)):
                return

    def _unknown(self, pack: str, rows: list[dict[str, object]]) -> list[dict[str, object]]:
        known = set(self.read(pack, []).column(self.key).to_pylist())
        return [row for row in rows if row[self.key] not in known]

    def num_segments(self, pack: str) -> int:
        """Return how often facts of a pack were added."""
        return len(self._segments(pack))

    def _segments(self, pack: str) -> list[str]:
        return self.store.numbered(f"{self.folder}/{pack}.", ".parquet")
