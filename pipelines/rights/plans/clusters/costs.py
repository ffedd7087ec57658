"""Hours, requests, bytes and dollars of a build on N workers. Pure arithmetic on rates, a sample and prices."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from byline.catalog.corpora.builds import FETCH, MEASURE
from byline.pipelines.fetching.config import AT_ONCE, FetchConfig
from byline.pipelines.rights.plans.clusters.prices import Prices, Rented
from byline.pipelines.rights.plans.clusters.rates import SOURCE_TEXT, FetchRate, Rates
from byline.pipelines.rights.plans.clusters.sample import CAPTIONS, LATENTS, Kept, Sample

RELEASE = "release"
PROCESSOR, UNDER_WAY, HOST, DEVICE = "processors", "requests under way", "the busiest host", "devices"
"""What can bound a stage."""
PACK_RECORDS = 10_000
"""How large packs are taken to be of a corpus that is not here."""


class Work(BaseModel, frozen=True, extra="forbid"):
    """How much there is to do."""

    title: str
    published: tuple[str, ...] = ()
    """What others say that it took."""
    packs: int
    asked: int
    """Records whose picture is to be asked for."""
    measured: int
    captioned: dict[str, int]
    """Captioner -> pictures, or texts."""
    encoded: dict[str, int]
    """Instrument of latents -> pictures; one without a name where no run has encoded any."""
    shipped: int
    """Pictures that shards are written of."""


class StageCost(BaseModel, frozen=True, extra="forbid"):
    """One stage of a work."""

    stage: str
    instrument: str = ""
    pictures: int
    requests: int = 0
    received_bytes: int = 0
    kept_bytes: int = 0
    objects: int = 0
    hours: float | None = None
    """Hours by the clock, of all workers or devices together; None where nobody measured it."""
    bound_by: str | None = None
    usd: float | None = None

    @property
    def is_timed(self) -> bool:
        """Whether hours of it could be known."""
        return self.stage != RELEASE


class WorkCost(BaseModel, frozen=True, extra="forbid"):
    """What a work takes on so many workers."""

    work: Work
    busy_workers: float
    """How many workers are at work on the average, for packs are not divided."""
    stages: tuple[StageCost, ...]
    usd_a_month: float
    """What keeping it costs."""
    usd_of_writes: float


def cost_of(
    work: Work, *, workers: int, rates: Rates, sample: Sample, shard_bytes: float, limits: FetchConfig, prices: Prices
) -> WorkCost:
    """Return what a work takes. `shard_bytes` is what a release ships of a picture."""
    at_work = work.packs / math.ceil(work.packs / workers) if work.packs else 1.0
    stages = tuple(_Costing(work, workers, at_work, rates, sample, shard_bytes, limits, prices).stages())
    kept = sum(stage.kept_bytes for stage in stages)
    return WorkCost(
        work=work,
        busy_workers=at_work,
        stages=stages,
        usd_a_month=kept / 1e9 * prices.store.usd_per_gb_month,
        usd_of_writes=sum(stage.objects for stage in stages) / 1000 * prices.store.usd_per_1000_writes,
    )


@dataclass(frozen=True)
class _Costing:
    work: Work
    workers: int
    at_work: float
    """How many of them have a pack, on the average."""
    rates: Rates
    sample: Sample
    shard_bytes: float
    limits: FetchConfig
    prices: Prices

    def stages(self) -> Iterator[StageCost]:
        work = self.work
        yield self._fetch()
        rate = self.rates.measure
        yield StageCost(
            stage=MEASURE,
            pictures=work.measured,
            **self._kept(MEASURE, work.measured, self.sample.fetched),
            **self._paid(rate.seconds * work.measured if rate else None, PROCESSOR, self.prices.worker),
        )
        for instrument, number in work.captioned.items():
            yield self._captions(instrument, number)
        for instrument, number in work.encoded.items():
            yield self._latents(instrument, number)
        size = round(self.shard_bytes * work.shipped)
        yield StageCost(stage=RELEASE, pictures=work.shipped, kept_bytes=size, objects=3 * work.packs if size else 0)

    def _fetch(self) -> StageCost:
        number, rate = self.work.asked, self.rates.fetch
        more = self._kept(FETCH, number, self.sample.asked)
        if rate is None:
            return StageCost(stage=FETCH, pictures=number, **more)
        packs, share = self.work.packs, self.sample.of_busiest_host
        bounds = fetch_bounds(rate, number, packs, at_work=self.at_work, of_busiest_host=share, limits=self.limits)
        bound_by = max(bounds, key=lambda name: bounds[name])
        return StageCost(
            stage=FETCH,
            pictures=number,
            requests=round(rate.requests * number),
            received_bytes=round(rate.received_bytes * number),
            **more,
            **self._paid(bounds[bound_by] * self.at_work, bound_by, self.prices.worker),
        )

    def _captions(self, instrument: str, number: int) -> StageCost:
        rate, sample = self.rates.captions.get(instrument), self.sample
        by, bound = self.prices.worker, PROCESSOR if instrument.startswith(SOURCE_TEXT) else DEVICE
        if rate and rate.usd_per_hour:
            by = Rented(name=rate.name, usd_per_hour=rate.usd_per_hour, price_from=rate.price_from)
        return StageCost(
            stage=CAPTIONS,
            instrument=instrument,
            pictures=number,
            **self._kept(CAPTIONS, number, sum(sample.captioned.values())),
            **self._paid(number / rate.images_per_s if rate else None, bound, by),
        )

    def _latents(self, instrument: str, number: int) -> StageCost:
        speed = self.rates.latents.get(instrument)
        is_processor = speed is None or speed.device == "cpu"
        by, bound = (self.prices.worker, PROCESSOR) if is_processor else (self.prices.device, DEVICE)
        return StageCost(
            stage=LATENTS,
            instrument=instrument,
            pictures=number,
            **self._kept(LATENTS, number, self.sample.encoded),
            **self._paid(speed.seconds * number if speed else None, bound, by),
        )

    def _kept(self, stage: str, number: int, of_sample: int) -> dict[str, Any]:
        kept = self.sample.kept.get(stage, Kept())
        if not of_sample:
            return {}
        return {
            "kept_bytes": round(kept.bytes / of_sample * number),
            "objects": math.ceil(kept.objects / of_sample * number),
        }

    def _paid(self, seconds: float | None, bound_by: str, by: Rented) -> dict[str, Any]:
        """Return hours and dollars of so many seconds of one worker: all are paid until the last one is done."""
        if seconds is None:
            return {}
        hours = seconds / 3600 / self.at_work
        return {"hours": hours, "bound_by": bound_by, "usd": hours * self.workers * by.usd_per_hour}


def fetch_bounds(
    rate: FetchRate, number: int, packs: int, *, at_work: float, of_busiest_host: float, limits: FetchConfig
) -> dict[str, float]:
    """Return the seconds that so many records take at least, by what bounds them. The longest is what they take.

    A worker has `AT_ONCE` requests of a pack under way, and a host `per_host` and `rate_per_s`, from however many
    workers.
    """
    waits_s = rate.request_s * rate.requests
    turns = math.ceil(number / packs / AT_ONCE) if packs else 0
    each_s = max(waits_s / limits.per_host, rate.requests / limits.rate_per_s if limits.rate_per_s else 0.0)
    return {
        PROCESSOR: rate.seconds * number / at_work,
        UNDER_WAY: packs * turns * waits_s / at_work,
        HOST: of_busiest_host * number * each_s,
    }
