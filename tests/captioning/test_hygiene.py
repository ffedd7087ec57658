import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byline.captioning.hygiene import clean_caption, clean_tags, clean_title


@pytest.mark.parametrize(
    ("text", "caption"),
    [
        ("red heart", "red heart"),
        ("flag: Japan", "flag: Japan"),
        ("keycap: #", "keycap: #"),
        ("woman: medium-dark skin tone", "woman: medium-dark skin tone"),
        ("  a \t cat\n\non a\u00a0mat ", "a cat on a mat"),
        ("a\u0000 c\u0007at", "a cat"),
        ("\ufeffa\u200b c\u202eat\u00ad", "a cat"),
        ("cafe\u0301", "caf\u00e9"),
        ("File:Tour Eiffel Wikimedia Commons.jpg", "Tour Eiffel Wikimedia Commons"),
        ("File:Iedigawa_dam.JPG", "Iedigawa dam"),
        ("Fichier:Ch\u00e2teau.png", "Ch\u00e2teau"),
        ("sunset.jpeg", "sunset"),
        ("Image: the moon", "Image: the moon"),
        ("version 2.0", "version 2.0"),
        ("St. Peter", "St. Peter"),
        ("The .png format", "The .png format"),
        ("<p>Tour <b>Eiffel</b><br>background</p>", "Tour Eiffel background"),
        ("<bdi>Bukk</bdi>'s hammer", "Bukk's hammer"),
        ('<a href="https://example.com/?a=1&b=2">Old&nbsp;bridge</a>', "Old bridge"),
        ("salt &amp; pepper &#9731;", "salt & pepper \u2603"),
        ("salt & pepper", "salt & pepper"),
        ("5 < 6 and I <3 you", "5 < 6 and I <3 you"),
        ("<script>alert(1)</script>a cat<style>p {}</style>", "a cat"),
        ("<!-- hidden -->a cat", "a cat"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("\u98a8\u666f", "\u98a8\u666f"),
        (
            "\u041a\u043e\u0442 \u043d\u0430 \u043e\u043a\u043d\u0435",
            "\u041a\u043e\u0442 \u043d\u0430 \u043e\u043a\u043d\u0435",
        ),
        ("\U0001f469\u200d\U0001f52c at work", "\U0001f469\u200d\U0001f52c at work"),
        ("", ""),
    ],
)
def test_clean_caption(text, caption):
    assert clean_caption(text, 300) == caption


@pytest.mark.parametrize(
    ("max_characters", "caption"),
    [
        (100, "a black cat, asleep"),
        (19, "a black cat, asleep"),
        (18, "a black cat"),
        (12, "a black cat"),
        (11, "a black cat"),
        (10, "a black"),
        (1, "a"),
    ],
)
def test_captions_are_cut_at_a_words_end(max_characters, caption):
    assert clean_caption("a black cat, asleep", max_characters) == caption


def test_a_word_that_is_too_long_is_cut_inside():
    assert clean_caption("\u98a8" * 40, 10) == "\u98a8" * 10


@given(st.text() | st.text(alphabet="<>&;!-[]/ab \u0301e\n"), st.integers(1, 30))
def test_any_text_becomes_one_clean_line(text, max_characters):
    caption = clean_caption(text, max_characters)
    assert len(caption) <= max_characters
    assert caption == " ".join(caption.split())
    assert unicodedata.is_normalized("NFC", caption)
    assert not any(unicodedata.category(c) in ("Cc", "Co", "Cs") for c in caption)


@pytest.mark.parametrize(
    "title",
    [
        "nan",
        "None",
        "Untitled",
        "[no title]",
        "-",
        "unknown",
        "Sans titre",
        "IMG_2034.JPG",
        "File:DSC01234.jpg",
        "DSCN0001",
        "P1010203.JPG",
        "_MG_5513",
        "20190704_113012.jpg",
        "4711",
    ],
)
def test_a_cameras_file_name_or_a_word_for_nothing_is_no_title(title):
    assert clean_title(title, 300) == ""


@pytest.mark.parametrize("title", ["Apollo 11", "P", "picture of a cat", "100 balloons", "Photo 51, by Franklin"])
def test_titles_with_numbers_stay(title):
    assert clean_title(title, 300) == title


@pytest.mark.parametrize(
    ("tags", "caption"),
    [
        (("ski", "snow", "ski"), "ski, snow"),
        (("red_heart", "<b>love</b>", ""), "red heart, love"),
        (("nan", "-", "<br>", "lake"), "lake"),
        (("geo:lat=52.1", "flickriosapp:filter=NoFilter", "lake"), "lake"),
        ((), ""),
        (("mountain", "a far too long tag"), "mountain"),
    ],
)
def test_clean_tags(tags, caption):
    assert clean_tags(tags, 20) == caption
