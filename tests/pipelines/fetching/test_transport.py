import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from byline.catalog.corpora.packs import Outcome
from byline.pipelines.fetching.transport import HttpTransport
from tests.apis import the_apis
from tests.builders import a_fetch_config, a_server
from tests.certificates import a_certificate


def _get(url, **overrides):
    patience = {"timeout_s": 0.5} if url.endswith("/hangs") else {}

    async def ask():
        async with HttpTransport(a_fetch_config(**{**patience, "max_bytes": 1000, **overrides})) as transport:
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
        answer = _get("https://far.example/a", mirrors={"https://far.example/": f"{base}/"})
    assert answer.body == b"abc"


@pytest.mark.parametrize(
    ("url", "mirror", "asked"),
    [
        ("https://far.example/a", ("https://far.example/", "{base}/copy/"), ["/copy/a"]),
        ("https://FAR.example:443/x/../a", ("https://Far.Example/", "{base}/copy/"), ["/copy/a"]),
        ("https://far.example/../../secret", ("https://far.example/", "{base}/copy/"), ["/copy/secret"]),
        ("https://far.example/%2e%2e/secret", ("https://far.example/", "{base}/copy/"), ["/copy/secret"]),
        ("s3://far/a b", ("s3://far/", "{base}/copy/"), ["/copy/a%20b"]),
    ],
)
def test_nothing_leads_out_of_a_mirror(url, mirror, asked):
    with a_server({}) as (base, seen):
        answer = _get(url, mirrors={mirror[0]: mirror[1].format(base=base)}, allow=())
    assert (seen, answer.message) == (asked, "HTTP 404")


def test_what_would_leave_a_mirror_is_asked_as_others_are():
    with a_server({}) as (base, seen):
        answer = _get(
            "https://far.example/pics../secret", mirrors={"https://far.example/pics": f"{base}/copy/"}, allow=()
        )
    assert (seen, answer.outcome) == ([], Outcome.PRIVATE_ADDRESS)


def test_a_wait_for_a_busy_host_is_no_timeout():
    async def ask():
        async with HttpTransport(a_fetch_config(timeout_s=2.0, per_host=2)) as transport:  # all take 3 s
            return await asyncio.gather(*(transport.get(f"{base}/slow{number}") for number in range(30)))

    with a_server({f"/slow{number}": (200, "image/png", b"x") for number in range(30)}) as (base, _):
        answers = asyncio.run(ask())
    assert {answer.outcome for answer in answers} == {Outcome.FETCHED}


def _headers(*headers):
    return {"/a": (200, "image/png", b"abc", list(headers))}


def test_every_line_that_speaks_of_consent_is_kept_in_order_and_no_other():
    lines = [
        ("X-Robots-Tag", "noai"),
        ("TDM-Policy", "https://example.org/p"),
        ("X-ROBOTS-TAG", "googlebot: all"),
        ("Content-Usage", "train-ai=n"),
        ("tdm-reservation", "1"),
    ]
    with a_server(_headers(("ETag", "x"), *lines, ("X-Robots", "noai"))) as (base, _):
        answer = _get(f"{base}/a")
    assert answer.consent == tuple((name.lower(), value) for name, value in lines)


def test_bytes_that_are_no_text_are_kept_as_escapes():
    with a_server(_headers(("X-Robots-Tag", "no\xfcai, noai"))) as (base, _):
        assert _get(f"{base}/a").consent == (("x-robots-tag", "no\\xfcai, noai"),)


@pytest.mark.parametrize(
    ("path", "outcome", "consent"),
    [
        ("/refused", Outcome.HTTP_ERROR, ["noml"]),
        ("/busy", Outcome.SERVER_ERROR, ["noindex"]),
        ("/big", Outcome.TOO_LARGE, ["noimageai"]),
        ("/cut-off", Outcome.UNREACHABLE, ["noai"]),
        ("/moved", Outcome.TOO_LARGE, ["none", "noimageai"]),
        ("/moved-away", Outcome.BAD_URL, ["noai"]),
        ("/hangs", Outcome.TIMEOUT, []),
        ("/gone", Outcome.HTTP_ERROR, []),
    ],
)
def test_an_answer_without_a_picture_says_what_was_heard_on_the_way(path, outcome, consent):
    def said(status, value, *more, body=b""):
        return status, "text/html", body, [("X-Robots-Tag", value), *more]

    answers = {
        "/refused": said(403, "noml"),
        "/busy": said(503, "noindex"),
        "/big": said(200, "noimageai", body=b"x" * 1001),
        "/moved": said(301, "none", ("Location", "/big")),
        "/moved-away": said(301, "noai", ("Location", "file:///etc/passwd")),
    }
    with a_server(answers) as (base, _):
        answer = _get(base + path)
    assert answer.outcome == outcome
    assert answer.consent == tuple(("x-robots-tag", value) for value in consent)


def test_requests_are_counted_and_what_is_not_asked_is_none():
    async def ask(*urls):
        async with HttpTransport(a_fetch_config(max_bytes=1000)) as transport:
            for url in urls:
                await transport.get(url)
            return transport.num_requests

    answers = {**_headers(), "/moved": (302, "text/html", b"", [("Location", "/a")])}
    with a_server(answers) as (base, asked):
        urls = [f"{base}/a", f"{base}/moved", f"{base}/gone", "file:///etc/passwd", "http://u:p@x/a"]
        assert asyncio.run(ask(*urls)) == len(asked) == 4


GET = """
import asyncio, sys
from byline.pipelines.fetching.transport import HttpTransport
from tests.builders import a_fetch_config

async def ask():
    async with HttpTransport(a_fetch_config()) as transport:
        return await transport.get(sys.argv[1])

answer = asyncio.run(ask())
print(answer.outcome, answer.message, sep=": ")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begins", "ends", "is_trusted", "said"),
    [
        (2020, 2021, True, "certificate has expired"),
        (2090, 2091, True, "certificate is not yet valid; is this machine's clock right?"),
        (2020, 2090, False, "self-signed certificate"),
    ],
)
def test_a_certificate_that_is_not_to_be_trusted_is_an_outcome(tmp_path, begins, ends, is_trusted, said):
    certificate = a_certificate(tmp_path, begins=begins, ends=ends)
    trusted = {"SSL_CERT_FILE": certificate} if is_trusted else {}
    with the_apis(certificate=certificate) as server:
        done = subprocess.run(  # certificates are read when a process starts
            [sys.executable, "-c", GET, f"{server.url}/a.jpg"],
            capture_output=True,
            text=True,
            env={**os.environ, **trusted},
            cwd=Path(__file__).parents[3],
        )
    assert done.stdout.strip() == f"bad-certificate: robots.txt: {said}", done.stderr
