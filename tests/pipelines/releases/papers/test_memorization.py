"""The report on memorization: its counts beside plain counting, its page closed to whatever a source says."""

import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from byline.pages.html import csp_hash
from byline.pipelines.releases.papers.memorization import memorization_html, memorization_json
from byline.pipelines.releases.papers.memorization_counts import (
    BINS,
    Cluster,
    CopiesLeft,
    binned,
    count_captions,
    count_clusters,
    count_creators,
    most_frequent,
)
from byline.pipelines.releases.papers.text_numbers import text_numbers
from tests.pipelines.releases.papers.accounts import EVIL, a_credit, a_risk, an_account

TEXTS = ["", "a", "a\0", "a\0\0", "b", "ab", "a cat", "a cat ", "eight8ch", "eight8ch9", "ü", "x" * 5_000, None]


def _column(*chunks):
    return pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks], pa.string())


def _numbers(values):
    return np.array(values, np.uint64)


def _listed(numbers):
    return [f"text {number}" for number in numbers]


def _bin(size, least):
    return [name for name, bound in BINS.items() if least <= bound <= size][-1]


def test_texts_have_one_number_only_when_they_are_equal():
    numbers = text_numbers(_column(TEXTS)).tolist()
    assert numbers[0] == numbers[-1]
    assert len(set(numbers)) == len(TEXTS) - 1


def test_the_number_of_a_text_does_not_depend_on_where_it_lies():
    whole = text_numbers(_column(TEXTS))
    assert text_numbers(_column(TEXTS[:3], [], TEXTS[3:])).tolist() == whole.tolist()
    assert text_numbers(_column(TEXTS).slice(4, 3)).tolist() == whole[4:7].tolist()
    assert text_numbers(_column()).tolist() == []


def _splitmix(word):
    word = (word + 0x9E3779B97F4A7C15) % 2**64
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ word >> 27) * 0x94D049BB133111EB % 2**64
    return word ^ word >> 31


def _number(text):
    """Return what `text_numbers` gives, a text at a time."""
    data = (text or "").encode()
    number = _splitmix(len(data))
    for place in range(0, len(data), 8):
        number = _splitmix(number ^ int.from_bytes(data[place : place + 8], "little"))
    return number


def test_the_number_of_a_text_stays():
    assert text_numbers(_column(TEXTS)).tolist() == [_number(text) for text in TEXTS]


@given(st.lists(st.text(max_size=3)))
def test_equal_texts_are_those_with_equal_numbers(texts):
    numbers = text_numbers(_column(texts)).tolist()
    assert sorted(Counter(texts).values()) == sorted(Counter(numbers).values())


@pytest.mark.parametrize("least", [0, 1])
def test_every_value_is_in_its_bin(least):
    values = np.arange(least, 250)
    assert binned(values, least=least) == Counter(_bin(value, least) for value in values)


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 4))
def test_the_most_frequent_are_those_of_plain_counting(values, number):
    distinct, counts = np.unique(_numbers(values), return_counts=True)
    found = zip(*(column.tolist() for column in most_frequent(distinct, counts, least=2, number=number)), strict=True)
    ranked = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
    assert list(found) == [(value, count) for value, count in ranked if count >= 2][:number]


@given(st.lists(st.integers(0, 5), max_size=150), st.integers(0, 20))
def test_clusters_are_counted_as_one_by_one(keepers, num_alone):
    sizes = [copies + 1 for copies in Counter(keepers).values()] + [1] * num_alone
    counted = count_clusters(_numbers(keepers), num_alone_or_keeper=len(sizes))
    assert (counted.num_records, counted.num_distinct) == (sum(sizes), len(sizes))
    assert counted.num_clusters == len(set(keepers))
    assert counted.most == max(sizes, default=0)
    in_bins = {name: sum(size for size in sizes if _bin(size, 1) == name) for name in counted.records}
    assert counted.records == in_bins
    met = [size for size in sizes for _ in range(size)]
    assert counted.mean_of_records == pytest.approx(np.mean(met) if met else 0)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=60))
def test_captions_are_counted_as_one_by_one(samples):
    numbers, is_near = [number for number, _ in samples], [near for _, near in samples]
    times = Counter(numbers)
    counted = count_captions(_numbers(numbers), np.array(is_near, np.bool_), _listed)
    assert counted.num_shared == sum(times[number] > 1 for number in numbers)
    assert counted.num_shared_near == sum(near and times[number] > 1 for number, near in samples)
    assert {(one.caption, one.num_samples, one.num_near) for one in counted.most_shared} == {
        (f"text {number}", count, sum(near for other, near in samples if other == number))
        for number, count in times.items()
        if count > 1
    }


def test_captions_without_near_pictures_say_nothing_of_them():
    counted = count_captions(_numbers([1, 1]), None, _listed)
    assert counted.num_shared_near is None
    assert [one.num_near for one in counted.most_shared] == [None]


def test_creators_are_ranked_and_nobody_is_none_of_them():
    counted = count_creators(_numbers([0] * 5 + [1] * 6 + [2] * 2 + [3]), _numbers([]), None, _listed)
    assert counted.largest == (("text 1", 6), ("text 2", 2), ("text 3", 1))
    assert (counted.num_creators, counted.num_samples, counted.num_unnamed) == (3, 14, 5)
    assert counted.top == {1: 6, 10: 9, 100: 9}
    assert counted.effective_number == pytest.approx(81 / (36 + 4 + 1))
    assert counted.cap is None


def test_creators_over_the_cap_are_those_from_before_it():
    counted = count_creators(_numbers([1, 1, 2, 2, 3]), _numbers([1, 1, 1]), 2, _listed)
    assert (counted.cap, counted.num_over_cap, counted.num_refused) == (2, 1, 3)


def test_creators_over_round_numbers_are_counted_without_a_cap():
    counted = count_creators(_numbers([1] * 1_001 + [2] * 101 + [3] * 100), _numbers([]), None, _listed)
    assert counted.num_over == {100: 2, 1_000: 1}


def test_nothing_at_all_is_counted_as_nothing():
    nothing = _numbers([])
    assert count_clusters(nothing, num_alone_or_keeper=0).mean_of_records == 0
    assert count_captions(nothing, None, _listed).num_shared == 0
    assert count_creators(nothing, nothing, None, _listed).effective_number == 0


def _an_evil_account():
    def evil(numbers):
        return [EVIL for _ in numbers]

    cluster = Cluster(
        keeper_record_id=EVIL,
        keeper_sha256="a" * 64,
        num_pictures=9,
        num_same_bytes=1,
        farthest_bits=None,
        record_ids=(EVIL,),
    )
    risk = a_risk(
        copies_taken_out=count_clusters(_numbers([1] * 8), num_alone_or_keeper=2, largest=(cluster,)),
        captions=count_captions(_numbers([1, 1]), np.array([True, False]), evil),
        creators=count_creators(_numbers([1, 1]), _numbers([]), None, evil),
    )
    return an_account(name=EVIL, memorization=risk)


def test_the_page_shows_what_a_source_says_as_words():
    text = memorization_html(_an_evil_account()).decode()
    page = BeautifulSoup(text, "html.parser")
    assert not page.select("script, a, img, iframe, link, [style], [onload], [onerror]")
    assert not [char for char in text if (ord(char) < 32 and char != "\n") or char == "\u202e"]
    assert text.count("alert(1)") >= 4


def test_the_numbers_hold_no_control_character():
    text = memorization_json(_an_evil_account()).decode()
    assert not [char for char in text if (ord(char) < 32 and char != "\n") or char == "\u202e"]
    assert json.loads(text)["captions"]["most_shared"][0]["num_near"] == 1


def test_the_page_lets_nothing_be_loaded_or_run_but_its_own_style():
    page = BeautifulSoup(memorization_html(an_account()), "html.parser")
    (policy,) = (tag["content"] for tag in page.select("meta[http-equiv=Content-Security-Policy]"))
    (style,) = page.select("style")
    assert policy == f"default-src 'none'; style-src '{csp_hash(style.string)}'; base-uri 'none'; form-action 'none'"


def test_bars_are_as_long_as_their_shares():
    left = CopiesLeft(radius_bits=31, pictures=binned(np.array([0, 0, 0, 7]), least=0), most=7)
    page = BeautifulSoup(memorization_html(an_account(memorization=a_risk(copies_left=left))), "html.parser")
    rows = {row.td.text: row.rect["width"] for row in page.find("table").select("tr:has(rect)")}
    assert rows["0"] == "75.000"
    assert rows["5-9"] == "25.000"
    assert rows["1"] == "0.000"


def test_what_the_verdicts_do_not_say_is_said_to_be_unknown():
    risk = a_risk(copies_left=None, captions=count_captions(_numbers([1, 1]), None, _listed))
    account = an_account(memorization=risk)
    assert "Not counted" in memorization_html(account).decode()
    said = json.loads(memorization_json(account))
    assert said["copies_left"] is None
    assert said["captions"]["num_shared_near"] is None


def test_the_page_says_what_taking_copies_out_does_not_do():
    words = " ".join(re.sub(r"<[^>]*>", " ", memorization_html(an_account()).decode()).split())
    assert "1,280 pictures of 50,000, and 986 after" in words
    assert "A picture that is here once can be memorized." in words


def test_the_numbers_follow_the_release():
    account = an_account(a_credit(0), a_credit(1), reasons={"duplicate:near": 4, "duplicate:same-bytes": 2, "cap": 1})
    said = json.loads(memorization_json(account))
    assert said["content"] == account.content
    assert said["copies_taken_out"]["reasons"] == {"duplicate:near": 4, "duplicate:same-bytes": 2}
    other = replace(account, memorization=a_risk(num_samples=5))
    assert json.loads(memorization_json(other))["creators"]["num_samples"] == 5
