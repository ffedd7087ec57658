"""What a config may say of the places that are asked: networks, names with a port, prefixes of URLs. Opens nothing."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network

from byline.catalog.hosts import UrlError
from byline.catalog.urls import read_url

BAD_PORTS = frozenset(
    int(port)
    for port in """
    0 1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 113 115 117 119 123
    135 137 139 143 161 179 389 427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 995
    1719 1720 1723 2049 3659 4045 4190 5060 5061 6000 6566 6665 6666 6667 6668 6669 6679 6697 10080
    """.split()
)
"""Ports of services that could take a request for one of theirs: the Fetch standard's list, as browsers keep it."""
ALLOWED = "a network such as 10.1.0.0/16, or a name and port such as pictures.intranet:8080"
_NAME_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w-][\w.-]*):([0-9]{1,5})")
_PREFIX = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[\w-][\w.-]*)(:[0-9]{1,5})?/[^\x00-\x20\x7f-\xa0\u2028\u2029\\]*")


def problem_of_port(port: int | None) -> str | None:
    """Return why nothing is asked of a port, or none."""
    if port is None or port in BAD_PORTS or not 0 < port < 65536:
        return f"port {port}, which is not for http"
    return None


def allowed(entry: str) -> IPv4Network | IPv6Network | tuple[str, int]:
    """Return the network that an entry of `allow` is, or its name and port: `[::1]:80` is the port of one address.

    The name is as a connection has it: in lower case, in ASCII, without brackets or a final dot. Raises `ValueError`,
    which says what can be given.
    """
    try:
        return ip_network(entry)
    except ValueError:
        named = _NAME_AND_PORT.fullmatch(entry)
    if named is None:
        raise ValueError(f"give {ALLOWED}{_network_around(entry)}")
    if problem := problem_of_port(int(named[2])):
        raise ValueError(f"give {ALLOWED}; it has {problem}")
    return _host_of(f"http://{entry}/", f"give {ALLOWED}"), int(named[2])


def stood_for(prefix: str) -> str:
    """Return a prefix of URLs that copies may stand for: as `url_prefix`, or of another scheme, such as `s3://bucket/`."""
    if re.fullmatch(r"(?!https?:)[a-z][a-z0-9+.-]*://[\w.-]+/[^\x00-\x20]*", prefix, re.IGNORECASE):
        return prefix
    return url_prefix(prefix)


def url_prefix(prefix: str) -> str:
    """Return a prefix of URLs as it is: `http://` or `https://`, a host, and at least the `/` after it.

    Without that slash it would stand for other hosts too: `https://a.org` for `https://a.org.example`. Raises
    `ValueError`, which says so and shows no credentials.
    """
    shown = repr(re.sub(r"//[^/]*@", "//...@", prefix))
    wanted = "give the beginning of URLs up to a / after the host, such as https://pictures.example/"
    match = _PREFIX.fullmatch(prefix)
    if not match:
        raise ValueError(f"{shown} is no prefix of URLs; {wanted}")
    _host_of(prefix, f"{shown} is no prefix of URLs; {wanted}")
    if match[2] and (problem := problem_of_port(int(match[2][1:]))):
        raise ValueError(f"{shown}: {problem}; {wanted}")
    return prefix


def _network_around(entry: str) -> str:
    """Return what to write for an address with the length of a network, as `10.1.2.3/16` is."""
    try:
        return f"; here {ip_interface(entry).network}"
    except ValueError:
        return ""


def _host_of(url: str, otherwise: str) -> str:
    try:
        return read_url(url).host
    except UrlError as error:
        raise ValueError(otherwise) from error
