"""Hours that a plan tells from a sample, and that builds then take: python -m benchmarks.cluster_plan [RECORDS]

One web answers at once with large pictures, so that processors are what workers divide: measured is the processor time
of each stage, over the workers, since this machine may have other work. The other web answers slowly, so that waiting
is what they divide: measured is the time in which requests for pictures were under way, by the web's own log.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.side_by_side import write_section
from byline.catalog.corpora.builds import FETCH, MEASURE, PROCESSOR_MS, done_by_builds
from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.rights.plans.clusters.cluster_plan import plan_cluster
from byline.pipelines.rights.plans.clusters.costs import WorkCost
from byline.pipelines.rights.plans.clusters.prices import read_prices
from byline.pipelines.rights.plans.planning import make_plan
from harness.fetch_only import run, write_corpus
from harness.pictures import a_jpeg
from harness.web import Web, a_web
from harness.web_log import Request

NUM_RECORDS, SAMPLED = 4_800, 4
"""The sample is one in so many."""
NUM_HOSTS, NUM_PACKS, NUM_PICTURES = 100, 8, 20
SLOW_S, SLOW_HOSTS, SLOW_PACKS = 2.0, 40, 4
SLOW_FETCH = {"per_host": 16}
"""Enough for four workers: 640 requests under way."""
WORKERS, WAITING_WORKERS = (1, 2), (1, 2, 4)


def _corpus(folder: Path, web: Web, number: int) -> Path:
    return write_corpus(folder, _urls(web, number, NUM_HOSTS), num_packs=NUM_PACKS)


def _slow_corpus(folder: Path, web: Web, number: int) -> Path:
    return write_corpus(folder, _urls(web, number, SLOW_HOSTS), num_packs=SLOW_PACKS, fetch=SLOW_FETCH)


def _urls(web: Web, number: int, num_hosts: int) -> list[str]:
    return [web.url(serial % num_hosts, serial % NUM_PICTURES, serial) for serial in range(number)]


def _build(config: Path, workers: int) -> None:
    run([sys.executable, "-m", "byline.cli.main", "build", str(config), f"--workers={workers}"])


def _told(config: Path, records: int, workers: int) -> WorkCost:
    made, policy = load_corpus_config(str(config))
    plan = make_plan(made, policy)
    return plan_cluster(made, plan, {}, workers=workers, records=records, prices=read_prices(None)).works[2]


def _row(what: str, workers: int, told_s: float, took_s: float) -> str:
    row = f"| {what} | {workers} | {told_s:.1f} s | {took_s:.1f} s | {told_s / took_s:.2f} |"
    print(row, flush=True)
    return row


def of_processors(number: int) -> Iterator[str]:
    """Yield rows of processor time by stage."""
    with (
        tempfile.TemporaryDirectory() as name,
        a_web(Path(name), [a_jpeg(seed) for seed in range(NUM_PICTURES)]) as web,
    ):
        sample = _corpus(Path(name) / "sample", web, number // SAMPLED)
        _build(sample, 1)
        for workers in WORKERS:
            whole = _corpus(Path(name) / f"by-{workers}", web, number)
            _build(whole, workers)
            _, done = next(done_by_builds(load_corpus_config(str(whole))[0].store))
            for stage in (FETCH, MEASURE):
                hours = next(cost.hours for cost in _told(sample, number, workers).stages if cost.stage == stage)
                assert hours is not None
                yield _row(stage, workers, 3600 * hours, done[f"{PROCESSOR_MS}{stage}"] / 1000 / workers)


def of_waiting(number: int) -> Iterator[str]:
    """Yield rows of the time that a slow web took."""
    pictures = [a_jpeg(seed, size=(64, 48)) for seed in range(NUM_PICTURES)]
    with tempfile.TemporaryDirectory() as name, a_web(Path(name), pictures, latency_s=SLOW_S) as web:
        sample = _slow_corpus(Path(name) / "sample", web, number // SAMPLED)
        _build(sample, 1)
        for workers in WAITING_WORKERS:
            before = len(web.requests())
            _build(_slow_corpus(Path(name) / f"by-{workers}", web, number), workers)
            took_s = _under_way_s(request for request in web.requests()[before:] if request.is_picture)
            hours = _told(sample, number, workers).stages[0].hours
            assert hours is not None
            yield _row(f"fetch, answers after {SLOW_S:g} s", workers, 3600 * hours, took_s)


def _under_way_s(requests: Iterable[Request]) -> float:
    """Return the seconds in which at least one request was under way."""
    total, until = 0.0, 0.0
    for request in sorted(requests):
        total += max(0.0, request.answered_s - max(until, request.arrived_s))
        until = max(until, request.answered_s)
    return total


if __name__ == "__main__":
    records = int(sys.argv[1]) if sys.argv[1:] else NUM_RECORDS
    rows = [*of_processors(records), *of_waiting(records)]
    head = "| what | workers | plan | build | plan by build |\n|---|---:|---:|---:|---:|\n"
    text = (
        f"`byline plan --cluster N --records {records}` of a corpus of {records // SAMPLED:,} records that one worker "
        f"built, beside builds of {records:,} records of {NUM_HOSTS} hosts in {NUM_PACKS} packs: processor time over "
        f"the workers. Rows of slow answers are of as many records of {SLOW_HOSTS} hosts in {SLOW_PACKS} packs: the "
        "time in which requests for pictures were under way, by the hosts' log.\n\n"
    )
    write_section(
        "Plans for workers",
        f"python -m benchmarks.cluster_plan {' '.join(sys.argv[1:])}".strip(),
        text + head + "\n".join(rows),
    )
