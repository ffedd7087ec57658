"""What `byline plan --cluster N` prints beside a plan."""

from collections.abc import Iterator
from textwrap import wrap
from typing import TYPE_CHECKING

from byline.catalog.text import one_line
from byline.cli.verb import size_of

if TYPE_CHECKING:
    from byline.pipelines.rights.plans.clusters.cluster_plan import ClusterPlan
    from byline.pipelines.rights.plans.clusters.costs import StageCost, WorkCost

NAME_WIDTH, WIDTH = 10, 80
UNKNOWN = "unknown"
NOT_COUNTED = (
    "Not counted: reading sources, finding duplicates, judging, writing shards; traffic; what a store is asked for "
    "beyond the objects that lie there at the end (reads, journals)."
)


def cluster_lines(plan: "ClusterPlan") -> Iterator[str]:
    """Say what each work takes, and then what that stands on: lines of 80 columns, but for long names."""
    workers = f"{plan.workers:,} worker{'s' if plan.workers != 1 else ''}"
    for cost in plan.works:
        yield ""
        yield f"On {workers}: {cost.work.title}"
        if any(stage.pictures for stage in cost.stages):
            yield from _table(cost, plan.workers)
        else:
            yield "  nothing"
    yield ""
    yield "Known:"
    for line in _known(plan):
        yield from _wrapped(line)
    yield "Assumed:"
    for line in _assumed(plan):
        yield from _wrapped(line)
    yield from wrap(NOT_COUNTED, WIDTH)


def _wrapped(line: str) -> list[str]:
    return wrap(one_line(line), WIDTH, initial_indent="  ", subsequent_indent="    ", break_long_words=False)


def _table(cost: "WorkCost", workers: int) -> Iterator[str]:
    yield _row("", "pictures", "requests", "comes in", "is kept", "hours", "$")
    for stage in cost.stages:
        yield _row(
            stage.stage,
            f"{stage.pictures:,}",
            f"{stage.requests:,}" if stage.requests else "",
            size_of(stage.received_bytes) if stage.received_bytes else "",
            size_of(stage.kept_bytes) if stage.kept_bytes else "",
            _hours(stage),
            "" if stage.usd is None else f"{stage.usd:,.2f}",
        )
    timed = [stage for stage in cost.stages if stage.hours is not None]
    kept = size_of(sum(stage.kept_bytes for stage in cost.stages))
    hours, usd = sum(stage.hours or 0 for stage in timed), sum(stage.usd or 0 for stage in timed)
    yield _row("together", "", "", "", kept, _short(hours), f"{usd:,.2f}")
    objects = sum(stage.objects for stage in cost.stages)
    yield f"  store: {objects:,} objects, ${cost.usd_of_writes:,.2f} to write, ${cost.usd_a_month:,.2f} a month to keep"
    if bound := [f"{stage.stage} by {stage.bound_by}" for stage in timed if stage.pictures]:
        yield from _wrapped(f"bound: {', '.join(bound)}")
    if cost.busy_workers < 0.95 * workers:
        packs = f"{cost.work.packs:,} pack{'s' if cost.work.packs != 1 else ''}"
        yield f"  {packs}: {cost.busy_workers:,.1f} of {workers:,} workers are at work on the average"
    for rate_source in cost.work.published:
        yield from _wrapped(f"published: {rate_source}")


def _row(name: str, *cells: str) -> str:
    widths = (12, 12, 11, 11, 10, 11)
    return f"  {name:<{NAME_WIDTH}}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _hours(stage: "StageCost") -> str:
    if stage.hours is None:
        return UNKNOWN if stage.is_timed and stage.pictures else ""
    return _short(stage.hours)


def _known(plan: "ClusterPlan") -> Iterator[str]:
    rates, sample = plan.rates, plan.sample
    yield f"sample: {sample.packs:,} of {sample.of_packs:,} packs, {sample.records:,} records"
    for stage, rate in (("fetch", rates.fetch), ("measure", rates.measure)):
        if rate is None:
            yield f"{stage}: no build here kept how long it took; build some thousand records first"
            continue
        took = f"{_milli(rate.seconds)} of a processor, {_milli(rate.clock_seconds)} of a worker by the clock"
        yield f"{stage}: {took}, each of the {rate.pictures:,} of build {rate.build}"
    if rates.fetch and rates.fetch.requests:
        comes = f"{size_of(rates.fetch.received_bytes)} come for a record"
        yield f"a request waits {_milli(rates.fetch.request_s)} for its host; {comes}"
    for instrument, caption in rates.captions.items():
        if caption is None:
            yield f"captions by {instrument}: --on or --images-per-s tells how fast"
        else:
            fast = f"{caption.images_per_s:,.2f} a second of {caption.name}"
            yield f"captions by {instrument}: {fast} ({caption.images_from})"
    if not rates.latents:
        yield "latents: no run encoded these pictures; train on a release of a few thousand first"
    for instrument, speed in rates.latents.items():
        if speed is None:
            yield f"latents by {instrument}: the run that encoded them kept no time; train on a new release"
        else:
            rate_source = f"a training run, {speed.pictures:,} pictures, {speed.device}"
            yield f"latents by {instrument}: {_milli(speed.seconds)} a picture with its captions ({rate_source})"


def _assumed(plan: "ClusterPlan") -> Iterator[str]:
    prices, sample = plan.prices, plan.sample
    yield (
        "a worker is one process with a core to itself; hours are those of processors, or of waiting for hosts where "
        "that takes longer; packs are not divided"
    )
    if sample.busiest_host:
        rate = f" and {plan.rate_per_s:g} a second" if plan.rate_per_s else ""
        share = f"{100 * sample.of_busiest_host:.0f} % of the records"
        limits = f"{plan.per_host} requests at once{rate} to a host, from however many workers"
        yield f"{sample.busiest_host} has {share}; {limits}; its robots.txt may ask for more time"
    for rented in (prices.worker, prices.device):
        yield f"${rented.usd_per_hour:.2f} an hour of {rented.name} ({rented.price_from})"
    store = prices.store
    kept = f"${store.usd_per_gb_month:g} a GB and month"
    yield f"{kept}, ${store.usd_per_1000_writes:g} for 1,000 writes ({store.price_from})"


def _milli(seconds: float) -> str:
    return f"{1000 * seconds:,.1f} ms"
