"""DNS that takes its time or never answers, with the whole fetcher: what becomes of its hosts, and of all others."""

import asyncio
import socket
import time
from collections import Counter
from urllib.parse import urlsplit

import pytest
from aiohttp.abc import AbstractResolver

from byline.catalog.corpora.packs import Outcome
from byline.catalog.disk.storage import Store
from byline.pictures.config import PixelConfig
from byline.pipelines.beam.stages.fetch import Fetching
from byline.pipelines.fetching.journal import Journal
from byline.pipelines.fetching.transport import HttpTransport
from tests.builders import a_fetch_config, a_picture, a_server, encoded, shared_in

pytestmark = pytest.mark.slow

FIRST_BYTE_S = 4.0
"""Long beside what a busy machine takes for hosts that answer at once."""
NEVER, LATE, AT_ONCE = "never.example", "late.example", "good.example"


class SlowResolver(AbstractResolver):
    """Names of every host below `never.example` are not answered, below `late.example` after `late_s`, else at once."""

    def __init__(self, late_s):
        self.late_s = late_s

    async def resolve(self, host, port=0, family=socket.AF_INET):
        if host.endswith(NEVER):
            await asyncio.Event().wait()
        if host.endswith(LATE):
            await asyncio.sleep(self.late_s)
        return [dict(hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0)]  # noqa: C408

    async def close(self):
        pass


class BlockingResolver(SlowResolver):
    """As the system's resolver: a lookup takes a thread of the loop, and giving up on it does not give it back."""

    async def resolve(self, host, port=0, family=socket.AF_INET):
        blocks_s = self.late_s if host.endswith(NEVER) else 0.0
        await asyncio.get_running_loop().run_in_executor(None, time.sleep, blocks_s)
        return await super().resolve(host.replace(NEVER, AT_ONCE), port, family)


def _fetch(folder, urls, resolver):
    """Fetch as a pack is fetched; return (URL, outcome, message) of every row, and seconds from the start to each."""
    began, seconds, rows = time.monotonic(), [], []
    requests = [{"record_id": f"test:{number:05}", "url": url, "held": None} for number, url in enumerate(urls)]
    journal = Journal(Store(str(folder / "corpus")), "test-00000")
    fetching = Fetching(requests, PixelConfig(), journal, rows.extend, lambda _: None)
    config = a_fetch_config(first_byte_s=FIRST_BYTE_S, timeout_s=3 * FIRST_BYTE_S)

    async def ask():
        async with HttpTransport(config, resolver=resolver, shared=shared_in(folder / "hosts", config)) as transport:
            attempt = transport.attempt

            async def timed(url, known=None):
                answer = await attempt(url, known)
                seconds.append((urlsplit(url).hostname, time.monotonic() - began))
                return answer

            transport.attempt = timed
            await fetching.run(transport, config)

    asyncio.run(ask())
    return [(row["url"], row["outcome"], row.get("error_message")) for row, _, _ in rows], seconds


def _outcomes(rows, name):
    return Counter(outcome for url, outcome, _ in rows if urlsplit(url).hostname.endswith(name))


def _last_s(seconds, name):
    return max(at_s for host, at_s in seconds if host.endswith(name))


@pytest.fixture
def port():
    """Serve one picture under many paths, and give the port."""
    answers = {f"/{number}.jpg": (200, "image/jpeg", encoded(a_picture(1))) for number in range(20)}
    with a_server(answers) as (base, _):
        yield base.rpartition(":")[2]


def test_a_name_that_is_never_answered_is_a_timeout_within_its_limit(tmp_path, port):
    rows, seconds = _fetch(tmp_path, [f"http://{NEVER}:{port}/{number}.jpg" for number in range(20)], SlowResolver(0))
    assert _outcomes(rows, NEVER) == {Outcome.TIMEOUT: 20}
    assert {message for _, _, message in rows} == {f"robots.txt: no answer in {FIRST_BYTE_S:g} s"}
    assert _last_s(seconds, NEVER) < 2 * FIRST_BYTE_S, "asked once for all its URLs"


def test_names_that_are_never_answered_hold_up_no_other_host(tmp_path, port):
    urls = [f"http://{number}.{NEVER}:{port}/0.jpg" for number in range(120)]
    urls += [f"http://{number}.{AT_ONCE}:{port}/{number}.jpg" for number in range(20)]
    rows, seconds = _fetch(tmp_path, urls, SlowResolver(0))
    assert (_outcomes(rows, NEVER), _outcomes(rows, AT_ONCE)) == ({Outcome.TIMEOUT: 120}, {Outcome.FETCHED: 20})
    assert _last_s(seconds, AT_ONCE) < FIRST_BYTE_S


def test_a_name_that_is_answered_late_but_within_the_limit_is_fetched(tmp_path, port):
    urls = [f"http://{LATE}:{port}/{number}.jpg" for number in range(20)]
    rows, _ = _fetch(tmp_path, urls, SlowResolver(FIRST_BYTE_S / 2))
    assert _outcomes(rows, LATE) == {Outcome.FETCHED: 20}


def test_lookups_of_the_system_that_were_given_up_hold_up_no_other_host(tmp_path, port):
    urls = [f"http://{number}.{NEVER}:{port}/0.jpg" for number in range(120)]
    urls += [f"http://{number}.{AT_ONCE}:{port}/{number}.jpg" for number in range(20)]
    rows, seconds = _fetch(tmp_path, urls, BlockingResolver(2 * FIRST_BYTE_S))
    assert (_outcomes(rows, NEVER), _outcomes(rows, AT_ONCE)) == ({Outcome.TIMEOUT: 120}, {Outcome.FETCHED: 20})
    assert _last_s(seconds, AT_ONCE) < FIRST_BYTE_S
