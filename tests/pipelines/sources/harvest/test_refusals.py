"""APIs that refuse, rest or are down, and arguments that cannot be meant: patience, and one clear line."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.apis import KEY, the_apis
from tests.certificates import a_certificate
from tests.pipelines.sources.harvest.answers import CONTACT, HTML, LAGS, saved_lines


@pytest.mark.parametrize(
    "fault",
    [
        (429, {"Retry-After": "1"}, b'{"detail": "Request was throttled."}'),
        (503, {"Retry-After": "1"}, b"<html>"),
        (200, {"Retry-After": "1"}, LAGS),
    ],
)
def test_no_request_comes_before_retry_after(commons, apis, fault):
    apis.faults = [fault]
    code, lines = commons()
    (first, _), (second, _) = apis.asked
    assert (code, len(lines)) == (0, 2)
    assert 1.0 <= second - first < 3


def test_retry_after_may_be_a_date(openverse, apis):
    apis.faults = [
        (429, {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)}, b"{}")
    ]
    assert openverse()[0] == 0
    assert apis.asked[1][0] - apis.asked[0][0] >= 0.9  # a date has no fractions


def test_an_api_that_wants_hours_ends_the_run_and_what_came_stays(openverse, apis, tmp_path):
    openverse("--page-size", 6, "--limit", 6)
    apis.faults = [(429, {"Retry-After": "40000"}, b'{"detail": "Daily limit."}')]
    code, (line,) = openverse("--page-size", 6)
    assert (code, len(saved_lines(tmp_path / "o.jsonl"))) == (2, 1)
    assert line.endswith(
        "says: Daily limit., and wants to be asked again in 40,000 s; run the same command then to go on"
    )


def test_tries_end(commons, apis):
    apis.faults = [(503, {}, b"")] * 2
    code, lines = commons("--tries", 2)
    assert code == 2
    assert lines[-1].endswith("answers with status 503; asked 2 times. Run the same command later to go on")


@pytest.mark.parametrize("contact", [None, "ada", "ada@x", "a\r\nb: c@x.yz", "http://"])
def test_a_contact_is_needed(commons, apis, contact):
    code, (line,) = commons(contact=contact)
    assert (code, apis.asked) == (2, [])
    assert "--contact must be a mail address or URL of yours" in line


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (
            HTML,
            "answers with status 200 and text/html, not with a JSON object: '<html><title>Welcome</title>'",
        ),
        ((404, {}, b"gone"), "answers with status 404 and nothing, not with a JSON object: 'gone'; check --api"),
        ((200, {}, b"[" * 100_000), "not with a JSON object"),
        (
            (301, {"Location": "https://new.example/api"}, b""),
            "is elsewhere: 'https://new.example/api'; give that as --api",
        ),
        (
            (200, {}, b'{"error": {"code": "badvalue", "info": "Unrecognized value"}}'),
            "says: badvalue: Unrecognized value",
        ),
        ((200, {}, b'{"hello": 1}'), "says: neither an answer nor an error, but hello"),
        ((200, {}, b'{"query": {}, "continue": "on"}'), "says in a way of its own how to go on: 'on'"),
        ((200, {}, b'"' + bytes(7_100_000)), "has more than 7,000,000 bytes; lower --page-size"),
    ],
)
def test_what_is_no_answer_is_one_line(commons, apis, fault, line):
    apis.faults = [fault]
    code, lines = commons()
    assert (code, len(lines)) == (2, 1)
    assert line in lines[0]


def test_the_same_answer_without_end_is_told(commons, apis):
    apis.faults = [(200, {}, b'{"query": {}, "continue": {"gcmcontinue": "1"}}')] * 3
    assert "sends the same answer without end" in commons()[1][0]
    assert len(apis.asked) == 2


def test_answers_that_lead_in_a_circle_are_told(commons, apis):
    two = [b'{"query": {}, "continue": {"gcmcontinue": "%d"}}' % (number % 2) for number in range(9)]
    apis.faults = [(200, {}, body) for body in two]
    assert "sends the same answer without end" in commons()[1][0]
    assert len(apis.asked) == 3


EMPTY = [
    (b'{"results": null, "page_count": 3}', "its results are None, no list"),
    (b'{"results": [], "page": 1, "page_count": 1000000}', "page 1 of 1,000,000 has no results"),
]


@pytest.mark.parametrize(("body", "line"), EMPTY)
def test_a_page_without_results_is_asked_for_again_and_not_saved(openverse, apis, body, line, tmp_path):
    apis.faults = [(200, {}, body)] * 9
    code, lines = openverse("--tries", 2)
    assert (code, len(apis.asked)) == (2, 2)
    assert all(line in said for said in lines)
    assert (tmp_path / "o.jsonl").read_bytes() == b""


def test_a_search_that_finds_nothing_is_complete(openverse, apis):
    apis.num_pictures = 0
    assert "0 pictures, 1 answers asked for; complete." in openverse()[1][0]


def test_a_refused_key_is_one_line_without_the_key(openverse, apis, monkeypatch):
    monkeypatch.setenv("OPENVERSE_CLIENT_ID", KEY[0])
    monkeypatch.setenv("OPENVERSE_CLIENT_SECRET", "wrong-secret")
    code, (line,) = openverse()
    assert (code, "wrong-secret" in line) == (2, False)
    assert (
        "the key in OPENVERSE_CLIENT_ID and OPENVERSE_CLIENT_SECRET is refused (no such client ...); check both" in line
    )


def test_a_key_lets_more_through_and_is_not_saved(openverse, apis, monkeypatch, tmp_path):
    apis.num_pictures = 100
    assert "set OPENVERSE_CLIENT_ID and OPENVERSE_CLIENT_SECRET to a key of yours" in openverse("--page-size", 50)[1][0]
    monkeypatch.setenv("OPENVERSE_CLIENT_ID", KEY[0])
    monkeypatch.setenv("OPENVERSE_CLIENT_SECRET", KEY[1])
    assert "100 pictures, 2 answers" in openverse("--page-size", 50)[1][0]
    saved = (tmp_path / "o.jsonl").read_text()
    assert not any(secret in saved for secret in (*KEY, "Bearer"))
    assert sum("auth_tokens" in path for _, path in apis.asked) == 1


def test_half_a_key_is_told(openverse, monkeypatch):
    monkeypatch.setenv("OPENVERSE_CLIENT_ID", KEY[0])
    assert openverse()[1][0].endswith(
        "OPENVERSE_CLIENT_SECRET is not set, but the other half of the key is; set both or neither"
    )


def test_a_key_does_not_travel_in_the_open(byline, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENVERSE_CLIENT_ID", KEY[0])
    monkeypatch.setenv("OPENVERSE_CLIENT_SECRET", KEY[1])
    code, (line,) = byline(
        "openverse", "--out", tmp_path / "o.jsonl", "--api", "http://api.example", "--contact", CONTACT
    )
    assert (code, line.endswith("is sent over https only; give an https URL as --api, or unset it")) == (2, True)


def test_a_host_that_is_down_is_one_line(byline, tmp_path):
    code, (line,) = byline(
        *("commons", "--out", tmp_path / "c.jsonl", "--category", "A", "--contact", CONTACT),
        *("--api", "http://127.0.0.1:9/w/api.php", "--tries", 1),
    )
    assert code == 2
    assert "127.0.0.1:9 cannot be reached" in line
    assert "check --api" in line


@pytest.mark.parametrize("api", ["ftp://x/", "commons", "https://user:secret@x/", "http://x:99999/", "https://x/?a=b"])
def test_what_cannot_be_an_api_is_told_without_its_password(byline, tmp_path, api):
    code, (line,) = byline("openverse", "--out", tmp_path / "o.jsonl", "--api", api, "--contact", CONTACT)
    assert (code, "--api must be an http(s) URL" in line, "secret" in line) == (2, True, False)


def test_two_ways_of_asking_are_one_too_many(commons):
    assert "give one of --category, --search" in commons("--category", "A", "--search", "b")[1][0]


@pytest.mark.parametrize("out", ["c.json", "none/c.jsonl"])
def test_a_file_that_cannot_be_written_is_told(commons, tmp_path, out):
    code, (line,) = commons(out=tmp_path / out)
    assert (code, "--out" in line) == (2, True)


@pytest.mark.parametrize(
    ("begins", "is_trusted", "why"),
    [
        (2020, True, "certificate has expired; or this machine's clock is wrong: 20"),
        # OpenSSL 3.6 has more to say of it
        (2090, True, "certificate is not yet valid.*; or this machine's clock is wrong: 20"),
        (2020, False, "self-signed certificate"),
    ],
)
def test_a_bad_certificate_is_one_line_and_not_tried_again(byline, tmp_path, monkeypatch, begins, is_trusted, why):
    certificate = a_certificate(tmp_path, begins=begins, ends=begins + 1)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
    with the_apis(certificate=certificate) as apis:
        code, (line,) = byline("openverse", "--out", tmp_path / "o.jsonl", "--api", apis.url, "--contact", CONTACT)
    assert code == 2
    assert re.search(f"cannot be trusted: {why}", line)


def test_a_clock_that_is_wrong_is_told_once_and_the_answers_time_is_saved(openverse, apis, tmp_path):
    apis.date = "Wed, 01 Jan 2031 00:00:00 GMT"
    code, lines = openverse("--page-size", 5)
    assert (code, sum("this machine's clock is" in line for line in lines)) == (0, 1)
    assert {line["retrieved_at"] for line in saved_lines(tmp_path / "o.jsonl")} == {"2031-01-01T00:00:00Z"}


def test_help_names_every_way_of_asking():
    told = subprocess.run(
        [sys.executable, "-m", "byline.cli.main", "harvest", "commons", "--help"],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    ).stdout
    assert all(name in told for name in ("--category", "--search", "--image-usage", "--titles"))
