"""Headers as servers send them, and what each comes to."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.consent import (
    CUT,
    MAX_CHARACTERS,
    consent_evidence,
    dictionary_members,
    read_consent,
)

ROBOTS_OPT_OUTS = [
    ("noai", "noai"),
    ("noimageai", "noimageai"),
    ("noml", "noml"),
    ("none", "none"),
    ("noindex", "noindex"),
    ("noimageindex", "noimageindex"),
    ("NoAI", "noai"),
    ("NOAI, NOIMAGEAI", "noai"),
    ("nofollow, noarchive, noimageindex", "noimageindex"),
    ("  noai  ", "noai"),
    ("noai,", "noai"),
    (",,noai", "noai"),
    ("noindex nofollow", "noindex"),
    ("nosnippet;noai", "noai"),
    # The values of directives that have one.
    ("noimageai, max-image-preview: none", "noimageai"),
    ("max-image-preview: none, noimageai", "noimageai"),
    ("max-snippet: 20, noai", "noai"),
    ("max-snippet:-1,max-video-preview:-1,noml", "noml"),
    ("noai, unavailable_after: 25 Jun 2030 15:00:00 PST", "noai"),
    ("unavailable_after: 25 Jun 2030 15:00:00 PST, noai", "noai"),
    ("unavailable_after: Tuesday, 25-Jun-30 15:00:00 PST, noai", "noai"),
    ("unavailable_after: Tue, 25 Jun 2030 15:00:00 GMT, noarchive, noai", "noai"),
    ("Unavailable_After: June 25, 2030 3:00:00 PM, NoAI", "noai"),
    ("unavailable_after: Tue, Jun 25 15:00:00 2030, noai", "noai"),
    ("unavailable_after: 2030-06-25T15:00:00+02:00, noai", "noai"),
    ("noai: 1", "noai"),
    # Directives for one agent.
    ("byline: noai", "noai"),
    ("Byline : noindex", "noindex"),
    ("byline/0.1: noai", "noai"),
    ("*: noai", "noai"),
    ("byline: max-image-preview: none, noai", "noai"),
    ("byline: unavailable_after: Tue, 25 Jun 2030 15:00:00 GMT, noai", "noai"),
    ("googlebot: all, byline: noai", "noai"),
    ("noai, googlebot: all", "noai"),
    ("all, noai", "noai"),
]
ROBOTS_SILENT = [
    "",
    "all",
    "index, follow",
    "nofollow",
    "noarchive, nosnippet",
    "max-image-preview: none",
    "max-image-preview:none",
    "max-image-preview: large, max-snippet: -1",
    "unavailable_after: 25 Jun 2030 15:00:00 PST",
    "unavailable_after: Tuesday, 25-Jun-30 15:00:00 PST",
    "googlebot: noindex",
    "GoogleBot: noai, noindex",
    "googlebot: max-image-preview: none, noai",
    "byline-of-another: noai",
    "360spider: noai",
    "googlebot: unavailable_after: Tue, 25 Jun 2030 15:00:00 GMT, noai",
    "unavailable_after: Tue, 25 Jun 2030 15:00:00 GMT, googlebot: noai",
    "byline: all, googlebot: noai",
    "noairplanes",
    "some free text: with a colon",
    "\x00\ufffd:::,,,:",
]
TDM = [
    ("1", "opted-out"),
    (" 1 ", "opted-out"),
    ('"1"', "opted-out"),
    ("0, 1", "opted-out"),
    ("0", "allowed"),
    ("0, 0", "allowed"),
    ("", "unstated"),
    ("2", "unstated"),
    ("true", "unstated"),
    ("0, perhaps", "unstated"),
]
CONTENT_USAGE = [
    ("train-ai=n", "opted-out"),
    ("train-ai=y", "allowed"),
    ("ai-use=n", "opted-out"),
    ("train-genai=n", "opted-out"),
    ("train-ai=n, search=y", "opted-out"),
    ("search=y,train-ai=n", "opted-out"),
    ("search=n, train-ai=y", "allowed"),
    ("train-ai=y, ai-use=n", "opted-out"),
    ("train-ai=n;x=1", "opted-out"),
    ("train-ai=y;n, search=n", "allowed"),
    ("train-ai;allow=n, train-ai=y", "allowed"),
    ('note="a, train-ai=n", train-ai=y', "allowed"),
    ('sizes=(1 2.5;q=0.1 "x" tok :YQ==: ?0 @1), train-ai=y', "allowed"),
    # A repeated key: the last value may be a yes, any may be a no.
    ("train-ai=n, train-ai=y", "opted-out"),
    ("train-ai=y, train-ai=n", "opted-out"),
    ("train-ai=y, train-ai", "unstated"),
    # Values that are no y and no n.
    ("train-ai", "unstated"),
    ("train-ai=?0", "unstated"),
    ('train-ai="y"', "unstated"),
    ("train-ai=maybe", "unstated"),
    ("train-ai=Y", "unstated"),
    ("train-ai=1", "unstated"),
    # Other uses.
    ("search=n", "unstated"),
    ("ai-use=y", "unstated"),
    ("train-aix=n", "unstated"),
    ("", "unstated"),
    # No dictionaries: no permission, though a plain no counts.
    ("train-ai=y,", "unstated"),
    ("train-ai=y search=y", "unstated"),
    ("Train-AI=y", "unstated"),
    ("train-ai = y", "unstated"),
    ("train-ai=n,", "opted-out"),
    ("Train-AI=N", "opted-out"),
    ("train-ai = n", "opted-out"),
]


def _reading(*signals):
    return read_consent(consent_evidence(signals))


@pytest.mark.parametrize(("line", "directive"), ROBOTS_OPT_OUTS)
def test_x_robots_tag_says_no(line, directive):
    reading = _reading(("x-robots-tag", line))
    assert (reading.state, reading.rule) == ("opted-out", f"x-robots-tag:{directive}")


@pytest.mark.parametrize("line", ROBOTS_SILENT)
def test_x_robots_tag_says_nothing_to_us(line):
    assert _reading(("x-robots-tag", line)).state == "unstated"


@pytest.mark.parametrize(("value", "state"), TDM)
def test_tdm_reservation(value, state):
    assert _reading(("tdm-reservation", value)).state == state


@pytest.mark.parametrize(("value", "state"), CONTENT_USAGE)
def test_content_usage(value, state):
    assert _reading(("content-usage", value)).state == state


@pytest.mark.parametrize(
    ("signals", "state", "rule"),
    [
        ([], "unstated", ""),
        ([("tdm-policy", "https://example.org/policy.json")], "unstated", ""),
        ([("tdm-reservation", "1"), ("tdm-policy", "https://example.org/p.json")], "opted-out", "tdm-reservation:1"),
        ([("x-robots-tag", "all"), ("x-robots-tag", "noai")], "opted-out", "x-robots-tag:noai"),
        ([("x-robots-tag", "googlebot: all"), ("x-robots-tag", "noml")], "opted-out", "x-robots-tag:noml"),
        ([("tdm-reservation", "0"), ("x-robots-tag", "noai")], "opted-out", "x-robots-tag:noai"),
        ([("content-usage", "train-ai=y"), ("tdm-reservation", "1")], "opted-out", "tdm-reservation:1"),
        ([("content-usage", "train-ai=y"), ("content-usage", "train-ai=n")], "opted-out", "content-usage:train-ai=n"),
        ([("tdm-reservation", "0"), ("content-usage", "train-ai=?0")], "allowed", "tdm-reservation:0"),
        ([("content-usage", "train-ai=y"), ("tdm-reservation", "0")], "allowed", "content-usage:train-ai=y"),
        ([("robots.txt", "Disallow: /"), ("tdm-reservation", "0")], "opted-out", "robots.txt:disallow"),
    ],
)
def test_the_most_restrictive_signal_wins(signals, state, rule):
    reading = _reading(*signals)
    assert (reading.state, reading.rule) == (state, rule)


@pytest.mark.parametrize(
    "evidence",
    [
        "",
        "{",
        "null",
        "0",
        '"tdm-reservation"',
        '{"tdm-reservation": "0"}',
        '[["tdm-reservation"]]',
        '[["tdm-reservation", 0]]',
        '[["tdm-reservation", "0"], null]',
        '[["tdm-reservation", "0", "1"]]',
        '[["tdm-reservation", "0"], ["x"]]',
        '[["tdm-reservation", "0"]',
        '[["tdm-reservation", ["0"]]]',
        "[" * 100_000,
        "1" * 5_000,
    ],
)
def test_damaged_evidence_is_no_permission(evidence):
    assert (read_consent(evidence).state, read_consent(evidence).rule) == ("unstated", "damaged")


def test_of_damaged_evidence_what_can_be_read_may_say_no():
    assert read_consent('[null, ["x-robots-tag", "noai"]]').state == "opted-out"


def test_nothing_said_is_no_evidence():
    assert consent_evidence([]) is None
    assert (read_consent(None).state, read_consent(None).rule) == ("unstated", "")


def test_evidence_is_the_one_spelling_of_the_signals_in_their_order():
    signals = [("x-robots-tag", "a"), ("tdm-policy", "ü"), ("x-robots-tag", "a")]
    assert consent_evidence(signals) == '[["x-robots-tag","a"],["tdm-policy","ü"],["x-robots-tag","a"]]'


@pytest.mark.parametrize(
    "signals",
    [
        [("tdm-reservation", "0"), ("x-robots-tag", "a" * MAX_CHARACTERS)],
        [("tdm-reservation", "0"), *[("x-robots-tag", "")] * MAX_CHARACTERS],
    ],
)
def test_long_evidence_is_cut_and_is_no_permission(signals):
    evidence = consent_evidence(signals)
    assert len(evidence) < 2 * MAX_CHARACTERS
    assert json.loads(evidence)[-1] == [CUT, ""]
    assert (read_consent(evidence).state, read_consent(evidence).rule) == ("unstated", "cut")


def test_evidence_that_just_fits_is_not_cut():
    value = "0" + " " * (MAX_CHARACTERS - len("tdm-reservation") - 1)
    assert _reading(("tdm-reservation", value)).state == "allowed"


@given(st.lists(st.tuples(st.sampled_from(["x-robots-tag", "tdm-reservation", "content-usage", "z"]), st.text())))
def test_no_header_raises(signals):
    assert _reading(*signals).state in {"opted-out", "allowed", "unstated"}


@given(st.text(alphabet='trainy-=n,;:"() *\\?1.a%@'))
def test_a_dictionary_that_is_read_has_lower_case_keys(value):
    for key, _ in dictionary_members(value) or []:
        assert key == key.lower()


@pytest.mark.parametrize("value", ['a="' + "x" * 7_000, "a=(" + "1 " * 3_500, "a" + ";b=1" * 1_900 + "!", "a:" * 4_000])
def test_hostile_values_take_no_time(value):
    started = time.monotonic()
    _reading(("content-usage", value), ("x-robots-tag", value))
    assert time.monotonic() - started < 0.5
