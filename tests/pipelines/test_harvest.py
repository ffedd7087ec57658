"""Harvests from a loopback server that speaks both APIs: paging, patience, one-line errors, going on after a kill."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from catalog.digests import sha256_hex
from catalog.records import ImageRecord, UnreadableRow
from cli.main import main
from pipelines.sources.commons import read_commons
from pipelines.sources.openverse import read_openverse
from tests.apis import KEY, the_apis
from tests.certificates import a_certificate

CONTACT = "ada@example.org"
HTML = (200, {"Content-Type": "text/html"}, b"<html><title>Welcome</title>")
LAGS = b'{"error": {"code": "maxlag", "info": "Waiting for a database server: 6.2 seconds lagged"}}'


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    for name in ("OPENVERSE_CLIENT_ID", "OPENVERSE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def apis():
    with the_apis() as server:
        yield server


@pytest.fixture
def byline(monkeypatch, capsys):
    """Run the command line and return its exit status and the lines that it wrote to both streams."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["byline", "harvest", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        lines = [line.strip() for line in (said.out + said.err).splitlines()]
        return stopped.value.code or 0, [line for line in lines if line]

    return run


@pytest.fixture
def commons(apis, byline, tmp_path):
    def run(*arguments, contact=CONTACT, out=None):
        named = ("--contact", contact) if contact else ()
        out = out or tmp_path / "c.jsonl"
        way = () if {"--titles", "--search", "--category"} & set(arguments) else ("--category", "Lighthouses")
        return byline("commons", "--out", out, "--api", f"{apis.url}/w/api.php", *named, *way, *arguments)

    return run


@pytest.fixture
def openverse(apis, byline, tmp_path):
    def run(*arguments):
        start = ("--out", tmp_path / "o.jsonl", "--api", apis.url, "--contact", CONTACT, "--q", "lighthouse")
        return byline("openverse", *start, *arguments)

    return run


def _lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def _asked(path):
    return dict(parse_qsl(urlsplit(path).query))


# what is asked and saved


def test_commons_is_asked_page_after_page_and_read_back(commons, apis, tmp_path):
    code, (line,) = commons("--page-size", 5)
    assert (code, line.split(": ", 1)[1]) == (0, "12 pictures, 3 answers asked for; complete.")
    records = list(read_commons(str(tmp_path / "c.jsonl"), "c"))
    assert [record.id for record in records] == [f"M{n}" for n in range(1, 13)]
    assert [_asked(path).get("gcmcontinue") for path in apis.paths] == [None, "5", "10"]


def test_commons_is_asked_as_its_owners_want(commons, apis):
    commons("--page-size", 50)
    (path,) = apis.paths
    wanted = {"maxlag": "5", "formatversion": "2", "generator": "categorymembers", "gcmtitle": "Category:Lighthouses"}
    assert wanted.items() <= _asked(path).items()
    assert _asked(path)["iiprop"] == "url|user|size|mime|sha1|extmetadata"
    assert apis.agents == [agent for agent in apis.agents if agent.startswith("byline/") and f"({CONTACT})" in agent]


def test_openverse_is_asked_page_after_page_and_read_back(openverse, apis, tmp_path):
    code, (line,) = openverse("--page-size", 5, "--license", "cc0,by", "--source", "flickr")
    assert (code, line.split(": ", 1)[1]) == (0, "12 pictures, 3 answers asked for; complete.")
    records = list(read_openverse(str(tmp_path / "o.jsonl"), "o"))
    assert [record.id for record in records] == [str(n) for n in range(1, 13)]
    wanted = {"q": "lighthouse", "license": "cc0,by", "source": "flickr", "page": "2", "page_size": "5"}
    assert _asked(apis.paths[1]) == wanted


def test_a_line_has_request_time_and_the_digest_of_the_answers_own_bytes(openverse, apis, tmp_path):
    openverse("--page-size", 20)
    (line,) = _lines(tmp_path / "o.jsonl")
    assert line["request"] == apis.url + apis.paths[0]
    assert (
        sha256_hex(line["body"].encode()) == line["sha256"] == sha256_hex(json.dumps(json.loads(line["body"])).encode())
    )
    assert abs(datetime.now(UTC) - datetime.fromisoformat(line["retrieved_at"])) < timedelta(minutes=1)


def test_evidence_has_request_time_and_place(openverse, tmp_path):
    openverse("--page-size", 10)
    lines, path = _lines(tmp_path / "o.jsonl"), tmp_path / "o.jsonl"
    evidence = list(read_openverse(str(path), "o"))[11].evidence
    assert (evidence.file, evidence.retrieved_at) == (lines[1]["request"], lines[1]["retrieved_at"])
    assert evidence.place == f"{path} line 2, result 2"


def test_a_time_in_the_answer_comes_before_that_of_the_harvest(commons, tmp_path):
    commons()
    evidence = next(read_commons(str(tmp_path / "c.jsonl"), "c")).evidence
    assert evidence.retrieved_at == "2026-01-02T03:04:05Z"


def test_titles_are_asked_in_batches(commons, apis, tmp_path):
    commons("--titles", "File:1.jpg|2.jpg|File:none.jpg", "--titles", "File:4.jpg", "--page-size", 2)
    assert [_asked(path)["titles"] for path in apis.paths] == ["File:1.jpg|File:2.jpg", "File:none.jpg|File:4.jpg"]
    rows = list(read_commons(str(tmp_path / "c.jsonl"), "c"))
    assert [row.id if isinstance(row, ImageRecord) else row.problem for row in rows] == [
        *("M1", "M2", "no page of that name: 'File:none.jpg'", "M4")
    ]


def test_pages_whose_images_come_in_the_next_answer_are_read_once(commons, apis, tmp_path):
    apis.splits = True
    commons("--page-size", 6)
    assert len(apis.paths) == 4
    records = list(read_commons(str(tmp_path / "c.jsonl"), "c"))
    assert sorted(int(record.id[1:]) for record in records) == list(range(1, 13))


def test_a_bad_element_is_a_row_and_the_next_one_is_read(openverse, apis, tmp_path):
    apis.overrides = {0: {"url": None}}
    openverse()
    bad, good, *_ = read_openverse(str(tmp_path / "o.jsonl"), "o")
    assert bad == UnreadableRow(place="line 1, result 1", problem="no url")
    assert good.id == "2"


def test_a_limit_ends_a_harvest_and_a_higher_one_goes_on(commons, apis):
    assert commons("--page-size", 5, "--limit", 7)[1][0].endswith(
        "10 pictures, 2 answers asked for; there is more: run it again with a higher --limit."
    )
    assert "12 pictures, 1 answers asked for; complete." in commons("--page-size", 5, "--limit", 100)[1][0]


def test_openverse_that_gives_no_more_pages_is_told(openverse, apis):
    apis.max_pages = 2
    code, lines = openverse("--page-size", 5)
    assert code == 0
    assert lines[1].startswith("Openverse gives 10 of the 12 results of one search (page 2 is the last).")


# going on


@pytest.mark.parametrize("torn", [1, 100, -1])
def test_a_torn_line_is_cut_and_no_whole_answer_is_asked_for_again(commons, apis, tmp_path, torn):
    commons("--page-size", 3)
    whole = (tmp_path / "c.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    (tmp_path / "c.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:torn])
    apis.asked.clear()
    assert commons("--page-size", 3)[0] == 0
    assert [_asked(path)["gcmcontinue"] for path in apis.paths] == ["6", "9"]
    ours = [line["body"] for line in _lines(tmp_path / "c.jsonl")]
    assert ours == [json.loads(line)["body"] for line in lines]


def test_zeros_after_a_power_cut_are_cut(openverse, apis, tmp_path):
    openverse("--page-size", 6, "--limit", 6)
    with open(tmp_path / "o.jsonl", "ab") as file:
        file.write(bytes(5000))
    assert openverse("--page-size", 6)[0] == 0
    assert len(_lines(tmp_path / "o.jsonl")) == 2


def test_a_whole_harvest_is_asked_nothing(commons, apis):
    commons()
    apis.asked.clear()
    assert "12 pictures, 0 answers asked for; complete." in commons()[1][0]
    assert apis.asked == []


def test_a_killed_harvest_asks_for_no_answer_twice(apis, tmp_path):
    out = tmp_path / "c.jsonl"
    apis.num_pictures = 40
    command = [sys.executable, "-m", "cli.main", "harvest", "commons", "--out", out, "--category", "A"]
    command += ["--api", f"{apis.url}/w/api.php", "--contact", CONTACT, "--page-size", "1"]
    for number in (10, 20):
        process = subprocess.Popen(command)
        while len(apis.asked) < number:
            assert process.poll() is None
        process.kill()
        process.wait()
    subprocess.run(command, check=True, capture_output=True)
    requests = [line["request"] for line in _lines(out)]
    assert len(set(requests)) == len(requests) == 40
    assert len(apis.asked) <= 42  # of an answer that was under way when it was killed nothing was saved


def test_another_question_is_not_added_to_a_harvest(commons, apis):
    commons("--page-size", 5)
    code, (line,) = commons("--category", "Windmills", "--page-size", 5)
    assert code == 2
    assert "is the harvest of something else" in line
    assert line.endswith("give another --out")


def test_two_at_once_do_not_write_one_file(commons, tmp_path):
    from pipelines.harvest.saved import open_saved

    with open_saved(str(tmp_path / "c.jsonl")):
        assert "another byline harvest writes" in commons()[1][0]


@pytest.mark.parametrize("content", [b"my notes", b"my notes\n", b'{"results": []}\n'])
def test_a_file_of_something_else_is_left_as_it_is(commons, tmp_path, content):
    (tmp_path / "c.jsonl").write_bytes(content)
    code, (line,) = commons()
    assert (code, (tmp_path / "c.jsonl").read_bytes()) == (2, content)
    assert "was not written by byline harvest; give another file as --out" in line


def test_a_damaged_last_line_is_told_and_left(openverse, tmp_path):
    openverse()
    damaged = (tmp_path / "o.jsonl").read_bytes().replace(b"Number 3", b"Number 4")
    (tmp_path / "o.jsonl").write_bytes(damaged)
    code, (line,) = openverse()
    assert (code, (tmp_path / "o.jsonl").read_bytes()) == (2, damaged)
    assert "is damaged (the body is not what its sha256 says)" in line


# patience


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
    assert (code, len(_lines(tmp_path / "o.jsonl"))) == (2, 1)
    assert line.endswith(
        "says: Daily limit., and wants to be asked again in 40,000 s; run the same command then to go on"
    )


def test_tries_end(commons, apis):
    apis.faults = [(503, {}, b"")] * 2
    code, lines = commons("--tries", 2)
    assert code == 2
    assert lines[-1].endswith("answers with status 503; asked 2 times. Run the same command later to go on")


# errors of one line


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
    ("is_trusted", "why"),
    [(True, "certificate has expired; or this machine's clock is wrong: 20"), (False, "self-signed certificate")],
)
def test_a_bad_certificate_is_one_line_and_not_tried_again(byline, tmp_path, monkeypatch, is_trusted, why):
    certificate = a_certificate(tmp_path, begins=2020, ends=2021)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
    with the_apis(certificate=certificate) as apis:
        code, (line,) = byline("openverse", "--out", tmp_path / "o.jsonl", "--api", apis.url, "--contact", CONTACT)
    assert code == 2
    assert f"cannot be trusted: {why}" in line


def test_a_clock_that_is_wrong_is_told_once_and_the_answers_time_is_saved(openverse, apis, tmp_path):
    apis.date = "Wed, 01 Jan 2031 00:00:00 GMT"
    code, lines = openverse("--page-size", 5)
    assert (code, sum("this machine's clock is" in line for line in lines)) == (0, 1)
    assert {line["retrieved_at"] for line in _lines(tmp_path / "o.jsonl")} == {"2031-01-01T00:00:00Z"}


def test_help_names_every_way_of_asking():
    told = subprocess.run(
        [sys.executable, "-m", "cli.main", "harvest", "commons", "--help"],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    ).stdout
    assert all(name in told for name in ("--category", "--search", "--image-usage", "--titles"))
