"""What servers and pictures say, and what each comes to."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byline.catalog.consent import (
    CUT,
    MAX_CHARACTERS,
    OPT_OUTS,
    READERS,
    ConsentReading,
    consent_evidence,
    dictionary_members,
    header_signals,
    is_synthetic,
    read_consent,
    robots_directives,
    synthetic_rule,
)
from tests.consent_cases import load_cases

CASES = load_cases()
C2PA = [
    "{}",
    "[]",
    "null",
    '{"entries":[]}',
    '{"entries":{"a":1}}',
    '{"digitalSourceType":{}}',
    "[" * 9_000,
    '{"a":NaN}',
]


def _reading(*signals):
    return read_consent(consent_evidence(signals))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind} {case.how} {case.text[:40]!r}")
def test_every_row_of_the_conformance_table(case):
    evidence = case.evidence
    if case.kind == "origin":
        assert (is_synthetic(evidence), synthetic_rule(evidence)) == (case.state == "synthetic", case.rule)
    else:
        assert read_consent(evidence) == ConsentReading(case.state, case.rule)


def test_the_table_is_large_and_says_nothing_twice():
    assert len(CASES) >= 300
    assert len({(case.kind, case.how, case.text) for case in CASES}) == len(CASES)
    assert {case.kind for case in CASES} == {"headers", "robots.txt", "tdmrep.json", "xmp", "c2pa", "origin"}


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
        ([("tdmrep.json", '{"tdm-reservation":1}'), ("tdm-reservation", "0")], "opted-out", "tdmrep.json:1"),
        ([("tdmrep.json", '{"tdm-reservation":0}'), ("tdm-reservation", "1")], "opted-out", "tdm-reservation:1"),
        ([("tdm-reservation", "0"), ("c2pa", "unread")], "unstated", "c2pa:unread"),
        ([("c2pa", "unread"), ("tdm-reservation", "0")], "unstated", "c2pa:unread"),
        ([("xmp", "unread"), ("tdm-reservation", "1")], "opted-out", "tdm-reservation:1"),
        ([("tdm-reservation", "0"), ("robots.txt", "unreachable")], "unstated", "robots.txt:unreachable"),
        ([("tdm-reservation", "0"), ("weather", "fine")], "allowed", "tdm-reservation:0"),
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


def test_headers_and_what_else_is_heard_do_not_push_each_other_out():
    signals = [("x-robots-tag", "a" * MAX_CHARACTERS), ("xmp:plus:DataMining", "DMI-PROHIBITED")]
    for order in (signals, signals[::-1]):
        assert _reading(*order).rule == "xmp:plus:DataMining=DMI-PROHIBITED"


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from([*READERS, "date", "z"]), st.text() | st.sampled_from(C2PA))))
def test_no_signal_raises(signals):
    evidence = consent_evidence(signals)
    assert read_consent(evidence).state in {"opted-out", "allowed", "unstated"}
    assert isinstance(synthetic_rule(evidence), str)


@given(st.lists(st.sampled_from([*sorted(OPT_OUTS), "all", "byline", "x", ":", ",", " ", ";", "İ"])).map("".join))
def test_the_short_way_through_a_line_comes_to_the_same(line):
    directives = robots_directives(line)
    noes = [f"x-robots-tag:{said}" for agent, said in directives if agent in ("", "*", "byline") and said in OPT_OUTS]
    assert _reading(("x-robots-tag", line)).rule == (noes or [""])[0]


def test_the_date_is_kept_only_where_a_line_has_a_date():
    date = ("Date", "Tue, 24 Nov 2026 11:00:00 GMT")
    assert header_signals([date, ("X-Robots-Tag", "noai"), ("Server", "x")]) == [("x-robots-tag", "noai")]
    dated = [date, ("X-Robots-Tag", "Unavailable_After: 2030-01-01")]
    assert [name for name, _ in header_signals(dated)] == ["x-robots-tag", "date"]


@given(st.text(alphabet='trainy-=n,;:"() *\\?1.a%@'))
def test_a_dictionary_that_is_read_has_lower_case_keys(value):
    for key, _ in dictionary_members(value) or []:
        assert key == key.lower()


@pytest.mark.parametrize("value", ['a="' + "x" * 7_000, "a=(" + "1 " * 3_500, "a" + ";b=1" * 1_900 + "!", "a:" * 4_000])
def test_hostile_values_take_no_time(value):
    started = time.process_time()
    _reading(("content-usage", value), ("x-robots-tag", value))
    assert time.process_time() - started < 0.5
