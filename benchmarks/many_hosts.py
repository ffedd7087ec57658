"""Fetching from thousands of hosts; some hang, are busy or lie. python -m benchmarks.many_hosts [HOSTS [ROUNDS]]

The same list is fetched from a healthy web and from a sick one, in turn. The server's log tells whether any host was
asked too much.
"""

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.progress import track

from benchmarks.side_by_side import write_section
from harness.fetch_only import WORKERS, Ran, asked, fetch_command, run, write_corpus
from harness.pictures import a_jpeg
from harness.web import Web, a_web, address_of, kind_of, number_of, retry_after_s
from harness.web_log import TOO_MANY, Request, most_in_flight, most_within, too_early

NUM_HOSTS, ROUNDS = 10_000, 3
BIG_OF_HOSTS = 500
"""One healthy host of so many has `BIG_PICTURES` more, so that the limits of a host are felt."""
BIG_PICTURES = 40
NUM_PICTURES = 20
PICTURE = (320, 240)
LATENCY_S = 0.03
PER_HOST, RATE_PER_S = 2, 10.0
FETCH = {"per_host": PER_HOST, "rate_per_s": RATE_PER_S, "timeout_s": 10.0, "first_byte_s": 3.0}
WINDOW_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """One fetch of the whole list."""

    ran: Ran
    requests: Sequence[Request]
    outcomes: Counter[tuple[str, str]]
    """(How the host behaves, outcome) -> pictures."""

    @property
    def num_fetched(self) -> int:
        """Pictures that came and can be read."""
        return sum(count for (_, outcome), count in self.outcomes.items() if outcome == "fetched")

    @property
    def settled_s(self) -> float:
        """From the first request to the last answer of a host that answers at all."""
        return max(request.answered_s for request in self.requests if request.status) - self.requests[0].arrived_s

    @property
    def while_answering(self) -> float:
        """Images per second until every host had answered that ever would."""
        return self.num_fetched / self.settled_s

    @property
    def whole(self) -> float:
        """Images per second of the whole program, its start and what hangs included."""
        return self.num_fetched / self.ran.wall_s


def _urls(web: Web, num_hosts: int) -> list[str]:
    """Return the list, shuffled: one picture or two of each host, and many of a few."""
    big = [host for host in range(0, num_hosts) if kind_of(host) == "healthy"][::BIG_OF_HOSTS]
    hosts = [host for host in range(num_hosts) for _ in range(1 + host % 2)]
    hosts += [host for host in big for _ in range(BIG_PICTURES)]
    random.Random(0).shuffle(hosts)
    return [web.url(host, number % NUM_PICTURES, number) for number, host in enumerate(hosts)]


def _fetch(num_hosts: int, *, is_sick: bool) -> Result:
    pictures = [a_jpeg(seed, size=PICTURE) for seed in range(NUM_PICTURES)]
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        with a_web(folder, pictures, is_sick=is_sick, latency_s=LATENCY_S) as web:
            config = write_corpus(folder / "ours", _urls(web, num_hosts), num_packs=2 * WORKERS, fetch=FETCH)
            ran = run(fetch_command(config))
        newest = {row["record_id"]: row for row in asked(config)}
        return Result(ran=ran, requests=web.requests(), outcomes=Counter(map(_outcome_of, newest.values())))


def _outcome_of(row: dict[str, object]) -> tuple[str, str]:
    host = number_of(str(row["url"]).split("/")[2].split(":")[0])
    return kind_of(host), str(row["outcome"])


def _row(name: str, results: Sequence[Result]) -> str:
    some = results[-1]
    rates = [_spread([getattr(result, rate) for result in results]) for rate in ("while_answering", "whole")]
    walls = _spread([result.ran.wall_s for result in results])
    hung = sum(request.status == 0 for request in some.requests)
    refused = sum(request.status == TOO_MANY for request in some.requests)
    limits = [max(map(most, results)) for most in (_in_flight, _in_window, _early)]
    cells = [name, f"{some.num_fetched:,} of {sum(some.outcomes.values()):,}", *rates, f"{walls} s"]
    cells += [f"{len(some.requests):,} ({hung:,} hung, {refused:,} refused)", *(f"{limit:,}" for limit in limits)]
    return f"| {' | '.join(cells)} |"


def _in_flight(result: Result) -> int:
    return most_in_flight(result.requests)


def _in_window(result: Result) -> int:
    return most_within(result.requests, WINDOW_S)


def _early(result: Result) -> int:
    waits = {request.host: float(retry_after_s(number_of(request.host))) for request in result.requests}
    return len(too_early(result.requests, waits))


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def _share(sick: Sequence[Result], healthy: Sequence[Result], rate: str) -> str:
    medians = [median(getattr(result, rate) for result in results) for results in (sick, healthy)]
    return f"{medians[0] / medians[1]:.0%}"


def _main(num_hosts: int, rounds: int) -> str:
    healthy, sick = [], []
    for _ in track(range(rounds), description=f"{num_hosts:,} hosts"):
        healthy.append(_fetch(num_hosts, is_sick=False))
        sick.append(_fetch(num_hosts, is_sick=True))
    ill = Counter(kind_of(host) for host in range(num_hosts))
    names = ["web", "pictures that came", "images/s while hosts answer", "images/s, whole program", "wall"]
    names += ["requests", "most at one time at a host", "most in 1 s at a host", "before Retry-After"]
    table = [f"| {' | '.join(names)} |", "|---|" + "---:|" * (len(names) - 1)]
    table += [_row("healthy", healthy), _row("sick", sick)]
    outcomes = [f"{kind}: {outcome} {count:,}" for (kind, outcome), count in sorted(sick[-1].outcomes.items())]
    return (
        f"{num_hosts:,} hosts ({address_of(0)} and on) with a picture or two each, one in {BIG_OF_HOSTS} with "
        f"{BIG_PICTURES} more, in shuffled order; answers come after {LATENCY_S * 1000:.0f} ms. Of the sick web's "
        "hosts "
        + ", ".join(f"{ill[kind]:,} {kind}" for kind in ("hangs", "busy", "html", "short", "cut", "mistyped"))
        + f"; the busy ones answer 429 with Retry-After at first. Limits: {PER_HOST} requests to a host at one time, "
        f"{RATE_PER_S:g} a second; {FETCH['first_byte_s']:g} s to the first byte. The graph of `byline build` up to "
        f"its fetch, {WORKERS} processes, run in turn, {rounds} times; medians (least to most), and the worst run for "
        'what hosts felt. Requests include those for robots.txt and the like. "While hosts answer" is from the first '
        'request to the last answer; "whole program" has its start, and the wait for what hangs.\n\n'
        + "\n".join(table)
        + f"\n\nThe sick web's rate beside the healthy one's: {_share(sick, healthy, 'while_answering')} while hosts "
        f"answer, {_share(sick, healthy, 'whole')} of the whole program.\n\nOutcomes of the last sick run, by how the "
        f"host behaves: {'; '.join(outcomes)}."
    )


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    hosts, rounds = (*numbers, *(NUM_HOSTS, ROUNDS)[len(numbers) :])
    command = f"python -m benchmarks.many_hosts {' '.join(sys.argv[1:])}".strip()
    write_section("Fetching from many hosts", command, _main(hosts, rounds))
