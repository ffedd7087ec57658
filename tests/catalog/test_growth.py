"""Every text from outside is read in time that grows with its length."""

import pytest

from byline.captioning.hygiene import clean_caption, clean_tags, clean_title
from byline.catalog.denylists.values import forms_of
from byline.catalog.licenses.reading import read_license
from byline.catalog.licenses.text import mentions_restriction, normalized, take_apart
from byline.catalog.nothing import is_nobody
from byline.catalog.text import one_line, plain_text
from byline.catalog.urls import creator_key, url_key
from byline.pipelines.fetching.transport.urls import problem_of, redacted, redacted_in
from byline.pipelines.sources.readers.names import folded
from tests.growth import SEEDS, grows_linearly

READERS = {
    "plain_text": plain_text,
    "one_line": one_line,
    "clean_caption": lambda text: clean_caption(text, 300),
    "clean_title": lambda text: clean_title(text, 300),
    "clean_tags of one": lambda text: clean_tags((text,), 300),
    "clean_tags of many": lambda text: clean_tags(tuple(text.split(">")), 300),
    "take_apart": take_apart,
    "mentions_restriction": mentions_restriction,
    "read_license": read_license.__wrapped__,
    "redacted": redacted,
    "redacted_in": redacted_in,
    "problem_of": problem_of,
    "url_key": url_key,
    "creator_key": creator_key,
    "forms of a creator": lambda text: forms_of("creator", text),
    "forms of a URL": lambda text: forms_of("url", text),
    "forms of a domain": lambda text: forms_of("domain", text),
    "is_nobody": is_nobody,
    "name of a column": folded.__wrapped__,
}


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_time_grows_with_the_length_alone(reader):
    assert [seed for seed in SEEDS if not grows_linearly(READERS[reader], seed)] == []


def test_a_square_is_told_from_a_line():
    def pairs(text: str) -> int:
        return sum(one == other for one in text for other in text)

    assert not grows_linearly(pairs, "a", short=700)


def test_a_claim_that_unfolds_is_not_read():
    assert read_license("\ufdfa" * 200).rule == "too-long"
    assert normalized("CC BY 4.0") == "cc by 4.0"
