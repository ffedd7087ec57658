"""Fetching divided over workers that share no state but the coordinator: python -m benchmarks.many_workers [PICTURES]

The web answers slowly, so that what workers divide is waiting, which two cores have enough of. Each worker has a pool
and temporary files of its own, as on a machine of its own. The server's log tells whether any host was asked too much.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.side_by_side import write_section
from harness.cluster import a_free_port, a_job_service, a_pool, a_relay, beam_options
from harness.fetch_only import run, write_corpus
from harness.pictures import a_jpeg
from harness.web import a_web
from harness.web_log import Request, most_in_flight, most_within

NUM_PICTURES, NUM_PACKS, NUM_HOSTS = 3_000, 8, 500
WORKERS = (1, 2, 4)
SLOW_S = 4.0
PER_HOST, RATE_PER_S = 2, 10.0
BUILD = [sys.executable, "-m", "byline.cli.main", "build"]
WITHIN = "--workers-within=600"


@contextmanager
def machines(folder: Path, number: int) -> Iterator[list[str]]:
    """Run Beam's job service and so many pools, each with temporary files of its own, and give Beam's options."""
    runner, front, ports = a_free_port(), a_free_port(), [a_free_port() for _ in range(number)]
    with ExitStack() as stack:
        stack.enter_context(a_job_service(runner, folder / "service.log"))
        for port in ports:
            temporary = folder / f"machine-{port}"
            temporary.mkdir()
            log = folder / f"pool-{port}.log"
            stack.enter_context(a_pool(port, log, environment={"TMPDIR": str(temporary)}))
        stack.enter_context(a_relay(front, [f"127.0.0.1:{port}" for port in ports], folder / "relay.log"))
        yield [*beam_options(f"localhost:{runner}", f"localhost:{front}"), f"--direct_num_workers={number}"]


def fetched_by(workers: int, number: int) -> Sequence[Request]:
    """Return what a web was asked in a build by so many workers. Raises `RuntimeError` where one was not at work."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with a_web(folder, [a_jpeg(seed) for seed in range(20)], latency_s=SLOW_S) as web:
            urls = [web.url(index % NUM_HOSTS, index % 20, index) for index in range(number)]
            limits = {"per_host": PER_HOST, "rate_per_s": RATE_PER_S}
            config = write_corpus(folder / "corpus", urls, num_packs=NUM_PACKS, fetch=limits)
            with machines(folder, workers) as options:
                run([*BUILD, str(config), WITHIN, "--", *options])
        started = [path.read_text().count("Starting worker") for path in folder.glob("pool-*.log")]
        if len(started) != workers or min(started) < 2:  # one is for the question before the build
            raise RuntimeError(f"the pools started {started} workers")
        return web.requests()


def _row(workers: int, requests: Sequence[Request], alone: float) -> str:
    robots = [request for request in requests if request.path == "/robots.txt"]
    again = len(robots) - len({request.host for request in robots})
    most = [most_in_flight(requests), most_within(requests, 1.0), again]
    return f"| {workers} | {_rate(requests):,.0f} | {_rate(requests) / alone:.2f} | {' | '.join(map(str, most))} |"


def _rate(requests: Sequence[Request]) -> float:
    """Return pictures a second, from the first request for one to the last answer."""
    pictures = [request for request in requests if request.is_picture]
    return len(pictures) / (max(request.answered_s for request in pictures) - pictures[0].arrived_s)


def _main(number: int) -> str:
    runs = {workers: fetched_by(workers, number) for workers in WORKERS}
    rows = [_row(workers, requests, _rate(runs[WORKERS[0]])) for workers, requests in runs.items()]
    return (
        f"{number:,} pictures of {NUM_HOSTS} hosts whose every answer takes {SLOW_S:g} s, in {NUM_PACKS} packs, built "
        "by `byline build` on Beam's local job service (`byline.pipelines.beam.job_service`). Workers are processes of "
        "one machine with temporary files of their own; all they share of hosts is the coordinator. Limits: "
        f"{PER_HOST} requests to a host at one time, {RATE_PER_S:g} a second. Each number of workers once.\n\n"
        "| workers | pictures/s | beside one | most at one time at a host | most in 1 s at a host | robots.txt asked "
        "twice |\n|---:|---:|---:|---:|---:|---:|\n" + "\n".join(rows)
    )


if __name__ == "__main__":
    pictures = int(sys.argv[1]) if len(sys.argv) > 1 else NUM_PICTURES
    command = f"python -m benchmarks.many_workers {' '.join(sys.argv[1:])}".strip()
    write_section("Fetching divided over workers", command, _main(pictures))
