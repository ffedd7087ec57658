"""Make a release from facts that are there already: judge, shard, publish. Loads no Beam.

It is what a changed policy costs, and what a takedown does to every release. Nothing is fetched, measured or captioned.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.manifest import Release
from catalog.packs import MAX_ATTEMPTS, TRANSIENT, read_attempts
from catalog.policy import Policy
from catalog.storage import Store
from pipelines.edges import edges_stem
from pipelines.judging import write_verdicts
from pipelines.parts import PackPart
from pipelines.publishing import Settings, publish
from pipelines.rows import Instruments, read_rows
from pipelines.shard_writing import WrittenShard, earlier_shards, write_shards_of
from pipelines.threads import in_threads
from pipelines.weighing import NOT_ASKED, Weighed

AGAIN = frozenset(f"fetch:{outcome}" for outcome in TRANSIENT)
"""Reasons that the next build may find gone, since it asks again."""


@dataclass(frozen=True, kw_only=True)
class Regenerated:
    """A version of a release, and what had to be done for it."""

    version: str
    done: dict[str, int]


class NotReadyError(Exception):
    """Something must be fetched, measured or captioned first."""


def is_measured(parts: list[PackPart], store: Store) -> bool:
    """Tell whether the pictures of these packs were compared with each other, as they are now."""
    return store.exists(f"{edges_stem(store, parts)}.pairs.parquet")


def regenerate(
    parts: list[PackPart],
    store: Store,
    policy: Policy,
    settings: Settings,
    *,
    denylists: Sequence[str] = (),
    splice_from: Sequence[Release] = (),
    count: Callable[[str, int], None] = lambda stage, num_records: None,
    is_complete: bool = True,
) -> Regenerated:
    """Judge the records, write the shards that changed and publish, as a build does.

    With `is_complete` it raises `NotReadyError`, and leaves every release alone, when a build would have something to
    do before. `count` is told of a stage's records as they pass.
    """
    parts = sorted(parts)

    def check(part: PackPart, weighed: Weighed, verdicts: pa.Table) -> None:
        if is_complete and (
            lacks_anything(part, store, weighed, verdicts) or _lacks_safety(part, store, settings.instruments)
        ):
            raise NotReadyError(part.pack)

    for part in write_verdicts(parts, store, policy, settings.instruments, denylists, check):
        count("judge", part.num_records)
    written = list(_write(parts, store, settings, splice_from, count))
    version = publish([one.shard for one in written], parts, store, policy, settings)
    new = [one.shard for one in written if one.is_new]
    return Regenerated(
        version=version,
        done={"shards written": len(new), "shard bytes written": sum(shard.num_bytes for shard in new)},
    )


def lacks_anything(part: PackPart, store: Store, weighed: Weighed, verdicts: pa.Table) -> bool:
    """Tell whether a build would fetch, measure or caption something of a pack before it judges it."""
    said = {reason for reasons in weighed.reasons.lists for reason in reasons}
    if weighed.lacks_caption.any() or weighed.lacks_measures or NOT_ASKED in said:
        return True
    return bool(said & AGAIN) and num_asked_again(part, store, weighed, verdicts) > 0


def _lacks_safety(part: PackPart, store: Store, instruments: Instruments) -> bool:
    """Tell whether a picture was not classified that would be, whether the policy asks for it or not."""
    if instruments.safety is None:
        return False
    rows = read_rows(part, store, instruments, ["contrast", "nsfw"])
    return int(rows["nsfw"].null_count) > int(rows["contrast"].null_count)


def num_asked_again(part: PackPart, store: Store, weighed: Weighed, verdicts: pa.Table) -> int:
    """Return how many records a build would ask for again, as the fetch stage does."""
    may_pass = np.array([not AGAIN.isdisjoint(reasons) for reasons in weighed.reasons.lists], np.bool_)
    if not may_pass.any():
        return 0
    rows = pa.array(np.flatnonzero(may_pass[weighed.reasons.codes]))
    asked = read_attempts(store, part.pack, ["record_id"])["record_id"]
    times = pc.value_counts(asked.filter(pc.is_in(asked, value_set=verdicts["record_id"].take(rows))))
    return int(pc.sum(pc.less(times.field("counts"), MAX_ATTEMPTS)).as_py() or 0)


def _write(
    parts: list[PackPart],
    store: Store,
    settings: Settings,
    splice_from: Sequence[Release],
    count: Callable[[str, int], None],
) -> Iterator[WrittenShard]:
    earlier = earlier_shards(store, splice_from)

    def write(part: PackPart) -> list[WrittenShard]:
        return list(write_shards_of(part, store, settings.instruments, earlier))

    for part, written in zip(parts, in_threads(write, parts), strict=True):
        count("write shards", part.num_records)
        yield from written
