"""What stands between requests and segments: whose turn it is, what is kept of a killed run, bytes that are held."""

import asyncio
import os
import time
from collections import Counter

import pytest

from byline.catalog.corpora.packs import Outcome
from byline.catalog.digests import sha256_hex
from byline.catalog.disk.storage import Store
from byline.pipelines.fetching.held import read_held
from byline.pipelines.fetching.journal import Journal
from byline.pipelines.fetching.queue import answer_all
from byline.pipelines.fetching.transport import Answer, HttpTransport, NotYetError
from tests.builders import a_fetch_config


def _asked(hosts, ask, *, window=8, per_host=2, retries=1):
    """Return the answers by place, and when each came."""
    answers, times, began = {}, {}, time.monotonic()

    async def use(place, answer):
        answers[place], times[place] = answer, time.monotonic() - began

    asyncio.run(answer_all(hosts, ask, use, window=window, per_host=per_host, retries=retries))
    return answers, times


def test_no_host_has_more_requests_under_way_than_its_share():
    hosts = ["a", "b", "a", "a", "b", "a", "c"] * 5
    under_way, most = Counter(), Counter()

    async def ask(place):
        host = hosts[place]
        under_way[host] += 1
        most[host] = max(most[host], under_way[host])
        await asyncio.sleep(0.001)
        under_way[host] -= 1
        return Answer(body=b"x")

    answers, _ = _asked(hosts, ask)
    assert sorted(answers) == list(range(len(hosts)))
    assert most == {"a": 2, "b": 2, "c": 2}


def test_a_host_that_rests_holds_up_no_other():
    rested = []

    async def ask(place):
        if place == 0 and not rested:
            rested.append(place)
            raise NotYetError(0.3)
        return Answer(body=b"x")

    answers, times = _asked(["slow", "a", "b"], ask, window=1)
    assert len(answers) == 3
    assert list(answers)[-1] == 0
    assert times[0] >= 0.3


def test_a_host_that_rests_holds_up_no_other_whose_redirect_leads_there():
    led = set()

    async def ask(place):
        if place in (0, 1) and place not in led:
            led.add(place)
            raise NotYetError(0.3, host="slow")
        return Answer(body=b"x")

    answers, times = _asked(["a", "b", "a", "b", "c"], ask, window=1)
    assert len(answers) == 5
    assert max(times[2], times[3], times[4]) < 0.3 <= min(times[0], times[1])


def test_an_answer_that_may_pass_counts_after_the_retries():
    refused = Answer(outcome=Outcome.SERVER_ERROR, message="HTTP 429")
    asked = Counter()

    async def ask(place):
        asked[place] += 1
        raise NotYetError(0.001, refused)

    answers, _ = _asked(["a"], ask, retries=2)
    assert (answers[0], asked[0]) == (refused, 3)


def test_what_asking_raises_ends_all():
    async def ask(place):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _asked(["a", "b"], ask)


def _row(name, data):
    row = {"record_id": name, "url": f"http://x/{name}", "key": sha256_hex(data), "outcome": Outcome.FETCHED}
    return row, data, None


def test_a_journal_gives_what_a_killed_process_wrote(tmp_path):
    store = Store(str(tmp_path))
    Journal(store, "p").add([_row("s:1", b"one"), _row("s:2", b"two")])
    journal = Journal(store, "p")
    journal.add([_row("s:3", b"three")])
    asked = [("s:3", "http://x/s:3"), ("s:1", "http://x/s:1")]
    assert [(row["record_id"], stored) for row, stored, _ in journal.read(asked)] == [
        ("s:3", b"three"),
        ("s:1", b"one"),
    ]
    assert ("s:1", "http://elsewhere") not in journal
    journal.remove()
    assert Journal(store, "p").places == {}


def test_a_damaged_journal_is_as_if_it_had_not_been_written(tmp_path):
    store = Store(str(tmp_path))
    Journal(store, "p").add([_row("s:1", b"one")])
    (path,) = (tmp_path / "fetching/p").iterdir()
    path.write_bytes(path.read_bytes()[:50])
    journal = Journal(store, "p")
    journal.add([_row("s:2", b"two")])
    assert [asked[0] for asked in journal.places] == ["s:2"]


def test_held_bytes_are_read_from_a_file_and_from_a_member(tmp_path):
    path = tmp_path / "a#b.tar"
    path.write_bytes(b"0123456789")
    assert read_held(str(path), max_bytes=100).body == b"0123456789"
    assert read_held(f"{path}#3+4", max_bytes=100).body == b"3456"


def test_what_is_not_held_any_longer_is_an_outcome(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"0123456789")
    os.mkfifo(tmp_path / "pipe")
    outcomes = {
        f"{path}#8+4": Outcome.DAMAGED,
        f"{path}#0+99": Outcome.TOO_LARGE,
        str(tmp_path / "none"): Outcome.UNREACHABLE,
        str(tmp_path / "pipe"): Outcome.UNREACHABLE,
        str(tmp_path): Outcome.UNREACHABLE,
    }
    assert {held: read_held(held, max_bytes=50).outcome for held in outcomes} == outcomes


def _served(answer_of, scenario, **overrides):
    """Run a scenario against a server of a few lines; return what came of it and when each picture was asked for."""
    asked = []

    async def serve(reader, writer):
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        if path == "/robots.txt" and path not in answer_of:
            head = "HTTP/1.1 404 Not Found"
        else:
            asked.append((path, time.monotonic()))
            head = answer_of.get(path, ["HTTP/1.1 404 Not Found"])
            head = head.pop(0) if len(head) > 1 else head[0]
        body = b"User-agent: byline\nDisallow: /private/\n" if path == "/robots.txt" else b"abc"
        writer.write(f"{head}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async def whole():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, HttpTransport(a_fetch_config(**overrides)) as transport:
            return await scenario(transport, base)

    return asyncio.run(whole()), [one for one in asked if "well-known" not in one[0] and one[0] != "/robots.txt"]


OK = "HTTP/1.1 200 OK"


def test_retry_after_is_waited_for_and_asked_once_more():
    heads = {"/a.jpg": ["HTTP/1.1 429 Slow\r\nRetry-After: 1", OK]}
    answer, asked = _served(heads, lambda transport, base: transport.get(f"{base}/a.jpg"), retries=1)
    (_, first), (_, second) = asked
    assert answer.body == b"abc"
    assert second - first >= 1.0


def test_who_opts_out_is_not_asked_again():
    heads = {"/a.jpg": ["HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nX-Robots-Tag: noai", OK]}
    answer, asked = _served(heads, lambda transport, base: transport.get(f"{base}/a.jpg"), retries=3)
    assert answer.outcome == Outcome.SERVER_ERROR
    assert len(asked) == 1


def test_a_longer_rest_than_we_wait_is_left_to_a_later_build():
    heads = {"/a.jpg": ["HTTP/1.1 429 Slow\r\nRetry-After: 600", OK]}
    answer, asked = _served(heads, lambda transport, base: transport.get(f"{base}/a.jpg"), retries=3)
    assert (answer.outcome, answer.message, len(asked)) == (Outcome.SERVER_ERROR, "HTTP 429", 1)


def test_what_robots_txt_forbids_is_not_asked_for():
    async def both(transport, base):
        return [(await transport.get(f"{base}{path}")).outcome for path in ("/private/a.jpg", "/a.jpg")]

    outcomes, asked = _served({"/robots.txt": [OK], "/a.jpg": [OK], "/private/a.jpg": [OK]}, both)
    assert outcomes == [Outcome.DISALLOWED, Outcome.FETCHED]
    assert [path for path, _ in asked] == ["/a.jpg"]


def test_a_robots_txt_that_fails_forbids_all_for_now():
    heads = {"/robots.txt": ["HTTP/1.1 500 Ill"], "/a.jpg": [OK]}
    answer, asked = _served(heads, lambda transport, base: transport.get(f"{base}/a.jpg"))
    assert (answer.outcome, answer.message, asked) == (Outcome.SERVER_ERROR, "robots.txt: HTTP 500", [])
