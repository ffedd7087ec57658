"""Plan a build on N workers: what is left of it, all of it anew, more records like its own, and a corpus of others."""

import math
from collections.abc import Mapping

from pydantic import BaseModel

from byline.pipelines.corpora.config import CorpusConfig
from byline.pipelines.rights.plans.caption_costs import CaptionRate
from byline.pipelines.rights.plans.clusters.costs import PACK_RECORDS, Work, WorkCost, cost_of
from byline.pipelines.rights.plans.clusters.prices import Prices, Published
from byline.pipelines.rights.plans.clusters.rates import Rates, read_rates
from byline.pipelines.rights.plans.clusters.sample import Sample, sample_of
from byline.pipelines.rights.plans.plan_report import Plan
from byline.pipelines.rights.plans.plan_sources import sources_of
from byline.pipelines.rights.plans.planning import newest_release


class ClusterPlan(BaseModel, frozen=True, extra="forbid"):
    """What `byline plan --cluster N` says beside a plan."""

    workers: int
    works: tuple[WorkCost, ...]
    rates: Rates
    sample: Sample
    prices: Prices
    per_host: int
    rate_per_s: float | None


def plan_cluster(
    config: CorpusConfig,
    plan: Plan,
    captions: Mapping[str, CaptionRate | None],
    *,
    workers: int,
    records: int | None,
    prices: Prices,
) -> ClusterPlan:
    """Say what a plan takes on so many workers. `records` asks for so many like those of the corpus besides."""
    release = newest_release(config)
    _, parts = sources_of(config, release)
    captioners = [by.instrument for by in config.instruments.captioners]
    sample = sample_of(parts, config.store, captioners)
    rates = read_rates(config.store, captions)
    shares = _Shares(plan, sample, captioners, tuple(rates.latents) or ("",))
    of_all = plan.counts["records"]
    works = [shares.left(), shares.of(of_all, "all of it from nothing")]
    if records is not None:
        works.append(shares.of(records, f"{records:,} records like these"))
    works.append(shares.of_published(prices.published))
    shipped = sum(shard.num_bytes for shard in release.manifest.shards) if release else 0
    admitted = plan.counts_before.get("admitted", 0)
    costs = (
        cost_of(
            work,
            workers=workers,
            rates=rates,
            sample=sample,
            shard_bytes=shipped / admitted if admitted else 0.0,
            limits=config.fetch,
            prices=prices,
        )
        for work in works
    )
    return ClusterPlan(
        workers=workers,
        works=tuple(costs),
        rates=rates,
        sample=sample,
        prices=prices,
        per_host=config.fetch.per_host,
        rate_per_s=config.fetch.rate_per_s,
    )


class _Shares:
    """How many of the records of a corpus reach which stage."""

    def __init__(self, plan: Plan, sample: Sample, captioners: list[str], latents: tuple[str, ...]) -> None:
        self.plan, self.sample, self.latents = plan, sample, latents
        records = plan.counts["records"]
        to_fetch = plan.to_fetch.records / records if records else 0.0
        self.asked = (sample.asked / sample.records if sample.records else 0.0) + to_fetch
        self.fetched = sample.fetched / sample.asked if sample.asked else 1.0
        self.captioned = {
            name: sample.captioned.get(name, 0) / sample.fetched if sample.fetched else 1.0 for name in captioners
        }
        came = records * sample.fetched / sample.records if sample.records else 0.0
        self.train, self.shipped = (plan.counts[name] / came if came else 1.0 for name in ("train", "admitted"))

    def left(self) -> Work:
        """Return what a build would do now, and the encoding of what it then has."""
        plan = self.plan
        asked = plan.to_fetch.records + plan.to_fetch_again
        came = asked * self.fetched
        captioned = {name: plan.captions.get(name, 0) + round(came * share) for name, share in self.captioned.items()}
        known = plan.latents or dict.fromkeys(self.latents, plan.counts["train"])
        return Work(
            title="what is left to do",
            packs=self.sample.of_packs,
            asked=asked,
            measured=plan.to_measure + round(came),
            captioned=captioned,
            encoded={name: number + round(came * self.train) for name, number in known.items()},
            shipped=plan.added.images + round(came * self.shipped),
        )

    def of(self, records: int, title: str) -> Work:
        """Return the work of so many records like these, from nothing."""
        asked = records * self.asked
        return self._whole(asked, title, self._packs(records))

    def of_published(self, other: Published) -> Work:
        """Return the work of as many pictures as others have, if they were like these."""
        asked = other.pictures / self.fetched if self.fetched else other.pictures
        work = self._whole(asked, f"{other.pictures:,} pictures like these, as {other.name} has", self._packs(asked))
        hours = f"{other.caption_hours:,.0f} {other.caption_hours_from}"
        return work.model_copy(update={"published": (other.pictures_from, hours)})

    def _packs(self, records: float) -> int:
        if records <= self.plan.counts["records"]:
            return self.sample.of_packs
        return max(self.sample.of_packs, math.ceil(records / PACK_RECORDS))

    def _whole(self, asked: float, title: str, packs: int) -> Work:
        came = asked * self.fetched
        return Work(
            title=title,
            packs=packs,
            asked=round(asked),
            measured=round(came),
            captioned={name: round(came * share) for name, share in self.captioned.items()},
            encoded=dict.fromkeys(self.latents, round(came * self.train)),
            shipped=round(came * self.shipped),
        )
