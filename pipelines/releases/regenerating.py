"""Make a release from facts that are there already: judge, shard, publish. Loads no Beam.

It is what a changed policy costs, and what a takedown does to every release. Nothing is fetched, measured or captioned.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from byline.catalog.corpora.manifest import Release
from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk.storage import Store
from byline.catalog.policies.policy import Policy
from byline.catalog.progress import NOTHING_COUNTED, Meter
from byline.catalog.threads import in_threads
from byline.pipelines.facts.attempts import Asking
from byline.pipelines.judging.judge import write_verdicts
from byline.pipelines.judging.outstanding import lacks_anything
from byline.pipelines.judging.screening import Screened
from byline.pipelines.releases.publishing import Settings, publish
from byline.pipelines.releases.shard_writing import WrittenShard, earlier_shards, write_shards_of


@dataclass(frozen=True, kw_only=True)
class Regenerated:
    """A version of a release, and what had to be done for it."""

    version: str
    done: dict[str, int]


class NotReadyError(Exception):
    """Something must be fetched, measured or captioned first."""


def regenerate(
    parts: list[PackPart],
    store: Store,
    policy: Policy,
    settings: Settings,
    *,
    denylists: Sequence[str] = (),
    splice_from: Sequence[Release] = (),
    meter: Meter = NOTHING_COUNTED,
    asking: Asking | None = None,
) -> Regenerated:
    """Judge the records, write the shards that changed and publish, as a build does.

    Given what a build is `asking` for, it raises `NotReadyError`, and leaves every release alone, when that build would
    have something to do before. `meter` is told of a stage's records as they pass.
    """
    parts = sorted(parts)

    def check(part: PackPart, screened: Screened, verdicts: pa.Table) -> None:
        if asking is not None and lacks_anything(part, store, screened, asking):
            raise NotReadyError(part.pack)

    meter.work("judge")
    for part in write_verdicts(parts, store, policy, settings.instruments, denylists, check):
        meter.add("judge", part.num_records)
    written = list(_write(parts, store, settings, splice_from, meter))
    version = publish([written_shard.shard for written_shard in written], parts, store, policy, settings)
    new = [written_shard.shard for written_shard in written if written_shard.is_new]
    return Regenerated(
        version=version,
        done={"shards written": len(new), "shard bytes written": sum(shard.num_bytes for shard in new)},
    )


def _write(
    parts: list[PackPart],
    store: Store,
    settings: Settings,
    splice_from: Sequence[Release],
    meter: Meter,
) -> Iterator[WrittenShard]:
    earlier = earlier_shards(store, splice_from)

    def write(part: PackPart) -> list[WrittenShard]:
        return list(write_shards_of(part, store, settings.instruments, earlier))

    for part, written in zip(parts, in_threads(write, parts), strict=True):
        if any(written_shard.is_new for written_shard in written):
            meter.work("write shards")
        meter.add("write shards", part.num_records)
        yield from written
