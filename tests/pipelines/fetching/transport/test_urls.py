import pytest
from hypothesis import given
from hypothesis import strategies as st

from byline.pipelines.fetching.transport.urls import (
    MAX_SHOWN_CHARACTERS,
    asked_url,
    host_of,
    problem_of,
    redacted,
    redacted_in,
)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "HTTPS://Example.org:8443/a%20b.jpg?x=1#part",
        "http://bücher.example/straße.jpg",
        "http://under_score.example/@name/1.jpg",
        "http://[2001:4860:4860::8888]:8080/1.jpg",
        "http://93.184.216.34/1.jpg",
        "http://example.org./1.jpg",
        "http://example.org:/1.jpg",
        " http://example.org/a b.jpg\n",
        "http://%65xample.org/straße.jpg",
    ],
)
def test_a_plain_url_has_no_problem(url):
    assert problem_of(url) is None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "scheme ''; only http:// and https:// are asked for"),
        ("pictures/1.jpg", "scheme ''; only http:// and https:// are asked for"),
        ("//example.org/1.jpg", "scheme ''; only http:// and https:// are asked for"),
        ("file:///etc/passwd", "scheme 'file'; only http:// and https:// are asked for"),
        ("JAVASCRIPT:alert(1)", "scheme 'javascript'; only http:// and https:// are asked for"),
        ("gopher://example.org/", "scheme 'gopher'; only http:// and https:// are asked for"),
        ("http:example.org/", "scheme 'http'; only http:// and https:// are asked for"),
        ("http:///1.jpg", "no host"),
        ("http://./1.jpg", "no host"),
        ("http://me:secret@example.org/", "credentials in the URL"),
        ("http://@example.org/", "credentials in the URL"),
        ("http://example.org:80@10.0.0.1/", "credentials in the URL"),
        ("http://exa mple.org/", "character ' ' in the host"),
        ("http://exa\u00a0mple.org/", "character ' ' in the host"),
        ("http://example.org/\r\nHost: x", "character '\\r' at 19; percent-encode it"),
        ("http://exa\tmple.org/", "character '\\t' at 10; percent-encode it"),
        ("http://example.org\\@10.0.0.1/", "character '\\\\' at 18; percent-encode it"),
        ("http://example.org/\udcff", "character '\\udcff' at 19; percent-encode it"),
        ("http://example.org:99999/", "host or port cannot be read"),
        ("http://example.org:http/", "host or port cannot be read"),
        ("http://example.org:+80/", "host or port cannot be read"),
        ("http://example.org:８０/", "host or port cannot be read"),
        ("http://[::1]x:80/", "host or port cannot be read"),
        ("http://[::1/", "host or port cannot be read"),
        ("http://example.org:0/", "port 0, which is not for http"),
        ("http://example.org:25/", "port 25, which is not for http"),
        ("https://example.org:6667/", "port 6667, which is not for http"),
        ("http://127.0.0.1%00.example/", "character '\\x00' in the host"),
        ("http://127.0.0.1%2fexample/", "character '/' in the host"),
        ("http://127.0.0.1%e0.example/", "host cannot be read"),
        ("http://127.0.0.256/", "host ends in a number and is no address"),
        ("http://[1::2::3]/x", "host or port cannot be read"),
        ("http://example..org/", "host with nothing between two dots"),
        ("http://[fe80::1%25eth0]/", "character '%' in the host"),
        ("http://exa|mple.org/", "character '|' in the host"),
        (f"http://{'a' * 64}.example/", "host longer than a name may be"),
        (f"http://example.org/{'a' * 8000}", "8,019 characters long; at most 8,000 are asked for"),
        (f"http://example.org/{'é' * 2000}", "12,019 characters long; at most 8,000 are asked for"),
    ],
)
def test_a_problem_says_what_is_wrong(url, problem):
    assert problem_of(url) == problem


@pytest.mark.parametrize("url", ["http://u:hunter2@[::1/", "http://u:hunter2@exa℀mple.org/", "http://hunter2:x:y/"])
def test_a_problem_repeats_no_secret(url):
    assert "hunter2" not in problem_of(url)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://Example.ORG/1.jpg", "http://example.org"),
        ("http://example.org.:80/", "http://example.org"),
        ("HTTPS://example.org:443/", "https://example.org"),
        ("https://example.org:80/", "https://example.org:80"),
        ("http://bücher.example/", "http://xn--bcher-kva.example"),
        ("http://[2001:DB8:0::1]:8080/", "http://[2001:db8::1]:8080"),
    ],
)
def test_every_spelling_of_an_origin_is_one(url, origin):
    assert asked_url(url).origin == origin
    assert host_of(url) == asked_url(origin).host


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/a/1.jpg", "https://example.org/a/1.jpg"),
        ("https://example.org/1.jpg?token=abc&size=9", "https://example.org/1.jpg?token=...&size=..."),
        ("https://example.org/1.jpg?abc", "https://example.org/1.jpg?..."),
        ("https://example.org/1.jpg?YWJjZA==", "https://example.org/1.jpg?..."),
        ("https://example.org/1.jpg?size=", "https://example.org/1.jpg?..."),
        ("https://example.org/1.jpg?a=1;token=abc", "https://example.org/1.jpg?a=..."),
        ("https://example.org/1.jpg#access_token=abc", "https://example.org/1.jpg#..."),
        ("https://example.org/1.jpg#a?b=c", "https://example.org/1.jpg#..."),
        ("https://me:abc@example.org/1.jpg", "https://...@example.org/1.jpg"),
        ("https://abc@example.org/1.jpg", "https://...@example.org/1.jpg"),
        ("https://me:a@b@example.org/", "https://...@example.org/"),
        ("https://me:a/b@example.org/", "https://...@example.org/"),
        ("postgres://me:abc@db/x", "postgres://...@db/x"),
        ("me:abc@example.org", "me:...@example.org"),
        ("https://example.org/@name/1.jpg", "https://example.org/@name/1.jpg"),
        ("https://[::1]:80/@name", "https://[::1]:80/@name"),
        ("https://example.org/\x1b[2J\r\n1.jpg", "https://example.org/\\x1b[2J\\r\\n1.jpg"),
        ("", ""),
        ("no url at all", "no url at all"),
    ],
)
def test_a_redacted_url_keeps_host_and_path_alone(url, shown):
    assert redacted(url) == shown


def test_a_redacted_url_is_short():
    assert len(redacted("http://example.org/" + "\u202e" * 100_000 + "?" + "a=b&" * 100_000)) == MAX_SHOWN_CHARACTERS


@given(path=st.text(max_size=20), name=st.text(max_size=20))
def test_whatever_stands_around_a_secret_it_is_hidden(path, name):
    assert "SECRET" not in redacted(f"https://me:SECRET@example.org/{path}?{name}=SECRET")


@pytest.mark.parametrize(
    "message",
    [
        "message='no', url='https://example.org/?a=it'SECRET'",
        'url="https://example.org/a?token=x"SECRET"',
        "<https://example.org/?token=<SECRET>>",
        "URL('/a?token=SECRET')",
        "GET //example.org/a?token=SECRET",
    ],
)
def test_no_message_ends_a_url_before_its_secret(message):
    assert "SECRET" not in redacted_in(message)


def test_urls_within_a_message_are_redacted():
    message = "Cannot connect to 'https://me:abc@example.org/1?token=abc' [refused], see http://other.example/?q=abc"
    assert redacted_in(message) == (
        "Cannot connect to 'https://...@example.org/1?token=... [refused], see http://other.example/?q=..."
    )
