"""Readers that people add: entry points of the group `byline.sources`, each a function like those of `READERS`.

What such a reader gets wrong is one line with its name and the row, never a traceback.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from byline.catalog.configs.extensions import Extension, in_a_line
from byline.catalog.corpora.records import ImageRecord, LeftOut, Row, UnreadableRow
from byline.catalog.errors import BylineError, ExtensionError, SourceError
from byline.pipelines.sources.readers.options import ReadOptions

_TEXTS = ("landing_url", "title", "creator", "creator_url", "description", "held")


def added_reader(extension: Extension) -> Callable[[str, str, ReadOptions], Iterator[Row]]:
    """Return the function of an extension, with its rows checked. Raises `ExtensionError` when it does not load."""
    read = extension.load()
    if not callable(read):
        raise ExtensionError(f"{extension}: {extension.entry.value} is no function of (path, source, options)")

    def checked(path: str, source: str, options: ReadOptions) -> Iterator[Row]:
        for row in told_rows(lambda: read(path, source, options), str(extension), path, source):
            yield _checked(row, extension, source)

    return checked


def told_rows(read: Callable[[], Iterable[Any]], who: str, path: str, source: str) -> Iterator[Any]:
    """Yield what a reader reads. Raises `SourceError`, naming reader and row, for what it did not foresee."""
    number = 0
    try:
        for row in read():
            yield row
            number += 1
    except BylineError:
        raise
    except Exception as error:  # what a reader of others raises is told with the row
        raise SourceError(
            f"source {source}: {who} failed at row {number + 1:,} of {path}: {in_a_line(error)}; a row that it cannot "
            "use should come out as an UnreadableRow (byline.pipelines.sources.readers.rows.read_row makes one)"
        ) from error


def _checked(row: Any, extension: Extension, source: str) -> Row:
    if isinstance(row, UnreadableRow | LeftOut):
        return row
    if not isinstance(row, ImageRecord):
        kinds = "ImageRecord, UnreadableRow or LeftOut"
        raise SourceError(f"source {source}: {extension} gave a {type(row).__name__}; a row is an {kinds}")
    if row.source != source:
        raise SourceError(
            f"source {source}: {extension} gave a record of source {row.source!r}; use the name it is given"
        )
    if problem := _problem(row):
        return UnreadableRow(place=str(row.evidence.place), problem=problem)
    return row


def _problem(row: ImageRecord) -> str | None:
    """Say which field of a record is of another kind than a corpus can keep; None when it can keep it."""
    for name in ("id", "url"):
        value = getattr(row, name)
        if not isinstance(value, str) or not value:
            return f"{name} is not text: {value!r:.60}" if value else f"no {name}"
    for name in _TEXTS:
        value = getattr(row, name)
        if value is not None and not isinstance(value, str):
            return f"{name} is not text: {value!r:.60}"
    if not (isinstance(row.tags, tuple) and all(isinstance(tag, str) for tag in row.tags)):
        return f"tags are not a tuple of texts: {row.tags!r:.60}"
    for name in ("license_claims", "extras"):
        pairs = getattr(row, name)
        if not (isinstance(pairs, tuple) and all(_is_pair(pair) for pair in pairs)):
            return f"{name} are not a tuple of (field, text): {pairs!r:.60}"
    return None


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(part, str) for part in pair)
