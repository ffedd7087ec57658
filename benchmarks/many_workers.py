"""Fetching divided over workers that share no state but a coordinator: python -m benchmarks.many_workers [N [ROUNDS]]

N is the number of pictures. The web answers slowly, so that what workers divide is waiting, which two cores have enough
of. Each worker has a pool and temporary files of its own, as on a machine of its own. The server's log tells whether
any host was asked too much.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from benchmarks.side_by_side import write_section
from harness.cluster import a_free_port, a_job_service, a_pool, a_relay, beam_options
from harness.fetch_only import run, write_corpus
from harness.pictures import a_jpeg
from harness.web import a_web
from harness.web_log import Request, most_in_flight, most_within

NUM_PICTURES, NUM_PACKS, NUM_HOSTS, ROUNDS = 9_000, 8, 1_500, 3
"""Packs are seven windows of requests long: a shorter one mostly waits for its last answers, as no real one does."""
WORKERS = (1, 2, 4)
SLOW_S = 4.0
TRIES = 5
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
    """Return what a web was asked in a build by so many workers, one of each machine.

    The machines lie behind one address, as a service's do, and chance may give two workers to one of them: such a build
    is run again. Raises `RuntimeError` where that happens again and again.
    """
    for _ in range(TRIES):
        requests, started = _built_by(workers, number)
        if set(started) == {2}:  # one is for the question before the build
            return requests
    raise RuntimeError(f"the machines' pools started {started} workers, {TRIES} times unevenly")


def _built_by(workers: int, number: int) -> tuple[Sequence[Request], list[int]]:
    """Return what a web was asked in a build, and how many workers each machine was given."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with a_web(folder, [a_jpeg(seed) for seed in range(20)], latency_s=SLOW_S) as web:
            urls = [web.url(index % NUM_HOSTS, index % 20, index) for index in range(number)]
            limits = {"per_host": PER_HOST, "rate_per_s": RATE_PER_S}
            config = write_corpus(folder / "corpus", urls, num_packs=NUM_PACKS, fetch=limits)
            with machines(folder, workers) as options:
                run([*BUILD, str(config), WITHIN, "--", *options])
        started = [path.read_text().count("Starting worker") for path in folder.glob("pool-*.log")]
        return web.requests(), started


def _row(workers: int, runs: Sequence[Sequence[Request]], alone: float) -> str:
    rates = [_rate(requests) for requests in runs]
    again = max(_robots_asked_again(requests) for requests in runs)
    at_once, within = max(map(most_in_flight, runs)), max(most_within(requests, 1.0) for requests in runs)
    spread = f"{median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
    return f"| {workers} | {at_once} | {within} | {again} | {spread} | {median(rates) / alone:.2f} |"


def _robots_asked_again(requests: Sequence[Request]) -> int:
    robots = [request for request in requests if request.path == "/robots.txt"]
    return len(robots) - len({request.host for request in robots})


def _rate(requests: Sequence[Request]) -> float:
    """Return pictures a second, from the first request for one to the last answer."""
    pictures = [request for request in requests if request.is_picture]
    return len(pictures) / (max(request.answered_s for request in pictures) - pictures[0].arrived_s)


def _main(number: int, rounds: int) -> str:
    runs: dict[int, list[Sequence[Request]]] = {workers: [] for workers in WORKERS}
    for _ in range(rounds):
        for workers in WORKERS:
            runs[workers].append(fetched_by(workers, number))
    alone = median(map(_rate, runs[WORKERS[0]]))
    rows = [_row(workers, of_workers, alone) for workers, of_workers in runs.items()]
    return (
        f"{number:,} pictures of {NUM_HOSTS} hosts whose every answer takes {SLOW_S:g} s, in {NUM_PACKS} packs, built "
        "by `byline build` on Beam's local job service (`byline.pipelines.beam.job_service`). Workers are processes of "
        "one machine with temporary files of their own; all they share of hosts is the coordinator. Limits: "
        f"{PER_HOST} requests to a host at one time, {RATE_PER_S:g} a second. Each number of workers {rounds} times, "
        "in turn: medians (least to most) of the rate, and the worst of what hosts felt.\n\n"
        "| workers | most at one time at a host | most in 1 s at a host | robots.txt asked again | pictures/s | beside "
        "one |\n|---:|---:|---:|---:|---:|---:|\n" + "\n".join(rows)
    )


if __name__ == "__main__":
    pictures = int(sys.argv[1]) if len(sys.argv) > 1 else NUM_PICTURES
    num_rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    command = f"python -m benchmarks.many_workers {' '.join(sys.argv[1:])}".strip()
    write_section("Fetching divided over workers", command, _main(pictures, num_rounds))
