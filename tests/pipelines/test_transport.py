import asyncio

import pytest

from catalog.packs import Outcome
from pipelines.transport import HttpTransport
from tests.builders import a_server


def _get(url, **overrides):
    async def ask():
        async with HttpTransport(**{"timeout_s": 0.5, "max_bytes": 1000, **overrides}) as transport:
            return await transport.get(url)

    return asyncio.run(ask())


def test_a_body_arrives_whole():
    with a_server({"/a": (200, "image/png", b"abc")}) as (base, _):
        assert _get(f"{base}/a").body == b"abc"


@pytest.mark.parametrize(
    ("path", "outcome", "message"),
    [
        ("/none", Outcome.HTTP_ERROR, "HTTP 404"),
        ("/sorry", Outcome.SERVER_ERROR, "HTTP 503"),
        ("/to-credentials", Outcome.BAD_URL, "credentials in the URL"),
        ("/hangs", Outcome.TIMEOUT, "no whole answer in 0.5 s"),
        ("/cut-off", Outcome.UNREACHABLE, None),
        ("/big", Outcome.TOO_LARGE, "over 1,000 bytes"),
    ],
)
def test_what_a_server_does_becomes_an_outcome(path, outcome, message):
    with a_server({"/sorry": (503, "text/html", b""), "/big": (200, "image/png", b"x" * 1001)}) as (base, _):
        answer = _get(base + path)
    assert answer.outcome == outcome
    assert message is None or answer.message == message


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x/a", "http://", "http://u:p@x/a", "http://[::1", "nonsense", ""]
)
def test_urls_that_are_not_plain_http_are_not_asked(url):
    assert _get(url).outcome == Outcome.BAD_URL


def test_a_host_that_is_down_is_unreachable():
    with a_server({}) as (base, _):
        pass
    assert _get(f"{base}/a").outcome == Outcome.UNREACHABLE


def test_a_mirror_is_asked_in_place_of_its_prefix():
    with a_server({"/a": (200, "image/png", b"abc")}) as (base, _):
        answer = _get("https://far.example/a", mirrors=(("https://far.example/", f"{base}/"),))
    assert answer.body == b"abc"


def test_a_wait_for_a_busy_host_is_no_timeout():
    async def ask():
        async with HttpTransport(timeout_s=0.5, max_bytes=1000) as transport:
            return await asyncio.gather(*(transport.get(f"{base}/slow{number}") for number in range(40)))

    with a_server({f"/slow{number}": (200, "image/png", b"x") for number in range(40)}) as (base, _):
        answers = asyncio.run(ask())
    assert {answer.outcome for answer in answers} == {Outcome.FETCHED}
