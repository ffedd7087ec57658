"""What robots.txt and tdmrep.json say: what the conformance table of consent does not hold."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byline.catalog.consent import CUT, consent_evidence, read_consent
from byline.pipelines.fetching.transport.robots import (
    MAX_BYTES,
    MAX_RULES,
    RobotsFile,
    TdmRepFile,
    is_under,
    robots_of,
    tdmrep_of,
)

HOST = "https://example.org"
EVERYBODY = "User-agent: *\n"


@pytest.mark.parametrize(
    ("status", "is_allowed"),
    [
        (200, False),
        (204, False),
        (301, True),
        (400, True),
        (401, True),
        (403, True),
        (404, True),
        (410, True),
        (429, False),
        (451, True),
        (500, False),
        (503, False),
        (599, False),
        (600, False),
        (100, False),
        (None, False),
    ],
)
def test_what_a_status_means(status, is_allowed):
    robots = robots_of(status, "User-agent: *\nDisallow: /")
    assert robots.allows(f"{HOST}/a.jpg") == is_allowed


def test_robots_txt_itself_may_always_be_asked_for():
    assert RobotsFile("User-agent: *\nDisallow: /").allows(f"{HOST}/robots.txt")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Crawl-delay: 5", 5.0),
        ("Crawl-delay: 0.5", 0.5),
        ("crawl-delay : 2 # please", 2.0),
        ("Crawl-delay: soon", None),
        ("Crawl-delay: -1", None),
        ("Crawl-delay: nan", None),
        ("Crawl-delay: 1e999", None),
        ("Allow: /", None),
    ],
)
def test_crawl_delay(text, seconds):
    assert RobotsFile(EVERYBODY + text).crawl_delay() == seconds


def test_the_delay_of_our_group_counts_alone():
    text = "User-agent: *\nCrawl-delay: 9\n\nUser-agent: byline\nDisallow: /x"
    assert RobotsFile(text).crawl_delay() is None
    assert RobotsFile(text).crawl_delay("other/2.0") == 9.0


def test_the_longest_path_is_counted_in_bytes_as_they_are_encoded():
    text = f"{EVERYBODY}Content-Usage: /ééé train-ai=n\nContent-Usage: /*????????? train-ai=y"
    assert RobotsFile(text).content_usage(f"{HOST}/%C3%A9%C3%A9%C3%A9?????????") == "train-ai=n"


def test_rules_of_one_path_are_joined_and_recorded_each():
    robots = RobotsFile(f"{EVERYBODY}Content-Usage: / train-ai=y\nContent-Usage: / search=n")
    assert robots.content_usage(f"{HOST}/a") == "train-ai=y, search=n"
    assert robots.robots_signals(f"{HOST}/a") == (
        ("robots.txt", "Content-Usage: / train-ai=y"),
        ("robots.txt", "Content-Usage: / search=n"),
    )


def test_what_may_not_be_asked_for_has_no_preference():
    robots = RobotsFile(f"{EVERYBODY}Disallow: /a\nContent-Usage: / train-ai=y")
    assert robots.content_usage(f"{HOST}/a") is None
    assert robots.robots_signals(f"{HOST}/a") == (("robots.txt", "Disallow: /a"),)


def test_the_longest_rule_that_forbids_is_recorded():
    robots = RobotsFile(f"{EVERYBODY}Disallow: /\nDisallow: /a/ # mine\nDisallow: /a/b/c")
    assert robots.robots_signals(f"{HOST}/a/b.jpg") == (("robots.txt", "Disallow: /a/"),)


@pytest.mark.parametrize(
    ("pattern", "path", "is_so"),
    [
        ("/", "/a", True),
        ("/a$", "/a", True),
        ("/a$", "/ab", False),
        ("*", "/a", True),
        ("/*/b", "/a/b", True),
        ("/a?x=*", "/a?x=1", True),
        ("", "/a", False),
        ("/a#b", "/a", False),
        ("/a b", "/a%20b", True),
    ],
)
def test_patterns(pattern, path, is_so):
    assert is_under(HOST + path, pattern) == is_so


@pytest.mark.parametrize("separator", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_only_line_ends_end_a_line(separator):
    robots = RobotsFile(f"{EVERYBODY}Disallow: /x{separator}Disallow: /")
    assert robots.allows(f"{HOST}/a.jpg")


def test_what_is_past_the_limit_is_not_read_and_no_line_is_read_in_part():
    filler = "# " + "x" * 98 + "\n"
    text = EVERYBODY + filler * (MAX_BYTES // len(filler) - 1)
    cut = text + "Allow: /" + "a" * 200 + "\nDisallow: /"
    assert len(cut) > MAX_BYTES
    assert RobotsFile(cut).allows(f"{HOST}/a.jpg")
    half = text + " " * (MAX_BYTES - len(text) - len("Disallow: /")) + "Disallow: /only/this\n"
    assert RobotsFile(half).allows(f"{HOST}/a.jpg")


@pytest.mark.parametrize(
    "text",
    [
        EVERYBODY + "".join(f"Content-Usage: /{number} train-ai=n\n" for number in range(25_000)),
        EVERYBODY + "".join(f"Disallow: /{number}\n" for number in range(30_000)) + "Disallow: /a",
        EVERYBODY + "".join(f"Disallow: /*{'a*' * 100}{number}b\n" for number in range(1_500)),
        "User-agent: a\nAllow: /\n" * 20_000,
        "User-agent: byline\nAllow: /a\n" * 15_000,
        "User-agent: a\n" * 30_000,
        "\x00" * MAX_BYTES,
        ":" * MAX_BYTES,
        "Disallow:" + "*" * MAX_BYTES,
    ],
)
def test_a_hostile_file_costs_little(text):
    started = time.process_time()
    robots = RobotsFile(text)
    for path in ("/a" * 1_000, "/b"):
        robots.robots_signals(HOST + path)
    assert time.process_time() - started < 3


def test_more_rules_than_are_compared_give_no_permission():
    rules = "".join(f"Content-Usage: /{number} train-ai=n\n" for number in range(MAX_RULES))
    signals = RobotsFile(f"{EVERYBODY}Content-Usage: / train-ai=y\n{rules}").robots_signals(f"{HOST}/a")
    assert signals[-1] == (CUT, "")
    assert read_consent(consent_evidence(signals)).state == "unstated"


@given(st.text() | st.binary(), st.text(alphabet="ab/*$?%#é\u2028", max_size=20))
def test_no_robots_txt_raises(text, path):
    robots = RobotsFile(text)
    robots.robots_signals(f"{HOST}/{path}")
    robots.content_usage(f"{HOST}/{path}")
    robots.crawl_delay()


@given(st.lists(st.tuples(st.sampled_from(["User-agent", "Allow", "Disallow", "Content-Usage"]), st.text())))
def test_lines_of_any_text_never_raise(lines):
    robots = RobotsFile(EVERYBODY + "".join(f"{field}: {value}\n" for field, value in lines))
    assert consent_evidence(robots.robots_signals(f"{HOST}/a")) is None or not robots.is_unreachable


def test_an_entry_is_recorded_with_the_keys_of_the_protocol_only():
    entry = {"location": "/", "tdm-reservation": 1, "tdm-policy": "https://example.org/p", "note": "x" * 9_999}
    [(name, value)] = TdmRepFile(json.dumps([entry]).encode()).signals(f"{HOST}/a")
    assert (name, json.loads(value)) == ("tdmrep.json", {key: entry[key] for key in list(entry)[:3]})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b"\xff\xfe[\0]\0",
        b'[{"location": "/", "tdm-reservation": ' + b"1" * 5_000 + b"}]",
        b"[" + b" " * MAX_BYTES + b"]",
    ],
)
def test_a_malformed_file_is_evidence(data):
    assert TdmRepFile(data).signals(f"{HOST}/a") == (("tdmrep.json", "malformed"),)


@pytest.mark.parametrize(
    "data",
    [
        json.dumps({"location": "/", "tdm-reservation": 1}).encode(),
        json.dumps([{"location": "/", "tdm-reservation": 1}]).encode("utf-16"),
        b'[7, {"location": "/", "tdm-reservation": 1.0}]',
    ],
)
def test_a_plain_no_counts_in_a_file_that_is_not_as_specified(data):
    signals = TdmRepFile(data).signals(f"{HOST}/a")
    assert read_consent(consent_evidence(signals)).rule == "tdmrep.json:1"


@pytest.mark.parametrize(
    "data",
    [
        json.dumps({"location": "/", "tdm-reservation": 0}).encode(),
        json.dumps([{"location": "/", "tdm-reservation": 0}]).encode("utf-16"),
        b'[{"location": "/", "tdm-reservation": 0.0}]',
    ],
)
def test_a_yes_is_believed_in_a_file_as_specified_only(data):
    assert read_consent(consent_evidence(TdmRepFile(data).signals(f"{HOST}/a"))).state == "unstated"


@pytest.mark.parametrize(
    ("status", "rule"),
    [(200, "tdmrep.json:1"), (203, "tdmrep.json:1"), (None, "tdmrep.json:unreachable"), (404, ""), (403, "")]
    + [(status, "tdmrep.json:unreachable") for status in (429, 500, 503)],
)
def test_what_a_status_of_tdmrep_json_means(status, rule):
    file = tdmrep_of(status, b'[{"location": "/", "tdm-reservation": 1}]')
    signals = () if file is None else file.signals(f"{HOST}/a")
    assert read_consent(consent_evidence(signals)).rule == rule


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_robots_txt_in_utf_16_is_obeyed(encoding):
    text = "\ufeffUser-agent: *\nDisallow: /\n" if encoding != "utf-16" else "User-agent: *\nDisallow: /\n"
    assert not RobotsFile(text.encode(encoding)).allows(f"{HOST}/a")


@pytest.mark.parametrize(
    "said", ["NaN", "Infinity", "1e400", '"\\ud800"', "[1]", "{}", "null", '"' + "1" * 9_999 + '"']
)
def test_an_odd_reservation_is_kept_short_and_says_nothing(said):
    data = f'[{{"location": "/", "tdm-reservation": {said}, "tdm-policy": "\\udfff"}}]'.encode()
    signals = TdmRepFile(data).signals(f"{HOST}/a")
    assert len(signals[0][1]) < 1_000
    assert read_consent(consent_evidence(signals)).state == "unstated"


@given(st.binary())
def test_no_tdmrep_json_raises(data):
    TdmRepFile(data).signals(f"{HOST}/a")


def test_many_entries_cost_little():
    entries = [{"location": f"/{number}*{'a*' * 50}", "tdm-reservation": 1} for number in range(4_000)]
    started = time.process_time()
    file = TdmRepFile(json.dumps(entries).encode())
    file.signals(f"{HOST}/{'a' * 2_000}")
    assert time.process_time() - started < 3
