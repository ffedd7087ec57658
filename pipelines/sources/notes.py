"""What a build has to tell of its sources: rows that could not be read, and names that are not used."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from byline.catalog.corpora.manifest import Release
from byline.catalog.corpora.records import UnreadableRow
from byline.catalog.disk.json_files import read_json
from byline.catalog.disk.storage import Store

NUM_SHOWN = 5
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_CAME_BEFORE = re.compile(r"^id .* came before$", re.DOTALL)
_NUMBER = re.compile(r"\d[\d,.]*")


@dataclass(frozen=True, kw_only=True)
class Unread:
    """The rows of one source that became no record."""

    source: str
    num_rows: int
    first: list[UnreadableRow]
    """The first `NUM_SHOWN` rows, in the order of the source."""
    reasons: dict[str, int]
    """Problem, without what differs from row to row -> rows, most first."""
    listed: str
    """Path of the list of all of them."""


def unread_of(release: Release) -> list[Unread]:
    """Return what could not be read of each source of a release; nothing for a source that was read whole."""
    unread_sources = (_unread(release.store, source, path) for source, path in sorted(release.manifest.records.items()))
    return [unread for unread in unread_sources if unread is not None]


def not_used_of(release: Release, sources: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return source -> name that is taken for no field -> the field that it comes nearest to, of these sources."""
    not_used = {}
    for source in sorted(set(sources) & release.manifest.records.keys()):
        path = f"{release.manifest.records[source].removesuffix('.parquet')}.counts.json"
        if release.store.exists(path) and (names := read_json(release.store, path).get("not_used")):
            not_used[source] = names
    return not_used


def kind_of_problem(problem: str) -> str:
    """Return a problem without what differs from row to row: values in quotes, numbers, ids."""
    if _CAME_BEFORE.match(problem):
        return "id ... came before"
    return _NUMBER.sub("N", _QUOTED.sub("'...'", problem))


def _unread(store: Store, source: str, records: str) -> Unread | None:
    path = f"{records.removesuffix('.parquet')}.unreadable.parquet"
    if not store.exists(path):
        return None
    first: list[UnreadableRow] = []
    reasons: Counter[str] = Counter()
    footer = store.read_footer(path)
    for number in range(footer.metadata.num_row_groups):
        rows = store.read_row_group(path, number, footer)
        head = rows.slice(0, NUM_SHOWN - len(first)).to_pylist()
        first += [UnreadableRow(place=row["place"], problem=row["problem"]) for row in head]
        for counted in rows["problem"].value_counts().to_pylist():
            reasons[kind_of_problem(counted["values"])] += counted["counts"]
    if not reasons:
        return None
    by_number = dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))
    return Unread(source=source, num_rows=reasons.total(), first=first, reasons=by_number, listed=store.url(path))
