"""Whatever stands in a row, a Location or any other header, a request ends in an outcome, and in time."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from byline.catalog.corpora.packs import Outcome
from byline.pipelines.fetching.transport import Answer
from tests.pipelines.fetching.transport.hostile_urls import HOSTILE, LONG, HostileResolver
from tests.pipelines.fetching.transport.raw_server import sent, served

PIECES = """
http:// https:// // / \\ . .. ? # @ : [ ] [::1] [1::2::3] 127.0.0.1 0x7f.1 friendly.example xn-- % %2e %2F %00 %ff a.jpg
robots.txt 80 99999 -1 ; & = ' " < > | ^ ` { }
""".split()
MADE_UP = st.one_of(
    st.lists(
        st.sampled_from([*PIECES, " ", "\t", "\u00fc", "\uff41", "\u3002", "\0", "\udcff", "\r"]), max_size=12
    ).map("".join),
    st.text(max_size=40),
    st.sampled_from([url for url in HOSTILE if url not in LONG]).map(lambda url: url.replace("{port}", "9")),
)
HEADERS = st.sampled_from(
    "Link Location Content-Location Refresh Set-Cookie X-Robots-Tag TDM-Policy Content-Usage ETag Content-Encoding "
    "Retry-After Date Content-Type".split()
)
FAST = {"timeout_s": 5.0, "first_byte_s": 5.0, "max_wait_s": 0.0, "per_host": 1000}
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def on_a_line(text: str) -> str:
    """Return what can stand in a header: bytes of any kind, without the end of the line."""
    return text.replace("\r", "").replace("\n", "").encode("utf-8", "surrogateescape").decode("latin-1")


def a_redirect(location: str, *lines: str, status: str = "302 Found") -> bytes:
    """Return an answer that leads to a Location, whatever bytes that has."""
    head = "\r\n".join([f"HTTP/1.1 {status}", "Content-Length: 0", f"Location: {location}", *lines])
    return f"{head}\r\n\r\n".encode("latin-1", "replace")


def outcome_of(answers, *urls, tmp_path):
    """Return what becomes of URLs; `{base}` stands for that of the server."""

    async def scenario(transport, base):
        return [await transport.get(url.replace("{base}", base)) for url in urls]

    found, _ = served(answers, scenario, tmp_path=tmp_path, options={"resolver": HostileResolver()}, **FAST)
    assert all(isinstance(one, Answer) and (one.body is None) == (one.outcome != Outcome.FETCHED) for one in found)
    return [one.outcome for one in found]


@MANY
@given(said=MADE_UP)
@example(said="http://[1::2::3]/x")
def test_a_made_up_url_ends_in_an_outcome(said, tmp_path):
    outcome_of({}, said, "{base}/" + said, "{base}" + said, "http://" + said, tmp_path=tmp_path)


@MANY
@given(said=MADE_UP, name=HEADERS, value=MADE_UP)
@example(said="http://[1::2::3]/x", name="Link", value="<http://[1::2::3]/x>; rel=license")
@example(said="//[1::2::3]/x", name="Link", value="<")
def test_a_made_up_redirect_ends_in_an_outcome(said, name, value, tmp_path):
    lines = [f"{name}: {on_a_line(value)}"]
    answers = {
        "/a.jpg": a_redirect(on_a_line(said), *lines),
        "/b.jpg": sent(b"abc", f"Location: {on_a_line(said)}", *lines),
    }
    outcome_of(answers, "{base}/a.jpg", "{base}/b.jpg", tmp_path=tmp_path)


@MANY
@given(said=MADE_UP, path=MADE_UP)
@example(said="http://[1::2::3]/x", path="[")
@example(said="//[1::2::3]/x", path="//[::1")
def test_a_made_up_redirect_of_robots_txt_ends_in_an_outcome(said, path, tmp_path):
    for name in ("/robots.txt", "/.well-known/tdmrep.json"):
        outcome_of({name: a_redirect(on_a_line(said))}, "{base}/" + path, tmp_path=tmp_path)
    rules = sent(
        f"User-agent: *\nDisallow: {path}\nAllow: {said}\nContent-Usage: {said} train-ai=n".encode("utf-8", "replace")
    )
    outcome_of({"/robots.txt": rules}, "{base}/" + path, tmp_path=tmp_path)


@pytest.mark.parametrize(
    ("location", "outcome"),
    [
        ("http://[1::2::3]/x", Outcome.BAD_URL),
        ("//[1::2::3]/x", Outcome.BAD_URL),
        ("http://127.0.0.1:99999/", Outcome.BAD_URL),
        ("http://127.0.0.1:9\udcff/", Outcome.BAD_URL),
        ("ftp://127.0.0.1/", Outcome.BAD_URL),
        ("http://me@127.0.0.1/", Outcome.BAD_URL),
        ("/" + "a" * 9_000, Outcome.BAD_URL),
        ("/" + "a" * 20_000, Outcome.UNREACHABLE),
    ],
)
def test_a_redirect_to_what_is_no_url_is_told(location, outcome, tmp_path):
    assert outcome_of({"/a.jpg": a_redirect(on_a_line(location))}, "{base}/a.jpg", tmp_path=tmp_path) == [outcome]


def test_a_robots_txt_that_leads_to_no_url_forbids_all_for_now(tmp_path):
    answers = {"/robots.txt": a_redirect("http://[1::2::3]/x"), "/a.jpg": sent()}
    assert outcome_of(answers, "{base}/a.jpg", tmp_path=tmp_path) == [Outcome.UNREACHABLE]
