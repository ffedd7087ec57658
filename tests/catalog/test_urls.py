"""When two URLs, or two names of a creator, are the same."""

import pytest

from byline.catalog.urls import creator_key, url_key


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("http://A.org/x/", "https://a.org/x", True),
        ("https://a.org", "https://a.org/", True),
        ("https://a.org/x?y/", "https://a.org/x?y", False),
        ("https://a.org/x//", "https://a.org/x", False),
        ("https://a.org:443/x", "https://a.org/x", False),
        ("ftp://a.org/x", "http://a.org/x", False),
    ],
)
def test_url_keys(one, other, equal):
    assert (url_key(one) == url_key(other)) is equal


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("Grace", " gRACE\t", True),
        ("Stra\u00dfe", "STRASSE", True),
        ("Andr\u00e9", "Andre\u0301", True),
        ("https://A.org/ada/", "http://a.org/ada", True),
        ("https://a.org/Ada", "https://a.org/ada", False),
        ("Grace", "Grace H.", False),
    ],
)
def test_creator_keys(one, other, equal):
    assert (creator_key(one) == creator_key(other)) is equal
