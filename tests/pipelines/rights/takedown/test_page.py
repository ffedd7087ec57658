"""The page to look at before a takedown: what it shows, in which order, and that nothing a source said can run."""

import base64
import hashlib
import re

import pytest
from bs4 import BeautifulSoup

from byline.pipelines.rights.takedown.page import Case, CaseRecord, Promoted, Seen, review_page
from tests.builders import a_picture, encoded

PICTURE = encoded(a_picture(1))
EVIL = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{ 7*7 }} \u202e\u2066 \x1b[31m\n</title><svg onload=x>"
)


def a_case(**overrides):
    """Return a case that every test may change in one place."""
    fields = {
        "asked": "record test:1",
        "reason": "asked for",
        "sha256": "a" * 64,
        "picture": PICTURE,
        "records": (a_case_record(),),
        "releases": ("small/0123456789abcdef",),
        "shards": ("test-00000-train-0123456789abcdef.tar",),
        "seen": (Seen(checkpoint="run/step-10", times=3),),
    }
    return Case(**{**fields, **overrides})


def a_case_record(**overrides):
    fields = {
        "record_id": "test:1",
        "title": "Blobs",
        "creator": "Ada L.",
        "license": "CC-BY-4.0",
        "source_url": "https://pictures.example/1",
    }
    return CaseRecord(**{**fields, **overrides})


def _near(number, bits):
    records = (a_case_record(record_id=f"test:{number}"),)
    return a_case(reason=f"near: {bits} bits", distance_bits=bits, sha256=f"{number:064x}", records=records, seen=())


def _page(*cases, title="Takedown"):
    return BeautifulSoup(review_page(cases, title).decode(), "html.parser")


def _evil_page():
    record = a_case_record(record_id=EVIL, title=EVIL, creator=EVIL, license=EVIL, source_url="javascript:" + EVIL)
    evil = a_case(
        asked=EVIL,
        reason=EVIL,
        sha256=EVIL,
        records=(record,),
        releases=(EVIL,),
        shards=(EVIL,),
        seen=(Seen(checkpoint=EVIL, times=1),),
        promoted=Promoted(record_id=EVIL, title=EVIL, picture=PICTURE),
    )
    return review_page([evil], EVIL).decode()


def test_a_case_shows_all_that_is_known_of_it():
    promoted = Promoted(record_id="test:9", title="The next", picture=PICTURE)
    (case,) = _page(a_case(promoted=promoted)).select(".case")
    text = " ".join(case.get_text(" ").split())
    for part in (
        "asked for",
        "Blobs",
        "Ada L.",
        "CC BY 4.0",
        "test:1",
        "small/0123456789abcdef",
        "run/step-10, 3 times",
        "The next test:9",
        "test-00000-train-0123456789abcdef.tar",
        "a" * 64,
    ):
        assert part in text
    assert case.a["href"] == "https://pictures.example/1"
    encoded_picture = f"data:image/jpeg;base64,{base64.b64encode(PICTURE).decode()}"
    assert [image["src"] for image in case.find_all("img")] == [encoded_picture] * 2


def test_what_is_not_known_is_said():
    bare = Case(asked="record test:1", reason="asked for", records=(CaseRecord(record_id="test:1"),))
    (case,) = _page(bare).select(".case")
    for words in ("never fetched", "Untitled", "Creator not stated", "no release", "no checkpoint"):
        assert words in case.get_text()
    assert not case.find_all(["a", "img", "details"])


def test_cases_are_grouped_by_what_was_asked_for_and_the_nearest_is_first():
    cases = [_near(2, 12), _near(3, 2), a_case(asked="record test:7"), a_case(reason="equal bytes"), a_case()]
    page = _page(*cases)
    assert [heading.get_text(" ", strip=True) for heading in page.select("h2")] == [
        "Blobs Ada L. 3 pictures record test:1",
        "Blobs Ada L. 1 picture record test:7",
    ]
    reasons = [reason.get_text() for reason in page.select_one("section").select(".reason")]
    assert reasons == ["asked for", "equal bytes", "near: 2 bits", "near: 12 bits"]


@pytest.mark.parametrize(
    ("records", "heading"),
    [
        ((a_case_record(title=""), a_case_record(title="A boat", creator="")), "A boat 1 picture record test:1"),
        ((a_case_record(title="", creator=""),), "Untitled 1 picture record test:1"),
        ((), "Untitled 1 picture record test:1"),
    ],
)
def test_a_group_is_headed_by_what_is_said_of_its_picture(records, heading):
    assert _page(a_case(records=records)).h2.get_text(" ", strip=True) == heading


def test_the_slider_reaches_the_greatest_distance():
    page = _page(a_case(), _near(2, 12), _near(3, 2))
    assert page.select_one("#bits")["max"] == page.select_one("#bits")["value"] == "12"
    assert [case["data-bits"] for case in page.select(".case")] == ["0", "2", "12"]
    assert _page(a_case()).select_one("#bits").has_attr("disabled")


def test_totals_count_what_several_cases_name_once():
    promoted = Promoted(record_id="test:9")
    cases = [a_case(promoted=promoted), a_case(promoted=promoted), _near(2, 4), a_case(sha256=None, asked="url x")]
    totals = [total.get_text(" ", strip=True) for total in _page(*cases).select(".totals li")]
    assert totals == "2 requests|2 pictures|2 records|1 release|1 shard|1 checkpoint|1 promoted".split("|")


def test_a_page_without_cases_says_so():
    assert "No picture of this corpus is asked for" in _page().get_text()


def test_equal_cases_give_equal_bytes():
    cases = [_near(2, 12), a_case(), _near(3, 2)]
    assert review_page(cases, "t") == review_page([cases[1], cases[2], cases[0]], "t")


def test_nothing_that_a_source_said_is_markup():
    page = BeautifulSoup(_evil_page(), "html.parser")
    assert len(page.find_all("script")) == 1
    assert not page.find_all("svg")
    assert [name for tag in page.find_all() for name in tag.attrs if name.startswith("on")] == []
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in page.find_all("img"))
    assert "{{ 7*7 }}" in page.get_text()
    assert page.select_one("title").get_text().startswith("<script>")


def test_what_a_source_said_cannot_turn_the_text_or_move_a_cursor():
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", _evil_page())


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "JAVASCRIPT:x", "data:text/html,x", "file:///etc/passwd", "//x", "\tjavascript:x"]
)
def test_only_http_is_linked(url):
    page = _page(a_case(records=(a_case_record(source_url=url),)))
    assert not page.find_all("a")
    assert url.strip() in page.get_text(), "it is shown all the same"


def test_only_the_script_of_the_page_may_run_and_nothing_is_fetched():
    page = BeautifulSoup(_evil_page(), "html.parser")
    policy = page.select_one("meta[http-equiv]")["content"]
    digest = base64.b64encode(hashlib.sha256(page.script.string.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy.split("script-src")[1]
    assert not page.find_all(["link", "iframe", "object", "form", "base"])
