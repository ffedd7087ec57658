"""Readers of source metadata, one file a source.

A reader is a function from a file on disk to records, in the file's order, in constant memory where the format allows
it. A row that it cannot use comes out as an `UnreadableRow`; a file that it cannot read at all is a `SourceError`.
"""

from collections.abc import Callable, Iterator

from catalog.records import ImageRecord, UnreadableRow
from pipelines.sources.commons import read_commons
from pipelines.sources.openverse import read_openverse
from pipelines.sources.options import ReadOptions
from pipelines.sources.yfcc import read_yfcc

Reader = Callable[[str, str, ReadOptions], Iterator[ImageRecord | UnreadableRow]]

READERS: dict[str, Reader] = {
    "commons": read_commons,
    "openverse": read_openverse,
    "yfcc": read_yfcc,
}
"""Reader's name in a config -> function of (path, name of the source, options)."""
