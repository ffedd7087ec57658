"""Plan a build under another policy: what would change, and what it would cost. Nothing is written.

The records of the newest release are judged anew, as a build judges them, and compared pack by pack with its verdicts;
memory is that of a judgement and of a few packs. Where nothing is yet to be ingested, fetched, measured or captioned,
the build does just what the plan says.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.corpus import read_settings
from byline.catalog.corpora.facts import FactTable
from byline.catalog.corpora.manifest import Release
from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.catalog.policies.policy import Policy
from byline.catalog.threads import in_threads
from byline.pipelines.corpora.config import CorpusConfig
from byline.pipelines.corpora.settings import captions_measured
from byline.pipelines.facts.attempts import Asking
from byline.pipelines.facts.edges import first_word
from byline.pipelines.facts.evaluation_sets import load_evaluation_sets
from byline.pipelines.facts.measures import caption_facts
from byline.pipelines.facts.rows import Instruments, read_rows
from byline.pipelines.judging.judge import judge_parts
from byline.pipelines.judging.outstanding import num_asked_again, num_lacking
from byline.pipelines.judging.screening import Screened
from byline.pipelines.releases.released import ReleasedPack, check_manifest, released_packs
from byline.pipelines.rights.plans.comparing import Comparison, Tally, compare, tally_gone, tally_of
from byline.pipelines.rights.plans.creator_changes import CreatorTally, PackChanges, Words, pack_changes
from byline.pipelines.rights.plans.plan_report import Plan, Totals, plan_of
from byline.pipelines.rights.plans.plan_sources import sources_of
from byline.pipelines.rights.plans.shard_plan import SIZE_COLUMNS, PlannedShard, ShardPlanner, dropped, shards_on_disk

TOP_CREATORS = 20
LATENT_SCHEMA = pa.schema([("sha256", pa.string())])
"""What a plan reads of latents, which training writes: whose there are."""


def make_plan(config: CorpusConfig, policy: Policy, count: Callable[[int], None] = lambda _: None) -> Plan:
    """Say what `byline build` would do with this policy. `count` is told of records as they are planned.

    Raises `CorpusError` when there is no corpus, or when the release was edited by hand.
    """
    store = config.store
    if not read_settings(store):
        raise CorpusError(f"no corpus at {store.root}; make one with: byline build CONFIG")
    release = newest_release(config)
    sources, parts = sources_of(config, release)
    planner = _planner(config, release)
    evaluation = load_evaluation_sets(config.evaluation_sets, radius_bits=policy.evaluation.radius_bits)
    judged = judge_parts(parts, store, policy, config.instruments, config.denylists, evaluation)
    totals, creators = Totals(), CreatorTally()
    work = zip(parts, judged, strict=True)
    for number, (part, planned) in enumerate(
        zip(parts, in_threads(lambda judged_part: planner.plan(*judged_part), work), strict=True)
    ):
        totals.tally.update(planned.tally)
        totals.added.append(planned.added)
        totals.removed.append(planned.removed)
        totals.shards += planned.shards
        totals.latents.update(planned.latents)
        totals.captions.update(planned.captions)
        creators.add(number, planned.creators)
        count(part.num_records)
    if release is not None:
        _add_gone(totals, release, {part.pack for part in parts})
    top = creators.top(TOP_CREATORS, parts, store)
    return plan_of(totals, name=config.name, release=release, policy=policy, sources=sources, creators=top)


def newest_release(config: CorpusConfig) -> Release | None:
    """Return the newest version of the release that a config names; None before the first build has ended."""
    if not config.store.exists(layout.latest(config.name)):
        return None
    release = Release(f"{config.root.rstrip('/')}/releases/{config.name}")
    check_manifest(release)
    return release


@dataclass(frozen=True, kw_only=True)
class _PackPlan:
    tally: Tally
    added: Words
    removed: Words
    shards: list[PlannedShard]
    creators: PackChanges
    latents: Counter[str]
    captions: Counter[str]


@dataclass(frozen=True, kw_only=True)
class _Planner:
    """Plans one pack after the other, in threads."""

    store: Store
    instruments: Instruments
    release: Release | None
    released: frozenset[str]
    """Names of the release's packs."""
    shards: ShardPlanner
    latents: tuple[FactTable, ...]
    asking: Asking
    added: list[FactTable]
    """Measures of the corpus that it may not have had from the beginning."""

    def plan(self, part: PackPart, judged: tuple[Screened, pa.Table]) -> _PackPlan:
        """Compare one pack and plan its shards."""
        screened, verdicts = judged
        is_released = self.release is not None and part.pack in self.released
        released = ReleasedPack(self.release, part.pack) if self.release and is_released else None
        compared = compare(screened, verdicts, released)
        tally = tally_of(part.source, compared, verdicts)
        added, removed = np.flatnonzero(compared.added), np.flatnonzero(compared.removed)
        rows = np.concatenate([added, removed])
        creators = np.zeros(0, np.uint64)
        joined = cache(lambda: read_rows(part, self.store, self.instruments, ["creator", *SIZE_COLUMNS]))
        if len(rows):
            joined_rows = joined()
            creators = joined_rows["creator"].to_numpy()[rows]
        tally["again", "", ""] += num_asked_again(part, self.store, screened, self.asking)
        tally["measure", "", ""] += int(screened.lacks_measures.sum()) + num_lacking(part, self.added)
        gone = compared.before.read("sha256", removed) if len(removed) else pa.chunked_array([[]], pa.string())
        if released is not None and compared.before.places is not None:
            lost = released.lost(verdicts["record_id"])
            tally.update(tally_gone(part.source, lost))
            gone = pa.chunked_array([*gone.chunks, *_admitted(lost).chunks], pa.string())
        return _PackPlan(
            tally=tally,
            added=first_word(verdicts["sha256"].take(pa.array(added))),
            removed=first_word(gone),
            shards=self.shards.plan(part, compared, verdicts, joined),
            creators=pack_changes(creators, rows, np.arange(len(rows)) < len(added)),
            latents=self._latents_lacking(part, compared, verdicts),
            captions=self._captions_lacking(part, screened, verdicts),
        )

    def _captions_lacking(self, part: PackPart, screened: Screened, verdicts: pa.Table) -> Counter[str]:
        """Return how many captions each captioner has yet to write, as the stage that captions counts them."""
        rows = pa.array(np.flatnonzero(screened.lacks_caption))
        if not len(rows):
            return Counter()
        sha256 = verdicts["sha256"].take(rows)
        texts = part.read_records(self.store, ["text_sha256"])["text_sha256"].take(rows)
        lacking: Counter[str] = Counter()
        for by in self.instruments.captioners:
            keys = by.keys(sha256, texts).to_pylist()
            lacking[by.instrument] = len(caption_facts(self.store, by.instrument).lacking(part.pack, keys))
        return lacking

    def _latents_lacking(self, part: PackPart, compared: Comparison, verdicts: pa.Table) -> Counter[str]:
        if not self.latents:
            return Counter()
        train = verdicts["sha256"].filter(pa.array(compared.after.admitted & ~compared.after.heldout))
        lacking: Counter[str] = Counter()
        for facts in self.latents:
            known = facts.read(part.pack, [])["sha256"].combine_chunks()
            lacking[facts.instrument] = len(train) - (pc.sum(pc.is_in(train, value_set=known)).as_py() or 0)
        return lacking


def _planner(config: CorpusConfig, release: Release | None) -> _Planner:
    store, instruments = config.store, config.instruments
    shards = release.manifest.shards if release else ()
    return _Planner(
        store=store,
        instruments=instruments,
        release=release,
        released=frozenset(released_packs(release) if release else ()),
        shards=ShardPlanner(
            store=store,
            instruments=instruments,
            released={(shard.pack, shard.split): shard for shard in shards},
            same_captions=release is not None
            and _captions_of(release.manifest.instruments) == captions_measured(config),
            on_disk=shards_on_disk(store),
        ),
        latents=tuple(
            FactTable(store=store, measure="latents", instrument=name, schema=LATENT_SCHEMA)
            for name in store.folders(layout.facts_of("latents"))
        ),
        asking=Asking(began=datetime.now(UTC), spacing_s=config.fetch.ask_again_after_s),
        added=config.added_facts,
    )


def _captions_of(measured: Mapping[str, str]) -> dict[str, str]:
    """Return what a manifest says of captions."""
    return {name: by for name, by in measured.items() if name == "captions" or name.startswith("captions ")}


def _add_gone(totals: Totals, release: Release, judged: set[str]) -> None:
    """Count the packs of the release that are judged no longer: their source was left out, or has nothing left."""
    for pack in released_packs(release):
        if pack not in judged:
            lost = ReleasedPack(release, pack).lost()
            totals.tally.update(tally_gone(pack.rsplit("-", 1)[0], lost))
            totals.removed.append(first_word(_admitted(lost)))
    totals.shards += [dropped(shard) for shard in release.manifest.shards if shard.pack not in judged]


def _admitted(verdicts: pa.Table) -> pa.ChunkedArray:
    """Return the digests of the pictures that are admitted."""
    return verdicts.filter(verdicts["admitted"])["sha256"]
