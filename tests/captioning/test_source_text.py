import pytest

from byline.captioning import CaptionRequest, make_captioner
from byline.captioning.source_text import SourceTextConfig


def a_request(**overrides):
    return CaptionRequest(**{"sha256": "0" * 64, "image": None, "title": "red heart", "tags": ("love",), **overrides})


@pytest.mark.parametrize(
    ("overrides", "caption"),
    [
        ({}, "red heart"),
        ({"title": ""}, "love"),
        ({"title": "IMG_2034.JPG"}, "love"),
        ({"title": "IMG_2034.JPG", "tags": ()}, ""),
    ],
)
def test_the_title_comes_first(overrides, caption):
    assert make_captioner(SourceTextConfig()).caption([a_request(**overrides)]) == [caption]


def test_captions_keep_the_order_of_requests():
    requests = [a_request(title=title) for title in ("one cat", "two cats", "no cat")]
    assert make_captioner(SourceTextConfig()).caption(requests) == ["one cat", "two cats", "no cat"]


def test_needs_no_pixels():
    assert not make_captioner(SourceTextConfig()).needs_pixels


def test_captions_are_cut_to_the_configured_length():
    captioner = make_captioner(SourceTextConfig(max_characters=12))
    assert captioner.caption([a_request(title="a very small cat")]) == ["a very small"]


def test_the_instrument_changes_with_the_settings():
    one, other = (make_captioner(SourceTextConfig(max_characters=n)).instrument for n in (100, 200))
    assert one != other


def test_a_caption_says_where_it_comes_from():
    caption = make_captioner(SourceTextConfig()).attributed("red heart")
    assert (caption.text, caption.model, caption.prompt, caption.decoding) == ("red heart", "source-text", "", "{}")
