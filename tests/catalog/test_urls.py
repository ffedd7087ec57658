"""What a URL is, and when two of them, or two names of a creator, are the same."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from byline.catalog.hosts import UrlError
from byline.catalog.urls import creator_key, read_url, url_key, with_scheme
from tests.growth import grows_linearly

SIGNED = """
/a.jpg?Signature=qZ0A%2BPP2g%3D&Expires=1
/b.jpg?ct=image%2Fjpeg&sig=abc
/caf%C3%A9%20%28x%29.jpg?sig=1
/c%27d.jpg?it's=2
/http%3A%2F%2Forigin.example%2Fp.jpg?sig=4
/plain.jpg?who=a%40b.c&t=12%3A30
/tilde%7Ex.jpg
/star%2Ax%21.jpg
/g.jpg?empty=&x=1&&y
/h.jpg;v=1?k=a;b=c
/lower%c3%a9.jpg
/odd%zz%.jpg?%
/a%2f..%2fb/...//x|y[1].jpg
/?https://a.org/../b
""".split()


@pytest.mark.parametrize("target", SIGNED)
def test_path_and_query_are_sent_byte_for_byte(target):
    assert read_url(f"HTTPS://A.org:443{target}#part").sent == f"https://a.org{target}"


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("http://a.org", "http://a.org/"),
        ("http://a.org?x", "http://a.org/?x"),
        (" http://a.org/x\n", "http://a.org/x"),
        ("http://a.org/ok/../private/a.jpg", "http://a.org/private/a.jpg"),
        ("http://a.org/ok/%2e%2E/private/a.jpg", "http://a.org/private/a.jpg"),
        ("http://a.org/ok/.%2e/%2e/private/.", "http://a.org/private/"),
        ("http://a.org/../../x/..", "http://a.org/"),
        ("http://a.org/a//../b", "http://a.org/a/b"),
        ("http://a.org/a\\..\\b", "http://a.org/b"),
        ("http://a.org/..a/b../...", "http://a.org/..a/b../..."),
        ("http://a.org/stra\u00dfe a^.jpg?<\u00fc>", "http://a.org/stra%C3%9Fe%20a%5E.jpg?%3C%C3%BC%3E"),
        ("http://me:pw@a.org/x", "http://a.org/x"),
        ("http://a.org:/x?#y", "http://a.org/x"),
        ("http://a.org:00080/", "http://a.org/"),
        ("https://a.org:80/", "https://a.org:80/"),
    ],
)
def test_a_url_is_read_as_browsers_do(said, sent):
    assert read_url(said).sent == sent


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("", "http://a.org/x/y?q"),
        ("#f", "http://a.org/x/y?q"),
        ("?k", "http://a.org/x/y?k"),
        ("?", "http://a.org/x/y"),
        ("z?k#f", "http://a.org/x/z?k"),
        ("../z", "http://a.org/z"),
        ("/z/%2e%2e/%7e", "http://a.org/%7e"),
        (" /z ", "http://a.org/z"),
        ("//B.org/z", "http://b.org/z"),
        ("/\\b.org/z", "http://b.org/z"),
        ("\\z", "http://a.org/z"),
        ("https://b.org", "https://b.org/"),
        ("/caf\udce9.jpg", "http://a.org/caf%E9.jpg"),
        ("/http://b.org/", "http://a.org/http://b.org/"),
    ],
)
def test_a_location_leads_where_browsers_go(location, sent):
    assert read_url("http://a.org/x/y?q").led_to(location).sent == sent


@pytest.mark.parametrize(
    "location",
    ["http://[1::2::3]/x", "http://a.org:x/", "//", "///x", "mailto:a@b.org", "/a\x00b", "//\udce9/", "http:x"],
)
def test_a_location_that_cannot_be_read_is_told(location):
    with pytest.raises(UrlError):
        read_url("http://a.org/x/y?q").led_to(location)


PIECES = (
    "http:// https:// a.org A . .. / // \\ ? # %2e %2F %28 %7e ( : @ 80 0x1 xn-- - _ [ ] ::1 ' & ; + | ^ 1.2".split()
)
TEXTS = st.one_of(
    st.text(max_size=30), st.lists(st.sampled_from([*PIECES, " ", "\u00e9", "\uff41", "\0"])).map("".join)
)


@settings(max_examples=1_000)
@given(said=TEXTS, location=TEXTS)
@example(said="http://a.org/%2e", location="%2e%2e//")
@example(said="a.org?x", location="")
def test_whatever_a_text_is_it_is_read_once_and_for_all_or_told(said, location):
    for text in (said, f"http://a.org/{said}", f"http://{said}"):
        try:
            url = read_url(text)
        except UrlError:
            assert url_key(text) == text.strip("".join(map(chr, range(33))))
            continue
        assert read_url(url.sent).sent == url.sent
        assert set(map(ord, url.sent)) <= set(range(33, 127))
        assert url_key(text) == url_key(url.sent) == url.key
        try:
            there = url.led_to(location)
        except UrlError:
            continue
        assert read_url(there.sent).sent == there.sent


@pytest.mark.parametrize(
    ("text", "url"),
    [
        *(
            (text, f"https://{text}")
            for text in ("a.org/1.jpg", "www.A.org:80/?x#y", "\u00fc.org/a b.jpg", "127.0.0.1/a")
        ),
        ("//a.org/1.jpg", "https://a.org/1.jpg"),
        (" a.org/1.jpg\n", "https://a.org/1.jpg"),
        *((text, text) for text in ("http://a.org/", "a.org", "a/1.jpg", "./a.jpg", "../a/b", "a:b.org/1", "a:1", "")),
        *((text, text) for text in ("a.org:x/1", "a..org/1", "me@a.org/1", "a b.org/1", "held:a.jpg", "/a.org/1")),
    ],
)
def test_a_url_as_browsers_show_it_gets_a_scheme_and_nothing_else_does(text, url):
    assert with_scheme(text) == url


@pytest.mark.parametrize("many", ["%41", "/..", "\u00fc", " ", "a.", "@", "[", "0", "\\", "?", "://", "%"])
def test_time_is_linear_in_length(many):
    def read(text):
        for url in (f"http://a.org/{text}", f"http://{text}", text):
            url_key(url)

    assert grows_linearly(read, many, short=20_000 * len(many))


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("http://A.org/x/", "https://a.org/x", True),
        ("https://a.org", "https://a.org/", True),
        ("https://a.org/x?y/", "https://a.org/x?y", False),
        ("https://a.org/x//", "https://a.org/x", False),
        ("https://a.org:443/x", "https://a.org/x", True),
        ("http://a.org:8080/x", "http://a.org/x", False),
        ("https://a.org/x#y", "https://a.org/x", True),
        ("https://a.org/y/../x", "https://a.org/x", True),
        ("https://a.org/%7euser/%c3%bc%28", "https://a.org/~user/\u00fc(", True),
        ("https://a.org/a%2Fb", "https://a.org/a/b", False),
        ("https://a.org/a%2fb", "https://a.org/a%2Fb", True),
        ("https://a.org/x?u=a%26b", "https://a.org/x?u=a&b", False),
        ("https://a.org/x?u=%2fa'", "https://a.org/x?u=/a%27", True),
        ("https://a.org/a+b", "https://a.org/a%2Bb", False),
        ("https://a.org/a+b", "https://a.org/a%20b", False),
        ("https://\uff21.org/x", "https://a.org/x", True),
        ("https://b\u00fccher.example/", "https://xn--bcher-kva.example", True),
        ("https://www.a.org/", "https://a.org/", False),
        ("http://[1::2::3]/x", "http://[1::2::3]/x", True),
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
        ("Grace  H.", "\uff27race\u00a0H.\u200b", True),
        ("https://A.org:443/%61da#me", "http://a.org/ada", True),
        ("Grace" + "\u200b" * 5000, "grace", True),
        ("\u200b " * 20_000 + "Grace", "grace", True),
        ("G" + "\u0316\u0301" * 2000 + "race", "grace", False),
        ("x" * 20_000, "X" * 20_001, True),
    ],
)
def test_creator_keys(one, other, equal):
    assert (creator_key(one) == creator_key(other)) is equal
