"""What a build would still have to do before it judges: asked by builds, which then start Beam, and by plans."""

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.facts import FactTable
from byline.catalog.corpora.packs import TRANSIENT, read_attempts, read_rows_of
from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk.storage import Store
from byline.catalog.hosts import UrlError
from byline.catalog.policies.policy import Policy
from byline.catalog.urls import read_url
from byline.pipelines.facts.attempts import ATTEMPT_COLUMNS, Asking, due
from byline.pipelines.facts.measures import hash_facts
from byline.pipelines.facts.rows import LACKS_COLUMNS, lacks
from byline.pipelines.judging.screening import NOT_ASKED, NOT_MEASURED, Screened, screen_claims


def lacks_anything(part: PackPart, store: Store, screened: Screened, asking: Asking) -> bool:
    """Tell whether a build would fetch, measure or caption something of a pack before it judges it."""
    all_reasons = {reason for reasons in screened.reasons.lists for reason in reasons}
    if (
        screened.lacks_caption.any()
        or screened.lacks_measures.any()
        or not all_reasons.isdisjoint({NOT_ASKED, NOT_MEASURED})
    ):
        return True
    return num_asked_again(part, store, screened, asking) > 0


def num_lacking(part: PackPart, tables: Iterable[FactTable]) -> int:
    """Return how many pictures of a pack were measured when the corpus did not have one of these instruments yet."""
    lacking: set[str] = set()
    for table in tables:
        measured = hash_facts(table.store).read(part.pack, [])["sha256"]
        known = table.read(part.pack, [])["sha256"].combine_chunks()
        lacking.update(measured.filter(pc.invert(pc.is_in(measured, value_set=known))).to_pylist())
    return len(lacking)


def num_asked_again(part: PackPart, store: Store, screened: Screened, asking: Asking) -> int:
    """Return how many records a build would ask for again, as the fetch stage does."""
    named = asking.again.outcomes if asking.again else frozenset()
    reasons = frozenset(f"fetch:{outcome}" for outcome in (*TRANSIENT, *named))
    may_pass = np.array([not reasons.isdisjoint(record_reasons) for record_reasons in screened.reasons.lists], np.bool_)
    if not may_pass.any():
        return 0
    rows = pa.array(np.flatnonzero(may_pass[screened.reasons.codes]))
    wanted = part.read_records(store, ["record_id", "url"]).take(rows)
    return int(due(wanted, read_attempts(store, part.pack, ATTEMPT_COLUMNS), part.source, asking).again.sum())


def named_again(
    parts: Iterable[PackPart], store: Store, policy: Policy, asking: Asking
) -> tuple[Counter[str], frozenset[str]]:
    """Return outcome -> how many records that the claims admit people named to be asked for again, and their hosts."""
    counts: Counter[str] = Counter()
    hosts: set[str] = set()
    for part in parts:
        records = part.read_records(store, ["record_id", "url", "license_claims", *LACKS_COLUMNS])
        claims = screen_claims(records.append_column("lacks", pa.array(lacks(records))), policy.rules_of(part.source))
        records = records.filter(pa.array(claims.reasons.admitted))
        attempts = read_attempts(store, part.pack, ATTEMPT_COLUMNS)
        again = records.filter(pa.array(due(records, attempts, part.source, asking).named))
        counts.update(read_rows_of(store, part.pack, again, ["outcome"])["outcome"].to_pylist())
        for url in again["url"].to_pylist():
            with suppress(UrlError):
                hosts.add(read_url(url).server)
    return counts, frozenset(hosts)
