"""The first rows of a source, read by its own reader."""

from collections import deque
from dataclasses import dataclass
from itertools import islice

from byline.catalog.corpora.records import ImageRecord, UnreadableRow
from byline.catalog.errors import SourceError
from byline.pipelines.sources.beginning.finding import FoundSource
from byline.pipelines.sources.readers import READERS
from byline.pipelines.sources.readers.options import ReadOptions

NUM_SHOWN = 3
ROWS_LOOKED_AT = 1000
TABLES = frozenset({"csv", "jsonl", "parquet"})


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """The first rows of a source."""

    records: list[ImageRecord]
    """The first `NUM_SHOWN` records."""
    unreadable: list[UnreadableRow]
    """Unreadable rows among those that were read for these records."""


def sample(source: FoundSource, name: str, options: ReadOptions) -> Sampled:
    """Read rows until there are enough records. Raises `SourceError` when none of the first thousand is one."""
    records: list[ImageRecord] = []
    unreadable: list[UnreadableRow] = []
    rows = islice(READERS[source.reader](source.path, name, options), ROWS_LOOKED_AT)
    while len(records) < NUM_SHOWN and (row := next(rows, None)) is not None:
        if isinstance(row, ImageRecord):
            records.append(row)
        elif isinstance(row, UnreadableRow):
            unreadable.append(row)
    if source.reader in TABLES:
        deque(rows, maxlen=0)  # a column that is no id is told now, not by a build
    if not records:
        first = f"; the first: {unreadable[0].place}: {unreadable[0].problem}" if unreadable else ""
        raise SourceError(f"{source.path}: none of its first rows becomes a record{first}")
    return Sampled(records=records, unreadable=unreadable)
