"""Sources on an object store: their files are copied to this machine for as long as they are read into records.

Readers know files alone. What they say of where they read is said of the object store, so that no record and no message
names a copy that is gone, and workers read pictures from where they lie.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from byline.catalog.corpora.records import ImageRecord, LeftOut, Row
from byline.catalog.disk.far import far_file, folder_of, is_far
from byline.catalog.disk.storage import Store
from byline.catalog.errors import SourceError
from byline.pipelines.sources.readers.files import states_of

T = TypeVar("T")


@dataclass(frozen=True)
class Here:
    """A source as it lies on this machine."""

    path: str
    """What a reader is given."""
    copy: str = ""
    """Where the copies begin; empty for files that lie here anyway."""
    original: str = ""
    """What they are copies of."""

    def rows(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Yield the rows as if they were read where the files lie. Raises `SourceError` in the same way."""
        if not self.copy:
            yield from rows
            return
        while (row := self.told(lambda: next(rows, None))) is not None:
            yield self._as_there(row)

    def told(self, read: Callable[[], T]) -> T:
        """Return what `read` gives; what it raises speaks of the files as they lie there."""
        try:
            return read()
        except SourceError as error:
            if self.copy not in str(error) or not self.copy:
                raise
            raise SourceError(self._named(str(error))) from error

    def _as_there(self, row: Row) -> Row:
        if isinstance(row, ImageRecord):
            evidence = replace(row.evidence, file=self._named(row.evidence.file))
            return replace(row, evidence=evidence, held=self._named(row.held) if row.held else None)
        if isinstance(row, LeftOut):
            return row
        return replace(row, place=self._named(row.place), problem=self._named(row.problem))

    def _named(self, text: str) -> str:
        return text.replace(self.copy, self.original)


@contextmanager
def brought_here(path: str, store: Store) -> Iterator[Here]:
    """Give the source at `path`, of which copies are made in the scratch of `store` where it lies elsewhere.

    Raises `SourceError` where there is none, `StorageError` where it cannot be copied.
    """
    if not is_far(path):
        yield Here(path)
        return
    folder, urls = folder_of(path), states_of(path)
    with store.scratch_folder() as scratch:
        copy = scratch.resolve() / folder.rpartition("/")[2]
        for url in urls:
            target = Path(f"{copy}{url.removeprefix(folder)}")
            if not target.resolve().is_relative_to(copy):
                raise SourceError(f"{url} has a name that leads out of its folder; rename it")
            target.parent.mkdir(parents=True, exist_ok=True)
            far, name = far_file(url)
            far.download(name, target)
        yield Here(f"{copy}{path.rstrip('/').removeprefix(folder)}", str(copy), folder)
