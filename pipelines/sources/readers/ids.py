"""Whether a column is an id: its values name rows, or what many rows have in common, such as who uploaded them.

Rows of one id are one record, so a column of accounts would lose most of a source. It is told while rows stream, in
memory that does not grow: about how many ids there are, and how many URLs.
"""

import re
from collections.abc import Mapping
from typing import Any

from xxhash import xxh3_64_intdigest

from byline.catalog.errors import SourceError
from byline.pipelines.sources.readers.tables import Columns

ROWS_LOOKED_AT = 1000
"""Rows after which the column is first checked, and by which another column is found to look like an id."""
MIN_ROWS = 8
"""Least number of rows from which anything is concluded."""
MAX_SHARE = 0.5
"""Share of the distinct URLs that the ids must at least number: with half as many, half of the rows would be lost."""
SAMPLE = 1 << 12
"""Values that are kept to count by."""
MAX_ID_CHARACTERS = 100
_ID_WORDS = re.compile(r"(?i)id(s|entifier)?$|^id|key|hash|sha\d*|md5|uuid|guid|number|accession")


class Distinct:
    """About how many different values were added: exact up to `SAMPLE`, then within a few percent.

    Of a value's hash the leading zeros decide whether it is kept (Wegman's adaptive sampling), so order is no matter.
    """

    def __init__(self) -> None:
        self._kept: set[int] = set()
        self._level, self._below = 0, 1 << 64

    def add(self, value: object) -> None:
        """Add one value."""
        hashed = xxh3_64_intdigest(str(value).encode(errors="surrogatepass"))
        if hashed < self._below:
            self._kept.add(hashed)
            while len(self._kept) > SAMPLE:
                self._level += 1
                self._below >>= 1
                self._kept = {number for number in self._kept if number < self._below}

    @property
    def number(self) -> int:
        """About how many there were."""
        return len(self._kept) << self._level


class IdCheck:
    """What is seen of the ids of one source, file after file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.num_rows = 0
        self._ids, self._urls = Distinct(), Distinct()
        self._column = ""
        self._unique: dict[str, set[str]] = {}
        """Column -> its values so far, of those that never repeated and are taken for no field."""

    def add(self, row: Mapping[str, Any], columns: Columns) -> None:
        """Look at a row. Raises `SourceError` when those so far show that the id is none."""
        self._column = columns.fields.get("id", "")
        if not self._column:
            return
        if self.num_rows < ROWS_LOOKED_AT:
            self._look_for_ids(row, columns)
        self.num_rows += 1
        self._ids.add(row.get(self._column))
        self._urls.add(row.get(columns.fields["url"]) if "url" in columns.fields else self.num_rows)
        if self.num_rows == ROWS_LOOKED_AT:
            self.end()

    def end(self) -> None:
        """Raise `SourceError` when the rows show that the id is none."""
        ids, urls = self._ids.number, self._urls.number
        if self.num_rows < MIN_ROWS or ids > MAX_SHARE * urls:
            return
        other = self._best()
        named = f'say columns = {{ id = "{other or "..."}" }}'
        advice = f"{other!r} looks like one: {named}" if other else f'{named}, or ignore_columns = ["{self._column}"]'
        raise SourceError(
            f"{self.path}: column {self._column!r} is no id: of {self.num_rows:,} rows, with {urls:,} pictures, it has "
            f"about {ids:,}, and rows of one id are one record; {advice}"
        )

    def _look_for_ids(self, row: Mapping[str, Any], columns: Columns) -> None:
        if not self.num_rows:
            taken = set(columns.fields.values())
            self._unique = {name: set() for name in row if name not in taken}
        for name in list(self._unique):
            value = row.get(name)
            text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
            if 0 < len(text) <= MAX_ID_CHARACTERS and text not in self._unique[name]:
                self._unique[name].add(text)
            else:
                del self._unique[name]

    def _best(self) -> str | None:
        called = [name for name in self._unique if _ID_WORDS.search(name)]
        return next(iter([*called, *self._unique]), None)
