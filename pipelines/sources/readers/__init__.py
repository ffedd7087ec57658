"""Readers of source metadata, one file a source.

A reader is a function from files on disk to records, in their order, in constant memory where the format allows it.
A row that it cannot use comes out as an `UnreadableRow`, one that speaks of no picture as `LeftOut`; a file that it
cannot read at all is a `SourceError`. docs/sources.md tells of each.
"""

from collections.abc import Callable, Iterator

from byline.catalog.configs.extensions import SOURCES, Extension, extension, refuse_shadowed
from byline.catalog.corpora.records import Row
from byline.pipelines.sources.readers.added import added_reader, told_rows
from byline.pipelines.sources.readers.commons import read_commons
from byline.pipelines.sources.readers.csv import read_csv
from byline.pipelines.sources.readers.folder import read_folder
from byline.pipelines.sources.readers.img2dataset_output import read_img2dataset
from byline.pipelines.sources.readers.json_lines import read_jsonl
from byline.pipelines.sources.readers.openverse import read_openverse
from byline.pipelines.sources.readers.options import ReadOptions
from byline.pipelines.sources.readers.parquet import read_parquet
from byline.pipelines.sources.readers.yfcc import read_yfcc

Reader = Callable[[str, str, ReadOptions], Iterator[Row]]

READERS: dict[str, Reader] = {
    "commons": read_commons,
    "csv": read_csv,
    "folder": read_folder,
    "img2dataset": read_img2dataset,
    "jsonl": read_jsonl,
    "openverse": read_openverse,
    "parquet": read_parquet,
    "yfcc": read_yfcc,
}
"""Reader's name in a config -> function of (path, name of the source, options)."""


def check_reader(name: str) -> Extension | None:
    """Return the extension that has a reader of this name; None where it is ours. Imports nothing.

    Raises `ConfigError` when there is none, or when it is not known which is meant.
    """
    if name in READERS:
        refuse_shadowed(SOURCES, name)
        return None
    return extension(SOURCES, name, READERS)


def read_source(reader: str, path: str, source: str, options: ReadOptions) -> Iterator[Row]:
    """Yield what a reader, ours or an extension's, makes of the rows of a source.

    Raises `SourceError`, one line, for a file that it cannot read and for a row that it stumbles over.
    """
    added = check_reader(reader)
    if added is None:
        options.refuse_for(reader)
    read = READERS[reader] if added is None else added_reader(added)
    yield from told_rows(lambda: read(path, source, options), f"reader {reader}", path, source)
