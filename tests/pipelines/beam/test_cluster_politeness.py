"""Workers that share nothing but a bucket and their build ask hosts as one machine does, by the hosts' own logs."""

import re
import subprocess
import sys
from collections import Counter, defaultdict
from contextlib import ExitStack, contextmanager
from io import StringIO

import pytest
from rich.console import Console

from byline.catalog.corpora.records import pack_of
from byline.pipelines.beam.build import build
from byline.pipelines.fetching.coordination import server
from byline.pipelines.releases.verify import verify
from harness.cluster import a_free_port, a_job_service, a_pool, a_relay, beam_options, networks
from harness.fetch_only import write_corpus
from harness.web_log import most_in_flight, most_within, too_early
from tests.buckets import s3_bucket
from tests.pipelines.beam.clusters import WITHIN_S, built, command, needs_root
from tests.pipelines.beam.polite_web import Host, serving
from tests.pipelines.beam.test_workers import until

pytestmark = [pytest.mark.beam, pytest.mark.slow, needs_root]
PER_HOST, RATE_PER_S, REST_S = 2, 20.0, 3
FETCH = {"per_host": PER_HOST, "rate_per_s": RATE_PER_S, "allow": ["10.0.0.0/8"]}
NUM_PACKS = 4
SECRET = "5ec2e7" * 10
GOES_ON = "run the same command again, and it goes on from what is kept"


@contextmanager
def pools(folder, here, apart):
    """Run Beam's job service here, and a pool in each network; give Beam's options for a worker in each."""
    runner, pool, front = a_free_port(), a_free_port(), a_free_port()
    with ExitStack() as stack:
        stack.enter_context(a_job_service(runner, folder / "service.log", network=here))
        for place, network in enumerate(apart):
            stack.enter_context(a_pool(pool, folder / f"pool-{place}.log", network=network))
        stack.enter_context(a_relay(front, [f"{one.address}:{pool}" for one in apart], folder / "relay.log"))
        yield [*beam_options(f"localhost:{runner}", f"localhost:{front}"), f"--direct_num_workers={len(apart)}"]


def _urls(hosts, pictures):
    """Return the URLs of so many pictures of each host, the hosts in turn."""
    order = [(number, place) for place, number_of in enumerate(pictures) for number in range(number_of)]
    return [f"{hosts[place].url}/{number}.jpg" for number, place in sorted(order)]


@pytest.mark.parametrize("num_workers", [1, 2, 4])
def test_hosts_are_asked_by_all_workers_together_as_by_one(tmp_path, monkeypatch, num_workers):
    monkeypatch.setattr(server, "new_secret", lambda: SECRET)
    slow, busy, *fast = hosts = [Host(latency_s=1.0), Host(rest_s=REST_S), *(Host() for _ in range(4))]
    said = StringIO()
    with (
        networks(num_workers, [tmp_path]) as (here, apart),
        serving(here.address, hosts),
        s3_bucket(monkeypatch, f"polite-{num_workers}", here.address) as bucket,
        pools(tmp_path, here, apart) as options,
    ):
        urls = _urls(hosts, [16, 12, 12, 12, 12, 12])
        config = write_corpus(tmp_path, urls, num_packs=NUM_PACKS, fetch=FETCH, root=f"{bucket}/corpus")
        console = Console(file=said)
        there = {"coordinator": here.address, "workers_within_s": WITHIN_S}
        release = build(str(config), beam_args=options, console=console, **there)
        assert list(verify(release)) == []
    assert sum((host.clients for host in hosts), start=Host().clients).keys() == {one.address for one in apart}

    requests = [request for host in hosts for request in host.requests]
    assert most_in_flight(requests) <= PER_HOST
    assert most_within(requests, 1.0) <= RATE_PER_S + 2  # one for the fence post, one for late clocks
    for host in hosts:
        assert [len(host.asked(file)) for file in ("/robots.txt", "/tdmrep.json")] == [1, 1]
    early = too_early(busy.requests, {busy.url: float(REST_S)})
    assert len(early) < PER_HOST, "only a request that was under way cannot know"
    assert sorted(len(host.asked(".jpg")) for host in (slow, *fast)) == [12, 12, 12, 12, 16]
    assert 12 < len(busy.asked(".jpg")) <= 12 + PER_HOST

    answered = {f"{one.host}{one.path}": one.answered_s for one in requests}
    last = defaultdict(Counter)
    for place, url in enumerate(urls):
        pack = last[pack_of(f"web:{place:08d}", source="web", num_packs=NUM_PACKS)]
        kind = "slow" if url.startswith(slow.url) else "busy" if url.startswith(busy.url) else "fast"
        pack[kind] = max(pack[kind], answered[url])
    assert all(pack["fast"] < pack["slow"] for pack in last.values()), "no fast host waits behind a slow one"

    logs = [path.read_text(errors="replace") for path in tmp_path.glob("*.log")]
    assert len(logs) == num_workers + 2
    assert not any(SECRET in text for text in [*logs, said.getvalue()])


def test_a_coordinator_that_workers_do_not_reach_is_told_before_anything_is_done(tmp_path, monkeypatch):
    with (
        networks(1, [tmp_path]) as (here, apart),
        s3_bucket(monkeypatch, "unreached", here.address) as bucket,
        pools(tmp_path, here, apart) as options,
    ):
        config = write_corpus(tmp_path, ["http://127.0.0.1:9/0.jpg"], num_packs=1, root=f"{bucket}/corpus")
        there = ["--coordinator", "127.0.0.1", "--workers-within", WITHIN_S, "--", *options]
        done = command("build", config, *there)
    assert done.returncode == 2
    (told,) = done.stderr.splitlines()
    assert re.fullmatch(
        r"byline: worker \S+ cannot reach the coordinator of hosts \(127.0.0.1:\d+: .*\); "
        "name an address of the machine that builds, as workers reach it: --coordinator HOST:PORT",
        told,
    )


def test_a_coordinator_that_goes_away_is_told_and_the_build_goes_on(tmp_path, monkeypatch):
    """The worker reaches it through a third machine, which is switched off."""
    (host,) = hosts = [Host(latency_s=0.5)]
    with (
        networks(2, [tmp_path]) as (here, apart),
        serving(here.address, hosts),
        s3_bucket(monkeypatch, "cut", here.address) as bucket,
        pools(tmp_path, here, apart[:1]) as options,
    ):
        config = write_corpus(tmp_path, _urls(hosts, [16]), num_packs=2, fetch=FETCH, root=f"{bucket}/corpus")
        port = a_free_port()
        through = ["--coordinator", f"{apart[1].address}:{port}", "--", *options]
        with a_relay(port, [f"{here.address}:{port}"], tmp_path / "third.log", network=apart[1]):
            within = f"--workers-within={WITHIN_S}"
            run = [sys.executable, "-m", "byline.cli.main", "build", str(config), within, *through]
            building = subprocess.Popen(run, stderr=subprocess.PIPE, text=True)
            until(lambda: len(host.asked(".jpg")) > 3)
        _, said = building.communicate(timeout=300)
        assert building.returncode == 2
        told = [line for line in said.splitlines() if line.startswith("byline: ")]
        assert len(told) == 1
        assert re.match(
            rf"byline: the coordinator of hosts at {apart[1].address}:{port}, .* went away; {GOES_ON}", told[0]
        )
        with a_relay(port, [f"{here.address}:{port}"], tmp_path / "third.log", network=apart[1]):
            release = built(config, *through)
        assert list(verify(release)) == []
    assert most_in_flight(host.requests) <= PER_HOST
