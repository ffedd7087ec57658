"""What of a source is too much: rows of one URL, text of one row. Memory does not grow with what is read."""

from collections import Counter
from collections.abc import Sequence
from zlib import crc32

import numpy as np

from byline.catalog.corpora.records import ImageRecord, Row, UnreadableRow
from byline.catalog.errors import SourceError
from byline.pipelines.fetching.transport.urls import redacted

MAX_CHARACTERS = 1 << 20
"""Most characters of all that a record says: a longer one is no metadata of a picture."""
MAX_ROWS_OF_A_URL = 10_000
"""Records of one source and one URL that are asked for. What is named more often is no picture, and its host would be
asked for it without end."""
_SUSPECT_ROWS = 5_000
_BUCKETS = 1 << 20
_MOST_SUSPECTS = 1 << 16


class Repeats:
    """Counts the rows of a URL, exactly once there are many in its bucket; so a few thousand may be missed."""

    def __init__(self) -> None:
        self._rows = np.zeros(_BUCKETS, np.int64)
        self._suspects: Counter[str] = Counter()

    def add(self, records: Sequence[ImageRecord]) -> None:
        """Count records. Raises `SourceError` for a URL that too many rows have."""
        asked = [record for record in records if record.held is None]
        buckets = np.array([crc32(record.url.encode()) % _BUCKETS for record in asked], np.int64)
        np.add.at(self._rows, buckets, 1)
        for index in np.flatnonzero(self._rows[buckets] > _SUSPECT_ROWS).tolist():
            self._count(asked[index])
        if len(self._suspects) > _MOST_SUSPECTS:
            self._suspects = Counter(dict(self._suspects.most_common(_MOST_SUSPECTS // 2)))

    def _count(self, record: ImageRecord) -> None:
        self._suspects[record.url] += 1
        if self._suspects[record.url] > MAX_ROWS_OF_A_URL:
            raise SourceError(
                f"source {record.source}: more than {MAX_ROWS_OF_A_URL:,} rows have the URL {redacted(record.url)}, as "
                f"{record.evidence.place} of {record.evidence.file}; name each picture once, or say in `columns` which "
                "column holds the URLs"
            )


def characters_of(record: ImageRecord) -> int:
    """Return how much a record says."""
    texts = [value for value in vars(record).values() if isinstance(value, str)]
    pairs = (*record.license_claims, *record.extras)
    return sum(map(len, texts)) + sum(map(len, record.tags)) + sum(len(text) for pair in pairs for text in pair)


def bounded(row: Row) -> Row:
    """Return a row, unreadable where it says more than a picture's metadata does."""
    if not isinstance(row, ImageRecord):
        return row
    number = characters_of(row)
    if number <= MAX_CHARACTERS:
        return row
    place = f"{row.evidence.file} {row.evidence.place}"
    return UnreadableRow(place=place, problem=f"{number:,} characters of text; at most {MAX_CHARACTERS:,} are kept")
