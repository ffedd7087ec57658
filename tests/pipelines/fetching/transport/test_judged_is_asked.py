"""The URL that is judged (robots.txt, consent, denylist, limits) is the one that is asked, byte for byte."""

import pytest

from byline.catalog.corpora.packs import Outcome
from tests.catalog.test_urls import SIGNED
from tests.pipelines.fetching.transport.raw_server import got, sent, served

ROBOTS = sent(
    b"User-agent: *\nDisallow: /private/\nDisallow: /caf\xc3\xa9/\nDisallow: /~me\nDisallow: /a%2Fb\n"
    b"Content-Usage: /used/ train-ai=n\n"
)
TDMREP = sent(b'[{"location": "/reserved/*", "tdm-reservation": 1}]')


@pytest.mark.parametrize(
    "path",
    [
        "/private/a.jpg",
        "/ok/../private/a.jpg",
        "/ok/%2e%2e/private/a.jpg",
        "/ok/%2E./private/a.jpg",
        "/ok/.%2e/./%2e/private/a.jpg",
        "/../private/a.jpg",
        "/ok\\..\\private\\a.jpg",
        "/private/../private/a.jpg?x=/../..",
        "/%70rivate/a.jpg",
        "/priv%61te/a.jpg#/ok",
        "/caf\u00e9/a.jpg",
        "/caf%c3%a9/a.jpg",
        "/%7Eme/a.jpg",
        "/%7eme/a.jpg",
        "/a%2fb/c.jpg",
    ],
)
@pytest.mark.parametrize("by_redirect", [False, True])
def test_what_robots_txt_forbids_is_not_asked_however_it_is_written(path, by_redirect, tmp_path):
    location = path.partition("#")[0].encode().decode("latin-1")
    lead = f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n".encode("latin-1")
    answer, asked = got({"/robots.txt": ROBOTS, "/lead": lead}, "/lead" if by_redirect else path, tmp_path=tmp_path)
    assert answer.outcome == Outcome.DISALLOWED
    assert set(asked) == {"/robots.txt", "/.well-known/tdmrep.json", *(["/lead"] if by_redirect else [])}


@pytest.mark.parametrize("path", ["/private%2Fa.jpg", "/ok/..%2fprivate/a.jpg", "/a/b/c.jpg", "/privates"])
def test_what_it_does_not_forbid_is_asked_as_it_is(path, tmp_path):
    answer, asked = got({"/robots.txt": ROBOTS, path: sent()}, path, tmp_path=tmp_path)
    assert (answer.body, asked[path]) == (b"abc", 1)


@pytest.mark.parametrize(
    ("path", "asked", "name"),
    [
        ("/x/../used/a.jpg", "/used/a.jpg", "robots.txt"),
        ("/x/%2e%2e/us%65d/a.jpg", "/us%65d/a.jpg", "robots.txt"),
        ("/x/../reserved/a.jpg", "/reserved/a.jpg", "tdmrep.json"),
    ],
)
def test_what_is_said_of_the_use_of_a_path_is_heard(path, asked, name, tmp_path):
    answers = {"/robots.txt": ROBOTS, "/.well-known/tdmrep.json": TDMREP, asked: sent()}
    answer, _ = got(answers, path, tmp_path=tmp_path)
    assert answer.body == b"abc"
    assert [signal for signal, _ in answer.consent] == [name]


@pytest.mark.parametrize("target", SIGNED)
def test_a_signed_url_reaches_the_server_byte_for_byte(target, tmp_path):
    lead = f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {target}\r\n\r\n".encode()
    for path in (target, "/lead"):
        answer, asked = got({target: sent(), "/lead": lead}, path, tmp_path=tmp_path)
        assert (answer.body, asked[target]) == (b"abc", 1)


@pytest.mark.parametrize(
    ("path", "asked"),
    [("/a b.jpg", "/a%20b.jpg"), ("/stra\u00dfe.jpg?\u00fc=<1>", "/stra%C3%9Fe.jpg?%C3%BC=%3C1%3E"), ("/x#y", "/x")],
)
def test_what_no_request_can_hold_is_escaped_as_browsers_do(path, asked, tmp_path):
    answer, _ = got({asked: sent()}, path, tmp_path=tmp_path)
    assert answer.body == b"abc"


@pytest.mark.parametrize(
    "path", ["/denied.jpg", "/to-denied", "/to-both", "/x/../denied.jpg", "/%64enied.jpg", "/to-other-host"]
)
def test_what_was_taken_down_is_neither_asked_nor_followed(path, tmp_path):
    def leads(location):
        return sent(b"", f"Location: {location}", status="302 Found")

    answers = {
        "/denied.jpg": sent(),
        "/to-denied": leads("/x/%2e%2e/denied.jpg"),
        "/to-both": leads("/to-denied"),
        "/to-other-host": leads("http://b\u00fccher.example/"),
    }

    def denies(url):
        return url.endswith(("/denied.jpg", "/%64enied.jpg")) or url == "http://xn--bcher-kva.example/"

    answer, asked = served(
        answers, lambda transport, base: transport.get(base + path), tmp_path=tmp_path, options={"denies": denies}
    )
    assert (answer.outcome, answer.message, answer.body) == (Outcome.DENIED, "taken down", None)
    assert not asked["/denied.jpg"]


def test_all_spellings_of_a_host_share_its_limits_and_its_robots_txt(tmp_path):
    async def scenario(transport, base):
        port = base.rpartition(":")[2]
        for host in ("127.0.0.1", "0x7f.1", "\uff11\uff12\uff17.0.0.1", "127.1.", "%31%32%37.1"):
            assert (await transport.get(f"http://{host}:{port}/a.jpg")).body == b"abc"

    _, asked = served({"/a.jpg": sent()}, scenario, tmp_path=tmp_path)
    assert asked == {"/robots.txt": 1, "/.well-known/tdmrep.json": 1, "/a.jpg": 5}
