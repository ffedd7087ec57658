"""What odd answers come to, over real sockets."""

import asyncio
import gzip
import time
import zlib

import pytest

from byline.catalog.consent import consent_evidence, read_consent
from byline.catalog.corpora.packs import Outcome
from byline.pipelines.fetching.transport import NotYetError
from byline.pipelines.fetching.transport.responses import unpacked
from byline.pipelines.fetching.transport.robots import MAX_BYTES
from tests.builders import a_picture, encoded
from tests.pipelines.fetching.transport.raw_server import HANG_UP, got, sent, served

FORBIDS = b"User-agent: *\nDisallow: /a\n"
RESERVES = b'[{"location": "/", "tdm-reservation": 1}]'


@pytest.mark.parametrize("port", ["+80", "８０"])
def test_a_redirect_to_a_port_that_is_read_in_two_ways_is_an_outcome(tmp_path, port):
    answer, _ = got({"/a.jpg": sent(b"", f"Location: http://127.0.0.1:{port}/", status="302 Found")}, tmp_path=tmp_path)
    assert (answer.outcome, answer.message) == (Outcome.BAD_URL, "host or port cannot be read")


def test_not_modified_without_a_condition_is_no_picture(tmp_path):
    answer, _ = got({"/a.jpg": b"HTTP/1.1 304 Not Modified\r\n\r\n"}, tmp_path=tmp_path)
    assert (answer.outcome, answer.message) == (Outcome.HTTP_ERROR, "HTTP 304")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nLocation : /b?token=SECRET\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /b?token=SECRET\0\r\n\r\n",
        b"HTTP/1.1 2x0 /b?token=SECRET\r\n\r\n",
        b"SECRET\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: SECRET" + b"y" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nSECRET\r\n",
    ],
)
def test_a_message_quotes_nothing_of_a_broken_answer(tmp_path, answer):
    answer, _ = got({"/a.jpg?token=SECRET": answer}, "/a.jpg?token=SECRET", tmp_path=tmp_path)
    assert answer.outcome == Outcome.UNREACHABLE
    assert "SECRET" not in answer.message
    assert "\n" not in answer.message


def test_a_kept_connection_that_the_server_drops_costs_no_picture(tmp_path):
    async def three(transport, base):
        return [(await transport.get(f"{base}/{name}.jpg")).outcome for name in "abc"]

    once = {f"/{name}.jpg": lambda number: sent() if number == 2 else HANG_UP for name in "abc"}
    outcomes, asked = served(once, three, tmp_path=tmp_path, retries=1)
    assert outcomes == [Outcome.FETCHED] * 3
    assert max(asked.values()) == 2


def test_who_always_hangs_up_is_asked_as_often_as_retries_say(tmp_path):
    answer, asked = got({"/a.jpg": HANG_UP}, tmp_path=tmp_path, retries=1)
    assert (answer.outcome, asked["/a.jpg"]) == (Outcome.UNREACHABLE, 2)


@pytest.mark.parametrize("status", ["503 Busy", "429 Slow"])
@pytest.mark.parametrize("said", ["0", "-5", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_after_that_is_now_does_not_keep_a_failing_host_from_its_rest(tmp_path, status, said):
    async def many(transport, base):
        return [await transport.get(f"{base}/{number}.jpg") for number in range(30)]

    heads = {f"/{number}.jpg": sent(b"", f"Retry-After: {said}", status=status) for number in range(30)}
    answers, asked = served(heads, many, tmp_path=tmp_path, per_host=1, max_wait_s=0.1)
    pictures = [path for path in asked if path.endswith(".jpg")]
    assert len(pictures) < 10
    assert {answer.body for answer in answers} == {None}


def test_a_host_that_answers_503_for_all_is_left_alone_though_it_says_when_to_come_back(tmp_path):
    async def many(transport, base):
        return await asyncio.gather(*(transport.get(f"{base}/{number}.jpg") for number in range(60)))

    heads = {f"/{number}.jpg": sent(b"", "Retry-After: 0.01", status="503 Busy") for number in range(60)}
    answers, asked = served(heads, many, tmp_path=tmp_path, per_host=8)
    assert sum(path.endswith(".jpg") for path in asked) <= 16  # two times all that are asked at once
    assert "the host failed again and again, and rests" in {answer.message for answer in answers}


@pytest.mark.parametrize(
    "robots",
    [
        sent(FORBIDS, status="203 Non-Authoritative"),
        sent(FORBIDS, status="206 Partial Content"),
        sent(gzip.compress(FORBIDS, mtime=0), "Content-Encoding: gzip"),
        sent(gzip.compress(FORBIDS, mtime=0)),
        sent(FORBIDS, "Content-Encoding: gzip"),
        sent(zlib.compress(FORBIDS), "Content-Encoding: deflate"),
        sent(zlib.compress(FORBIDS)[2:-4], "Content-Encoding: deflate"),
        sent(FORBIDS + b"# more\n" * (MAX_BYTES // 4)),
        sent(gzip.compress(FORBIDS + b"# more\n" * MAX_BYTES, mtime=0), "Content-Encoding: gzip"),
    ],
)
def test_a_robots_txt_is_obeyed_however_it_is_sent_and_however_long_it_is(tmp_path, robots):
    answer, asked = got({"/robots.txt": robots, "/a.jpg": sent()}, tmp_path=tmp_path, max_bytes=1_000)
    assert (answer.outcome, asked["/a.jpg"]) == (Outcome.DISALLOWED, 0)


@pytest.mark.parametrize(
    "robots",
    [
        sent(b"\x8b\x02\x80", "Content-Encoding: br"),
        sent(b"\x1f\x8bno gzip at all", "Content-Encoding: gzip"),
        sent(b"", "Location: ftp://127.0.0.1/robots.txt", status="301 Moved"),
        sent(b"", "Location: http://10.0.0.1/robots.txt", status="301 Moved"),
    ],
)
def test_a_robots_txt_that_cannot_be_read_forbids_all_for_now(tmp_path, robots):
    answer, asked = got({"/robots.txt": robots, "/a.jpg": sent()}, tmp_path=tmp_path)
    assert answer.outcome in (Outcome.SERVER_ERROR, Outcome.UNREACHABLE)
    assert answer.message.startswith("robots.txt: ")
    assert asked["/a.jpg"] == 0


@pytest.mark.parametrize(
    ("tdmrep", "rule"),
    [
        (sent(RESERVES, status="203 Non-Authoritative"), "tdmrep.json:1"),
        (sent(gzip.compress(RESERVES, mtime=0), "Content-Encoding: gzip"), "tdmrep.json:1"),
        (sent(RESERVES + b" " * MAX_BYTES), "tdmrep.json:malformed"),
        (sent(b"", status="500 Ill"), "tdmrep.json:unreachable"),
        (HANG_UP, "tdmrep.json:unreachable"),
        (sent(b"\x8b\x02\x80", "Content-Encoding: br"), "tdmrep.json:unreachable"),
        (sent(b"", status="404 Not Found"), ""),
    ],
)
def test_a_tdmrep_json_is_heard_or_said_not_to_be(tmp_path, tdmrep, rule):
    answers = {"/.well-known/tdmrep.json": tdmrep, "/a.jpg": sent()}
    answer, _ = got(answers, tmp_path=tmp_path, max_bytes=1_000)
    assert answer.body == b"abc"
    assert read_consent(consent_evidence(answer.consent)).rule == rule


def test_no_more_is_unpacked_than_is_read():
    assert len(unpacked(gzip.compress(bytes(50_000_000), mtime=0), "gzip", num_bytes=1_000)) == 1_000


def test_a_wait_for_what_a_redirect_leads_to_is_the_queues_and_goes_on_from_there(tmp_path):
    async def twice(transport, base):
        with pytest.raises(NotYetError) as later:
            await transport.attempt(f"{base}/a.jpg")
        await asyncio.sleep(later.value.seconds)
        return later.value.host, base, await transport.attempt(f"{base}/a.jpg")

    answers = {
        "/a.jpg": sent(b"", "Location: /b.jpg", "X-Robots-Tag: all", status="302 Found"),
        "/b.jpg": lambda n: sent(b"", "Retry-After: 0.2", "X-Robots-Tag: all", status="429 Slow") if n == 1 else sent(),
    }
    (host, base, answer), asked = served(answers, twice, tmp_path=tmp_path)
    assert (answer.body, answer.final_url, host) == (b"abc", f"{base}/b.jpg", base.removeprefix("http://"))
    assert answer.consent == (("x-robots-tag", "all"),)  # of the answers that led here, not of those that failed
    assert (asked["/a.jpg"], asked["/b.jpg"]) == (1, 2)


def test_a_crawl_delay_is_kept_to_however_many_wait(tmp_path):
    allowed_at, asked_at = [], []

    def rules(_):
        allowed_at.append(time.monotonic())
        return sent(b"User-agent: *\nCrawl-delay: 0.3\n")

    def picture(_):
        asked_at.append(time.monotonic())
        return sent()

    async def at_once(transport, base):
        return await asyncio.gather(*(transport.get(f"{base}/{number}.jpg") for number in range(4)))

    pictures = {f"/{number}.jpg": picture for number in range(4)}
    answers, _ = served({"/robots.txt": rules} | pictures, at_once, tmp_path=tmp_path)
    assert {answer.body for answer in answers} == {b"abc"}
    # However late a busy machine hears of one, none can be heard of before its turn.
    assert all(moment - allowed_at[0] >= 0.3 * turn for turn, moment in enumerate(sorted(asked_at)))


PICTURE = encoded(a_picture(1))


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (gzip.compress(PICTURE), "gzip"),
        (gzip.compress(PICTURE), "X-Gzip"),
        (zlib.compress(PICTURE), "deflate"),
        (zlib.compress(PICTURE)[2:-4], "deflate"),
        (PICTURE, "gzip"),
        (PICTURE, "identity"),
        (PICTURE, "utf-8"),
        (PICTURE, "none"),
    ],
)
def test_a_picture_is_had_whatever_encoding_it_was_sent_in_unasked(tmp_path, data, encoding):
    answer, _ = got({"/a.jpg": sent(data, f"Content-Encoding: {encoding}")}, tmp_path=tmp_path)
    assert (answer.body, answer.outcome) == (PICTURE, Outcome.FETCHED)


@pytest.mark.parametrize(
    ("data", "encoding", "outcome", "message"),
    [
        (gzip.compress(bytes(10_000_000)), "gzip", Outcome.TOO_LARGE, "over 100,000 bytes once unpacked"),
        (zlib.compress(bytes(10_000_000)), "deflate", Outcome.TOO_LARGE, "over 100,000 bytes once unpacked"),
        (b"\x1f\x8bno gzip at all", "gzip", Outcome.NOT_AN_IMAGE, "sent in the encoding gzip, which was not asked for"),
        (b"\x8b\x02\x80", "br", Outcome.NOT_AN_IMAGE, "sent in the encoding br, which was not asked for"),
    ],
)
def test_a_picture_in_an_encoding_that_is_too_much_is_told(tmp_path, data, encoding, outcome, message):
    answers = {"/a.jpg": sent(data, f"Content-Encoding: {encoding}")}
    answer, _ = got(answers, tmp_path=tmp_path, max_bytes=100_000)
    assert (answer.body, answer.outcome, answer.message[: len(message)]) == (None, outcome, message)
