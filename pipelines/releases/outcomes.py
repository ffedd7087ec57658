"""What became of every row of a build's sources: one count for each outcome, by source."""

from collections import Counter

import pyarrow.compute as pc

from byline.catalog.corpora.manifest import Release
from byline.catalog.disk import layout
from byline.catalog.disk.json_files import read_json
from byline.catalog.disk.storage import Store
from byline.catalog.threads import in_threads
from byline.pipelines.releases.released import released_packs

NOT_ASKED = "not asked for"
"""The outcome of records that the claims refuse, whatever a wider policy once fetched."""
UNREADABLE = "unreadable"
LEFT_OUT = "left out: "
ODD = "odd: "
"""Begins the name of a counter of pictures that a build fetched in spite of something odd."""
READ_ANEW = "read anew: "
"""Begins the name of a counter of the rows of a source that a build read, since it had not before."""


def outcomes_of(release: Release) -> dict[str, dict[str, int]]:
    """Return source -> outcome -> count: of every record of a release, and of the rows that became no record.

    Of all records, and not of those that the last build asked for: so no kill makes a count incomplete.
    """
    store = release.store

    def outcomes(pack: str) -> tuple[str, Counter[str]]:
        column = store.read_table(f"{release.path}/{layout.VERDICTS}/{pack}.parquet", ["outcome"])["outcome"]
        counted = pc.value_counts(column).to_pylist()
        return pack.rsplit("-", 1)[0], Counter({row["values"] or NOT_ASKED: row["counts"] for row in counted})

    counts_by_source = {source: _no_records(store, path) for source, path in sorted(release.manifest.records.items())}
    for source, counts in in_threads(outcomes, released_packs(release)):
        counts_by_source[source] += counts
    return {source: dict(sorted(counts.items())) for source, counts in counts_by_source.items()}


def _no_records(store: Store, records_path: str) -> Counter[str]:
    path = f"{records_path.removesuffix('.parquet')}.counts.json"
    if not store.exists(path):
        return Counter()
    counts = read_json(store, path)
    left_out = {f"{LEFT_OUT}{kind}": number for kind, number in counts["left_out"].items()}
    return Counter({UNREADABLE: counts["unreadable"], **left_out}) + Counter()  # without zeros
