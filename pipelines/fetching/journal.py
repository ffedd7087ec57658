"""What was fetched of a pack and is in no segment yet, kept beside the corpus so that a kill costs little."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import uuid4

import pyarrow as pa

from byline.catalog.corpora.packs import INDEX_SCHEMA
from byline.catalog.disk import layout
from byline.catalog.disk.json_files import read_json, write_json
from byline.catalog.disk.storage import Store
from byline.catalog.errors import StorageError, UnreachableError
from byline.pipelines.fetching.index_rows import IndexRow

BEGAN = "began.json"
STORED, ORIGINAL = "stored bytes", "original bytes"
JOURNAL_SCHEMA = pa.schema([*INDEX_SCHEMA, (STORED, pa.large_binary()), (ORIGINAL, pa.large_binary())])
Asked = tuple[str, str]
"""A request that was made: record_id and url."""


class Journal:
    """Rows of one pack in files under `fetching/<pack>/`, in the order in which they came.

    A runner may give one pack to two workers at once: each has files of its own, and removes those that it knows.
    """

    def __init__(self, store: Store, pack: str) -> None:
        """Open it, with what a killed process left; a file that is damaged is as if it had not been written."""
        self.store, self.folder = store, layout.journal(pack)
        self.places: dict[Asked, tuple[str, int]] = {}
        self.next, self.writer = 0, uuid4().hex
        self.names: list[str] = []
        for name in store.files(self.folder, suffix=".arrow"):
            number = name.partition(".")[0]
            if not number.isdecimal():
                continue
            self.names.append(name)
            self.next = int(number) + 1
            try:
                rows = store.read_scratch(f"{self.folder}/{name}", ["record_id", "url"])
            except UnreachableError:  # what hosts answered may be there, and need not be asked for again
                raise
            except StorageError:
                continue
            self._note(name, zip(rows["record_id"].to_pylist(), rows["url"].to_pylist(), strict=True))

    def _note(self, name: str, asked: Iterable[Asked]) -> None:
        self.places.update({request: (name, number) for number, request in enumerate(asked)})

    @property
    def began(self) -> datetime | None:
        """When the pack was begun; None where no process that was killed left it."""
        path = f"{self.folder}/{BEGAN}"
        try:
            return datetime.fromisoformat(read_json(self.store, path)["at"]) if self.store.exists(path) else None
        except UnreachableError:
            raise
        except (StorageError, KeyError, TypeError, ValueError):  # half of it: power failed
            return None

    def begin(self, at: datetime) -> None:
        """Keep when the pack was begun, so that whoever goes on asks for what was to be asked for then."""
        write_json(self.store, f"{self.folder}/{BEGAN}", {"at": at.isoformat()}, is_scratch=True)

    def __contains__(self, asked: Asked) -> bool:
        return asked in self.places

    def add(self, rows: Sequence[IndexRow]) -> None:
        """Write rows, whole or not at all."""
        name = f"{self.next:06d}.{self.writer}.arrow"
        self.names.append(name)
        listed = [{**row, STORED: stored, ORIGINAL: original} for row, stored, original in rows]
        self.store.write_scratch(f"{self.folder}/{name}", pa.Table.from_pylist(listed, schema=JOURNAL_SCHEMA))
        self.next += 1
        self._note(name, [(str(row["record_id"]), str(row["url"])) for row, _, _ in rows])

    def read(self, asked: Sequence[Asked]) -> list[IndexRow]:
        """Return rows in the order asked for. Raises `StorageError` where another process has removed them."""
        places = [self.places[request] for request in asked]
        tables = {name: self.store.read_scratch(f"{self.folder}/{name}") for name in {name for name, _ in places}}
        return [_row(tables[name], number) for name, number in places]

    def is_there(self) -> bool:
        """Tell whether no other process has removed any of it."""
        return set(self.names) <= set(self.store.files(self.folder, suffix=".arrow"))

    def remove(self) -> None:
        """Delete what was there and what this one wrote: every row is in a segment."""
        for name in [*self.names, BEGAN]:
            self.store.remove(f"{self.folder}/{name}")
        self.names.clear()
        self.places.clear()


def _row(table: pa.Table, number: int) -> IndexRow:
    (row,) = table.slice(number, 1).to_pylist()
    stored, original = row.pop(STORED), row.pop(ORIGINAL)
    return {name: value for name, value in row.items() if value is not None}, stored, original
