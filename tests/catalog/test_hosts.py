"""The one form of a host."""

import pytest

from byline.catalog.hosts import UrlError, domains_of, read_host


@pytest.mark.parametrize(
    ("said", "host"),
    [
        ("Example.ORG.", "example.org"),
        ("ｅｘａｍｐｌｅ。org", "example.org"),
        ("ex%61mple.org", "example.org"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("b%C3%BCcher.example", "xn--bcher-kva.example"),
        ("stra\u00dfe.example", "xn--strae-oqa.example"),
        ("\u2615.example", "xn--53h.example"),
        ("lo\u00adcalhost", "localhost"),
        ("under_score.example", "under_score.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("\u2460\u2461\u2466.0.0.1", "127.0.0.1"),
        ("%31%32%37.1", "127.0.0.1"),
        ("1.example", "1.example"),
        ("[2001:DB8:0::1]", "2001:db8::1"),
        ("[0:0:1:0:0:0:0:1]", "0:0:1::1"),
        ("[::]", "::"),
        ("[fe80::]", "fe80::"),
        ("[::FFFF:127.0.0.1]", "::ffff:7f00:1"),
    ],
)
def test_every_spelling_of_a_host_is_one(said, host):
    assert read_host(said) == host
    assert read_host(f"[{host}]" if ":" in host else host) == host


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "no host"),
        (".", "no host"),
        ("a..b", "host with nothing between two dots"),
        ("a|b", "character '|' in the host"),
        ("a%00b", "character '\\x00' in the host"),
        ("a%2fb", "character '/' in the host"),
        ("a：80", "character ':' in the host"),
        ("a%ff", "host cannot be read"),
        ("\ufffe.org", "host cannot be read"),
        ("10.08", "host ends in a number and is no address"),
        ("1.2.3.4.5", "host ends in a number and is no address"),
        ("256.0.0.1", "host ends in a number and is no address"),
        ("4294967296", "host ends in a number and is no address"),
        ("a.1", "host ends in a number and is no address"),
        ("[1::2::3]", "host or port cannot be read"),
        ("[::1", "host or port cannot be read"),
        ("[::1%lo]", "character '%' in the host"),
        ("a" * 64, "host longer than a name may be"),
        ("\u00fc" * 64, "host longer than a name may be"),
        (".".join(["a" * 60] * 5), "host longer than a name may be"),
        ("\u00fc" * 1_000_000, "host longer than a name may be"),
    ],
)
def test_what_is_no_host_is_told(said, why):
    with pytest.raises(UrlError) as error:
        read_host(said)
    assert str(error.value) == why


def test_domains_above_a_name_are_its_own_and_an_address_has_none():
    assert domains_of("a.b.org") == ["a.b.org", "b.org", "org"]
    assert domains_of("127.0.0.1") == ["127.0.0.1"]
    assert domains_of("2001:db8::1") == ["2001:db8::1"]
