"""What became of pictures after they were fetched: facts of later looks at where they came from.

`rechecks/<release>/<pack>.<segment>.parquet`, under the name of the release whose pictures were looked at. Segments are
only ever added. A finding is about a record at a URL, whatever release asked: all of them are read.
"""

from collections.abc import Collection, Iterable, Iterator
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.packs import asked_for
from byline.catalog.disk import layout
from byline.catalog.disk.json_files import read_json
from byline.catalog.disk.storage import Store
from byline.catalog.errors import StorageError, UnreachableError

DELTA = ".delta.json"
"""Ends the name of a file that says of a version of a release what became of its pictures."""


class Finding(StrEnum):
    """What a look found. Closed: every record that was looked at has one. Of several that hold the first is told."""

    REMOVED = "removed"
    """The picture is gone: 404, 410 or 451, the source's own API no longer knows it, or it leads to what was taken
    down."""
    OPTED_OUT = "opted-out"
    RELICENSED = "relicensed"
    """The source states another license than the one that it was taken under."""
    CHANGED = "changed"
    """The server sends other bytes."""
    UNCHANGED = "unchanged"
    UNREACHABLE = "unreachable"
    """No answer says anything: a host that is down, 5xx, 403. What was known before still holds."""


RECHECK_SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),
        ("url", pa.string()),
        ("checked_at", pa.timestamp("ms", tz="UTC")),
        ("finding", pa.string()),
        ("message", pa.string()),
        ("consent", pa.string()),
        ("license_claims", pa.string()),
        ("etag", pa.string()),
        ("last_modified", pa.string()),
        ("sha256", pa.string()),
    ]
)
"""`consent` is evidence for `catalog.consent.read_consent`, of answers that reached the picture; null when there is
none. `license_claims` is what the source says now, as in `catalog.corpora.records.RECORD_SCHEMA`; null when it was not
asked. `sha256` is of the bytes that came, null when the server said that they had not changed, or none came."""
NEWEST_COLUMNS = ("recheck", "recheck_consent", "recheck_claims")
"""What is known of a record by now: see `newest_findings`."""


def num_segments(store: Store, pack: str) -> dict[str, int]:
    """Return how often checks of a pack were added, by the release that asked."""
    if store.is_local and not store.exists(layout.RECHECKS):  # asked often for each pack; a listing takes longer
        return {}
    counts = {name: len(_segments(store, name, pack)) for name in store.folders(layout.RECHECKS)}
    return {name: number for name, number in counts.items() if number}


def read_checks(store: Store, pack: str) -> pa.Table:
    """Return all checks of a pack, the newest first; of one time, those that were written last."""
    stems = [stem for name in num_segments(store, pack) for stem in _segments(store, name, pack)]
    tables = [store.read_table(f"{stem}.parquet", RECHECK_SCHEMA.names) for stem in reversed(stems)]
    whole = pa.concat_tables([RECHECK_SCHEMA.empty_table(), *tables])
    return whole.take(pc.array_sort_indices(whole["checked_at"], order="descending"))


def newest_findings(store: Store, pack: str, records: pa.Table) -> pa.Table:
    """Return `NEWEST_COLUMNS` for each record (`record_id`, `url`) in its order; nulls where nobody looked.

    The newest finding holds, but `unreachable` says nothing against an earlier one; the newest claims are those of the
    last time that the source was asked for them. What was found at another URL of a record is not about this one.
    """
    checks = read_checks(store, pack)
    if not len(checks):
        return pa.table({name: pa.nulls(len(records), pa.string()) for name in NEWEST_COLUMNS})
    asked = asked_for(records)

    def newest(chosen: pa.ChunkedArray | None, columns: list[str]) -> pa.Table:
        rows = checks if chosen is None else checks.filter(chosen)
        return rows.select(columns).take(pc.index_in(asked, value_set=asked_for(rows).combine_chunks()))

    reached = newest(pc.not_equal(checks["finding"], str(Finding.UNREACHABLE)), ["finding", "consent"])
    any_finding = newest(None, ["finding"])["finding"]
    claims = newest(checks["license_claims"].is_valid(), ["license_claims"])["license_claims"]
    columns = [pc.coalesce(reached["finding"], any_finding), reached["consent"], claims]
    return pa.table(dict(zip(NEWEST_COLUMNS, columns, strict=True)))


def last_checked(store: Store, pack: str, records: pa.Table) -> pa.ChunkedArray:
    """Return when each record (`record_id`, `url`) was looked at last, null for never."""
    checks = read_checks(store, pack)
    if not len(checks):
        return pa.chunked_array([pa.nulls(len(records), RECHECK_SCHEMA.field("checked_at").type)])
    return checks["checked_at"].take(pc.index_in(asked_for(records), value_set=asked_for(checks).combine_chunks()))


def add_checks(store: Store, release: str, pack: str, rows: Iterable[dict[str, Any]]) -> None:
    """Add a segment of checks, sorted by record. Of several writers of one segment the other comes after it."""
    listed = sorted(rows, key=lambda row: str(row["record_id"]))
    table = pa.Table.from_pylist(listed, schema=RECHECK_SCHEMA)
    number = len(_segments(store, release, pack))
    while listed and not store.write_new_table(f"{layout.rechecks_of(release)}/{pack}.{number:03d}.parquet", table):
        number += 1


def forget_checks(store: Store, pack: str, record_ids: Collection[str]) -> Iterator[str]:
    """Remove the checks of these records; yield the path of every file that changed or went. Segments keep their
    numbers.

    Deltas that name one of the records go too: the next recheck writes them anew.
    """
    gone = pa.array(sorted(record_ids), pa.string())
    for name in store.folders(layout.RECHECKS):
        for stem in _segments(store, name, pack):
            table = store.read_table(f"{stem}.parquet")
            kept = table.filter(pc.invert(pc.is_in(table["record_id"], gone)))
            if len(kept) < len(table):
                store.write_table(f"{stem}.parquet", kept)
                yield f"{stem}.parquet"
        folder = layout.rechecks_of(name)
        for path in [f"{folder}/{file}" for file in store.files(folder, suffix=DELTA)]:
            if _may_name(store, path, record_ids):
                store.remove(path)
                yield path


def _may_name(store: Store, path: str, record_ids: Collection[str]) -> bool:
    """Tell whether a delta names one of these records; of a damaged one nobody knows, and a recheck writes it anew."""
    try:
        return not set(record_ids).isdisjoint(_texts(read_json(store, path)))
    except UnreachableError:
        raise
    except StorageError:
        return True


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def _segments(store: Store, release: str, pack: str) -> list[str]:
    return store.numbered(f"{layout.rechecks_of(release)}/{pack}.", ".parquet")
