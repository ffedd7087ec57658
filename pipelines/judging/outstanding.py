"""What a build would still have to do before it judges: asked by builds, which then start Beam, and by plans."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.facts import FactTable
from byline.catalog.corpora.packs import MAX_ATTEMPTS, TRANSIENT, read_attempts
from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk.storage import Store
from byline.pipelines.facts.measures import hash_facts
from byline.pipelines.judging.screening import NOT_ASKED, NOT_MEASURED, Screened

AGAIN = frozenset(f"fetch:{outcome}" for outcome in TRANSIENT)
"""Reasons that the next build may find gone, since it asks again."""


def lacks_anything(part: PackPart, store: Store, screened: Screened) -> bool:
    """Tell whether a build would fetch, measure or caption something of a pack before it judges it."""
    said = {reason for reasons in screened.reasons.lists for reason in reasons}
    if screened.lacks_caption.any() or screened.lacks_measures.any() or not said.isdisjoint({NOT_ASKED, NOT_MEASURED}):
        return True
    return num_asked_again(part, store, screened) > 0


def num_lacking(part: PackPart, tables: Iterable[FactTable]) -> int:
    """Return how many pictures of a pack were measured when the corpus did not have one of these instruments yet."""
    lacking: set[str] = set()
    for table in tables:
        measured = hash_facts(table.store).read(part.pack, [])["sha256"]
        known = table.read(part.pack, [])["sha256"].combine_chunks()
        lacking.update(measured.filter(pc.invert(pc.is_in(measured, value_set=known))).to_pylist())
    return len(lacking)


def num_asked_again(part: PackPart, store: Store, screened: Screened) -> int:
    """Return how many records a build would ask for again, as the fetch stage does."""
    may_pass = np.array([not AGAIN.isdisjoint(reasons) for reasons in screened.reasons.lists], np.bool_)
    if not may_pass.any():
        return 0
    rows = pa.array(np.flatnonzero(may_pass[screened.reasons.codes]))
    wanted = part.read_records(store, ["record_id", "url"]).take(rows)
    asked = read_attempts(store, part.pack, ["record_id", "url"])
    of_wanted = _asked(asked).filter(pc.is_in(_asked(asked), value_set=_asked(wanted).combine_chunks()))
    times = pc.value_counts(of_wanted).field("counts")
    return int(pc.sum(pc.less(times, MAX_ATTEMPTS)).as_py() or 0)


def _asked(rows: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(rows["record_id"], rows["url"], "\n")
