"""What a host says of all that it has is read once by the processes of a run."""

import asyncio
import json
import threading
from collections import Counter, defaultdict
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import pytest

from byline.catalog.corpora.packs import Outcome, read_index
from byline.catalog.disk.storage import Store
from byline.pipelines.beam.build import build
from byline.pipelines.fetching.transport.answers import Answer
from byline.pipelines.fetching.transport.host_table import place_of
from byline.pipelines.fetching.transport.hosts import Hosts
from byline.pipelines.fetching.transport.shared_answers import MAX_OLDER_BYTES
from byline.pipelines.fetching.transport.sharing import SharedHere
from byline.pipelines.fetching.transport.sites import MAX_AGE_S, MAX_SHARED_BYTES, Sites
from tests.builders import a_picture, a_yfcc_line, encoded, write_corpus

ORIGIN = "http://a.example"
FILES = {"/robots.txt": b"User-agent: *\nDisallow: /private/\nContent-Usage: train-ai=n\n", "/tdmrep.json": b"[]"}


class Host:
    """What one host answers, and how often it was asked for what."""

    def __init__(self, *, status=200, robots=FILES["/robots.txt"]):
        self.status, self.robots, self.asked = status, robots, Counter()

    async def read(self, url):
        self.asked[url.rpartition("/")[2]] += 1
        await asyncio.sleep(0.02)
        body = self.robots if url.endswith("robots.txt") else FILES["/tdmrep.json"]
        return self.status, Answer(body=body, status=self.status)


def _learn(host, folder, *, times=1, origin=ORIGIN):
    """Return the site as each of several processes sees it, all at once."""

    async def all_at_once():
        hosts = Hosts(per_host=1, rate_per_s=None, folder=folder / "hosts")
        processes = [Sites(host.read, SharedHere(hosts, folder)) for _ in range(times)]
        return await asyncio.gather(*(sites.of(origin) for sites in processes))

    return asyncio.run(all_at_once())


def test_processes_at_once_and_later_ones_ask_once_in_all(tmp_path):
    host = Host()
    sites = [*_learn(host, tmp_path, times=4), *_learn(host, tmp_path)]
    assert host.asked == {"robots.txt": 1, "tdmrep.json": 1}
    assert {site.signals(f"{ORIGIN}/a.jpg") for site in sites} == {(("robots.txt", "Content-Usage: train-ai=n"),)}
    assert {site.robots.allows(f"{ORIGIN}/private/a.jpg") for site in sites} == {False}


def test_what_one_host_says_is_not_taken_for_another(tmp_path):
    host = Host()
    _learn(host, tmp_path)
    _learn(host, tmp_path, origin="https://a.example")
    assert host.asked["robots.txt"] == 2


def test_a_host_that_failed_is_asked_again_by_the_next(tmp_path):
    host = Host(status=500)
    (site,) = _learn(host, tmp_path)
    assert site.problem.outcome == Outcome.SERVER_ERROR
    host.status = 200
    (site,) = _learn(host, tmp_path)
    assert site.problem is None


def _in_one_slot(number):
    """Return origins whose answers lie in one file."""
    by_slot = defaultdict(list)
    for index in count():
        origin = f"http://{index}.example"
        slot = by_slot[place_of(origin)[0]]
        slot.append(origin)
        if len(slot) == number:
            return slot


def test_hosts_that_share_a_file_do_not_displace_each_other(tmp_path):
    host, origins = Host(), _in_one_slot(3)
    for origin in [*origins, *origins]:
        (site,) = _learn(host, tmp_path, origin=origin)
        assert not site.robots.allows(f"{origin}/private/a.jpg")
    assert len(list((tmp_path / "sites").iterdir())) == 1
    assert host.asked == {"robots.txt": 3, "tdmrep.json": 3}


def test_a_file_keeps_the_youngest_answers_up_to_a_size(tmp_path):
    host, origins = Host(robots=FILES["/robots.txt"] + b"#" * (MAX_OLDER_BYTES // 2)), _in_one_slot(3)
    for origin in [*origins, origins[2], origins[1]]:
        _learn(host, tmp_path, origin=origin)
    assert host.asked["robots.txt"] == 3
    _learn(host, tmp_path, origin=origins[0])
    assert host.asked["robots.txt"] == 4
    (path,) = (tmp_path / "sites").iterdir()
    assert path.stat().st_size < 2 * MAX_OLDER_BYTES


@pytest.mark.parametrize("harm", ["old", "torn", "empty", "odd", "other"])
def test_what_is_old_or_damaged_is_asked_for_again(tmp_path, harm):
    host = Host()
    _learn(host, tmp_path)
    (path,) = (tmp_path / "sites").iterdir()
    kept = json.loads(path.read_bytes())
    harmed = {
        "old": json.dumps({**kept, "at_s": kept["at_s"] - MAX_AGE_S}),
        "torn": path.read_text()[:-20],
        "empty": "",
        "odd": "[1]",
        "other": json.dumps({**kept, "found": {"robots": 1}}),
    }
    path.write_text(harmed[harm])
    (site,) = _learn(host, tmp_path)
    assert (host.asked["robots.txt"], site.robots.allows(f"{ORIGIN}/private/a.jpg")) == (2, False)


def test_long_files_are_obeyed_and_not_kept(tmp_path):
    host = Host(robots=FILES["/robots.txt"] + b"#" * MAX_SHARED_BYTES)
    sites = [*_learn(host, tmp_path), *_learn(host, tmp_path)]
    assert host.asked["robots.txt"] == 2
    assert not any(site.robots.allows(f"{ORIGIN}/private/a.jpg") for site in sites)
    assert [path.stat().st_size for path in (tmp_path / "sites").iterdir()] == [0]


def test_every_byte_comes_back(tmp_path):
    host = Host(robots=bytes(range(256)) + b"\nUser-agent: *\nDisallow: /private/\n")
    (first,), (second,) = _learn(host, tmp_path), _learn(host, tmp_path)
    assert host.asked["robots.txt"] == 1
    urls = [f"{ORIGIN}/private/a.jpg", f"{ORIGIN}/b.jpg"]
    assert [first.robots.allows(url) for url in urls] == [second.robots.allows(url) for url in urls] == [False, True]


class _CountingHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked[self.path] += 1
        body = b"User-agent: *\nDisallow: /private/\n" if self.path == "/robots.txt" else self.server.picture
        self.send_response(404 if "well-known" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def _a_counting_server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _CountingHandler)
    server.daemon_threads, server.asked, server.picture = True, Counter(), encoded(a_picture(1))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", server.asked
    server.shutdown()
    server.server_close()


@pytest.mark.beam
@pytest.mark.slow
def test_a_build_of_four_packs_in_two_processes_asks_a_host_for_its_robots_txt_once(tmp_path):
    with _a_counting_server() as (base, asked):
        lines = [a_yfcc_line(str(number), f"{base}/{number}.jpg") for number in range(40)]
        lines.append(a_yfcc_line("40", f"{base}/private/40.jpg"))
        config = write_corpus(tmp_path, lines, num_packs=4)
        build(str(config), workers=2)
    store = Store(str(tmp_path / "corpus"))
    outcomes = Counter(
        outcome for pack in range(4) for outcome in read_index(store, f"test-{pack:05d}")["outcome"].to_pylist()
    )
    assert outcomes == {"fetched": 40, "disallowed": 1}
    assert (asked["/robots.txt"], asked["/.well-known/tdmrep.json"]) == (1, 1)
