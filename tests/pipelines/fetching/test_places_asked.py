"""What `[fetch] allow`, `[fetch] mirrors` and `[serve]` can say, and that anything else is refused with the config."""

from ipaddress import ip_network

import pytest

from byline.catalog.errors import ConfigError
from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.fetching.places_asked import BAD_PORTS, allowed
from tests.builders import a_corpus

GIVE = "give a network such as 10.1.0.0/16, or a name and port such as pictures.intranet:8080"
PREFIX = "give the beginning of URLs up to a / after the host, such as https://pictures.example/"
MIRROR = 'mirrors = {{ "{}" = "{}" }}'


@pytest.mark.parametrize(
    ("entry", "right"),
    [
        ("10.1.0.0/16", ip_network("10.1.0.0/16")),
        ("10.1.2.3", ip_network("10.1.2.3/32")),
        ("fd00::/8", ip_network("fd00::/8")),
        ("::1", ip_network("::1/128")),
        ("pictures.intranet:8080", ("pictures.intranet", 8080)),
        ("Pictures_2.Intranet.:80", ("pictures_2.intranet", 80)),
        ("bücher.intranet:80", ("xn--bcher-kva.intranet", 80)),
        ("10.1.2.3:80", ("10.1.2.3", 80)),
        ("[::1]:80", ("::1", 80)),
        ("[FD00:0::1]:8080", ("fd00::1", 8080)),
    ],
)
def test_networks_and_names_with_a_port_are_allowed(entry, right):
    assert allowed(entry) == right


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('allow = ["nonsense"]', f"fetch.allow.0: {GIVE}, got 'nonsense'"),
        ('allow = ["::1", ""]', f"fetch.allow.1: {GIVE}, got ''"),
        ('allow = ["10.1.2.3/16"]', f"fetch.allow.0: {GIVE}; here 10.1.0.0/16, got '10.1.2.3/16'"),
        ('allow = ["http://a.intranet:80"]', f"fetch.allow.0: {GIVE}, got 'http://a.intranet:80'"),
        ('allow = ["*.intranet:80"]', f"fetch.allow.0: {GIVE}, got '*.intranet:80'"),
        ('allow = ["a.intranet:65536"]', f"fetch.allow.0: {GIVE}; it has port 65536, which is not for http, got "),
        ('allow = ["a.intranet:22"]', f"fetch.allow.0: {GIVE}; it has port 22, which is not for http, got "),
        ('allow = ["[nonsense]:80"]', f"fetch.allow.0: {GIVE}, got '[nonsense]:80'"),
        ('allow = ["[::1::]:80"]', f"fetch.allow.0: {GIVE}, got '[::1::]:80'"),
        ('allow = ["[::1]"]', f"fetch.allow.0: {GIVE}, got '[::1]'"),
        (MIRROR.format("a.org/", "http://b.org/"), f"fetch.mirrors: 'a.org/' is no prefix of URLs; {PREFIX}"),
        (
            MIRROR.format("http://a.org", "http://b/"),
            f"fetch.mirrors: 'http://a.org' is no prefix of URLs; {PREFIX}",
        ),
        (MIRROR.format("http://a/", "/srv/copies"), f"fetch.mirrors: '/srv/copies' is no prefix of URLs; {PREFIX}"),
        (MIRROR.format("http://a/", "http://b"), f"fetch.mirrors: 'http://b' is no prefix of URLs; {PREFIX}"),
        (MIRROR.format("http://a/", "s3://b/c/"), f"fetch.mirrors: 's3://b/c/' is no prefix of URLs; {PREFIX}"),
        (MIRROR.format("http://a/", "http://u:p@b/"), "fetch.mirrors: 'http://...@b/' is no prefix of URLs; "),
        (
            MIRROR.format("http://a/", "http://b:22/"),
            "fetch.mirrors: 'http://b:22/': port 22, which is not for http",
        ),
        (MIRROR.format("http://a b/", "http://b/"), "fetch.mirrors: 'http://a b/' is no prefix of URLs; "),
        ('[serve]\n"pictures.example/" = "."\n', f"serve: 'pictures.example/' is no prefix of URLs; {PREFIX}"),
    ],
)
def test_what_is_no_such_place_is_refused_with_the_config_in_one_line(line, told, tmp_path):
    path = a_corpus(tmp_path, num_pictures=1)
    text = path.read_text().split("[serve]")[0]
    path.write_text(text.replace("[caption]", f"{line}\n[caption]").replace('allow = ["127.0.0.0/8"]\n', "", 1))
    with pytest.raises(ConfigError) as caught:
        load_corpus_config(str(path))
    assert str(caught.value).startswith(f"{path}: {told}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("prefix", "copy"),
    [
        ("https://pictures.example/", "http://127.0.0.1:8000/"),
        ("https://pictures.example:8443/a/b", "http://[::1]:8000/?of="),
        ("http://bücher.example/", "https://copies.intranet/bücher/"),
    ],
)
def test_prefixes_of_urls_are_mirrors(prefix, copy, tmp_path):
    path = a_corpus(tmp_path, num_pictures=1)
    path.write_text(path.read_text().replace("[caption]", f'mirrors = {{ "{prefix}" = "{copy}" }}\n[caption]'))
    assert load_corpus_config(str(path))[0].fetch.mirrors == {prefix: copy}


def test_ports_of_the_web_are_asked():
    assert not BAD_PORTS & {80, 443, 8000, 8080, 8443, 9000}
