"""Credits as a table, as text and as a page."""

import re

import pytest
from bs4 import BeautifulSoup

from byline.catalog.errors import ConfigError
from byline.pipelines.releases.papers.credits import credit_line, credits_txt, missing_credits
from byline.pipelines.releases.papers.credits_page import credits_html, shown_creators
from byline.pipelines.releases.papers.licenses import licensed_as
from tests.builders import a_picture, encoded
from tests.pipelines.releases.papers.accounts import CHANGES, EVIL, a_credit, a_table, an_account


def _page(account, **options):
    return BeautifulSoup(credits_html(account, **options).decode(), "html.parser")


@pytest.mark.parametrize(
    ("overrides", "required", "lacking"),
    [
        ({}, ("creator", "source", "title", "license_url"), None),
        ({"creator": None}, ("creator", "source"), "creator"),
        ({"creator": " \t"}, ("creator",), "creator"),
        ({"title": ""}, ("creator", "title"), "title"),
        ({"creator": "nan", "title": "Untitled"}, ("creator", "title"), "creator and title"),
        ({"source_url": "held:a/1.jpg"}, ("source",), None),
        ({"source_url": "my own work"}, ("source",), "source"),
        ({"source_url": None, "creator": None}, ("creator", "source"), "creator and source"),
        ({"license_url": None}, ("license_url",), "license url"),
        ({"creator": None}, ("title",), None),
        ({"creator": None}, (), None),
        ({"creator": None, "license": "CC0-1.0"}, ("creator",), None),
        ({"creator": None, "license": "LicenseRef-public-domain"}, ("creator",), None),
        ({"creator": None, "license": "CC-BY-NC-SA-3.0-DE"}, ("creator",), "creator"),
        ({"creator": None, "license": "LicenseRef-CC-BY-SA"}, ("creator",), "creator"),
    ],
)
def test_a_credit_lacks_what_is_required_only_where_its_license_asks(overrides, required, lacking):
    lines = missing_credits(a_table(a_credit(0), a_credit(1, **overrides), a_credit(2)), required)
    spdx = overrides.get("license", "CC-BY-2.0")
    expected = [] if lacking is None else [f"{spdx} asks for credit; no {lacking} is known"]
    assert [line.split(": ", 1)[1] for line in lines] == expected
    assert all(line.startswith("test:1 (") for line in lines)


def test_no_credits_lack_nothing():
    assert missing_credits(a_table(), ("creator", "title")) == []


def test_a_part_that_no_credit_has_is_an_error():
    with pytest.raises(
        ConfigError, match="no part of a credit is called 'author'; the parts are creator, title, source"
    ):
        missing_credits(a_table(a_credit(0)), ("author",))


def test_a_line_of_text_has_title_author_source_license_and_changes():
    assert credit_line(a_credit(7)) == (
        '"Blobs 7" by Ada L. (https://people.example/ada), https://pictures.example/7, licensed under CC BY 2.0 '
        f"(https://creativecommons.org/licenses/by/2.0/), {CHANGES}"
    )


def test_a_picture_of_ones_own_is_found_by_its_file():
    credit = a_credit(7, source_url="held:box%203/%3Cb%3E1.jpg", record_id="photos:box 3/1.jpg")
    assert ", the file box 3/<b>1.jpg of photos, licensed under" in credit_line(credit)
    words = _page(an_account(credit)).select_one("li .words")
    assert "the file box 3/<b>1.jpg of photos" in [element.get_text() for element in words.select(".soft")]
    assert words.select_one(".title a") is None


@pytest.mark.parametrize(
    ("spdx", "words"),
    [
        ("CC-BY-NC-SA-3.0-IGO", "licensed under CC BY-NC-SA 3.0 IGO"),
        ("LicenseRef-CC-BY-2.0-FR", "licensed under CC BY 2.0 FR"),
        ("LicenseRef-CC-BY-SA", "licensed under CC BY-SA (version not stated)"),
        ("CC0-1.0", "marked with CC0 1.0"),
        ("CC-PDM-1.0", "marked with Public Domain Mark 1.0"),
        ("LicenseRef-public-domain", "in the public domain"),
        ("LicenseRef-no-known-restrictions", "no known copyright restrictions"),
        ("CC-BY-SA-3.0 OR GFDL-1.2-or-later", "licensed under CC BY-SA 3.0 or GFDL-1.2-or-later"),
        ("GPL-3.0-only", "licensed under GPL-3.0-only"),
    ],
)
def test_licenses_in_words(spdx, words):
    assert licensed_as(spdx) == words


def test_text_is_grouped_by_creator_and_those_not_stated_come_last():
    rows = [
        a_credit(0, creator=None),
        a_credit(1, creator="zoe"),
        a_credit(2, creator="Ada"),
        a_credit(3, creator="zoe"),
    ]
    text = credits_txt(an_account(*rows)).decode()
    assert [line for line in text.splitlines()[2:] if line and not line.startswith("  ")] == [
        "Ada (1)",
        "zoe (2)",
        "Creator not stated (1)",
    ]
    assert text.count(" by ") == 4


def test_no_source_can_begin_a_line_of_text_or_move_a_cursor():
    rows = [
        a_credit(0, title=EVIL, creator=EVIL, creator_url="javascript:alert(1)", source_url=f"https://a.example/{EVIL}")
    ]
    text = credits_txt(an_account(*rows)).decode()
    assert len(text.splitlines()) == 5
    assert not re.search(r"[^\n\x20-\x7e]", text)
    assert "javascript" not in text


def test_the_page_shows_every_picture_by_creator_with_its_license_and_source():
    rows = [a_credit(0), a_credit(1, creator="Bo", creator_url=None, license="LicenseRef-public-domain", title=None)]
    small = encoded(a_picture(0, size=(64, 48)))
    page = _page(an_account(*rows, thumbnails={rows[0]["sha256"]: small}))
    assert [h2.bdi.text for h2 in page.select("h2")] == ["Ada L.", "Bo"]
    first, second = page.select("ul.pictures li")
    assert first.img["src"].startswith("data:image/jpeg;base64,")
    assert first.img["loading"] == "lazy"
    assert [(a.text, a["href"]) for a in first.select("a")] == [
        ("Blobs 0", "https://pictures.example/0"),
        ("CC BY 2.0", "https://creativecommons.org/licenses/by/2.0/"),
    ]
    assert second.img is None
    assert second.select_one(".title").text == "Untitled"
    assert second.select_one(".license").text == "public domain"
    assert CHANGES in page.header.text


def test_the_page_needs_nothing_but_itself():
    page = _page(an_account())
    assert not page.select("link, script[src], iframe, img:not([src^='data:'])")
    assert "default-src 'none'" in page.select_one("meta[http-equiv]")["content"]


def test_nothing_that_a_source_says_becomes_markup():
    row = a_credit(
        0, title=EVIL, creator=EVIL, creator_url="javascript:alert(1)", source_url="data:text/html,x", changes=EVIL
    )
    page = _page(an_account(row))
    assert len(page.select("script")) == 1
    assert not page.select("section script, section [onerror]")
    assert [a["href"] for a in page.select("section a")] == ["https://creativecommons.org/licenses/by/2.0/"]
    assert "<script>alert(1)</script>" in page.select_one("h2").text


@pytest.mark.parametrize(
    ("limit", "shown", "left_out"),
    [
        (6, ["Ada", "Bo", "Cy"], None),
        (5, ["Ada", "Bo"], "This page shows 3 of them; 3 are left out"),
        (3, ["Ada", "Bo"], "This page shows 3 of them; 3 are left out"),
        (2, ["Ada"], "This page shows 2 of them; 4 are left out"),
        (1, ["Ada"], "This page shows 1 of them; 5 are left out"),
    ],
)
def test_a_long_page_leaves_out_whole_creators_and_says_how_many_pictures(limit, shown, left_out):
    creators = ["Ada", "Ada", "Bo", "Cy", "Cy", "Cy"]
    account = an_account(*(a_credit(number, creator=name) for number, name in enumerate(creators)))
    page = _page(account, max_pictures=limit)
    assert [h2.bdi.text for h2 in page.select("h2")] == shown
    assert (left_out in page.header.text) if left_out else ("left out" not in page.header.text)
    assert ("credits.txt and credits.parquet") in page.header.text
    if limit == 1:
        assert "1 of 2" in page.select_one("h2").text


def test_the_pictures_that_the_page_shows_can_be_known_before_their_thumbnails_are_read():
    account = an_account(*(a_credit(number, creator=name) for number, name in enumerate(["b", "B", None, "a", "a"])))
    for limit in range(1, 6):
        shown = [row["title"] for _, _, rows in shown_creators(account.credits, limit) for row in rows]
        assert [title.text for title in _page(account, max_pictures=limit).select(".title")] == shown
