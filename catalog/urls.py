"""What a URL is, read in one place: what is judged and what is sent are of one `Url`. And when two of them, or two ways
to name a creator, are the same.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import cached_property
from urllib.parse import quote

from byline.catalog.former_keys import MAX_CREATOR
from byline.catalog.hosts import MAX_NAME, UrlError, domains_of, read_host
from byline.catalog.text import in_form

PORTS = {"http": 80, "https": 443}
KEYS = "3"
"""Version of what `url_key` gives: what is kept by keys of another version is not read."""

_AROUND = "".join(map(chr, range(33)))
_ODD = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_URL = re.compile(r"(https?)://([^/?#\\]*)(.*)", re.IGNORECASE | re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=:)")
_SHOWN = re.compile(r"(?://)?([^/?#\\@:\s]+)(?::[0-9]{1,5})?/.*", re.DOTALL)
"""A URL without its scheme."""
_HOST_AND_PORT = re.compile(r"(\[[^\]@]*\]|[^:@\[\]]*)(?::([0-9]{0,5}))?")
_REST = re.compile(r"([^?#]*)(?:\?([^#]*))?.*", re.DOTALL)
_NOT_IN_PATHS = re.compile(r"[^!$-;=@-\]_a-z|~%]+")
_NOT_IN_QUERIES = re.compile(r"[^!$-;=?-~]+")
_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?:/|\Z)", re.IGNORECASE)
_PLAIN = re.compile(
    r"https?://((?:[a-z0-9_-]{1,63}\.)+[a-z_-][a-z0-9_-]{0,62})((?:/(?!\.)[\w!$&'()*+,.:;=@|~-]*)+(?:\?[\w!$&'()*+,./:;=@|~-]+)?|)",
    re.ASCII,
)
"""What most URLs look like: their key is what is written. A query without a path before it has one in its key."""
_BYTE = re.compile(r"[\udc80-\udcff]")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SAME_IN_PATHS = _UNRESERVED | frozenset("!$&'()*,:;=@[]|")
_SAME_IN_QUERIES = _UNRESERVED | frozenset("!$'()*,/:?@[]\\^`{|}")
"""What means the same as it is and as an escape, where it stands: no delimiter of a path, or of a form's values."""


@dataclass(frozen=True, kw_only=True)
class Url:
    """A http(s) URL. Its parts are what is asked for: robots.txt, denylist, limits, keys and the request agree on it.

    Path and query are as they were given, byte for byte, but for what browsers change: dot segments (`%2e` too) are
    resolved, backslashes in the path are slashes, and what no request can hold (spaces, Unicode, `"<>`) is escaped. The
    fragment, and a `?` with nothing after it, are not sent.
    """

    scheme: str
    host: str
    """Host as `catalog.hosts.read_host` gives it."""
    port: int
    path: str
    """The path, which begins with a slash."""
    query: str = ""
    has_credentials: bool = False
    """Whether it has a user or a password, which are reported and never sent."""

    @property
    def authority(self) -> str:
        """Host and port as a request names them; the scheme's own port is left out."""
        return self._host if self.port == PORTS[self.scheme] else f"{self._host}:{self.port}"

    @property
    def server(self) -> str:
        """What limits are kept for: the host, whatever its scheme; another port is another server."""
        return self._host if self.port in PORTS.values() else f"{self._host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port: `https://host`, `http://host:8080`."""
        return f"{self.scheme}://{self.authority}"

    @cached_property
    def sent(self) -> str:
        """The whole URL as it is asked for; it reads as itself."""
        return f"{self.origin}{self.path}?{self.query}" if self.query else f"{self.origin}{self.path}"

    @cached_property
    def key(self) -> str:
        """What equal URLs have in common: see `url_key`."""
        path = _folded(self.path, _SAME_IN_PATHS)
        if self.query:
            return f"{self.server}{path}?{_folded(self.query, _SAME_IN_QUERIES)}"
        return self.server + path.removesuffix("/")

    @property
    def domains(self) -> list[str]:
        """The host and the domains above it."""
        return domains_of(self.host)

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def led_to(self, location: str) -> "Url":
        """Return where a Location leads from here; raises `UrlError` where that is no URL that can be read.

        Bytes of it that are no UTF-8 are escaped, as they came.
        """
        reference = _BYTE.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", location.strip(_AROUND))
        slashes = reference[:2].replace("\\", "/")
        if _SCHEME.match(reference):
            return read_url(reference)
        if slashes == "//":
            return read_url(f"{self.scheme}://{reference[2:]}")
        if odd := _ODD.search(reference):
            raise UrlError(_odd_character(odd))
        path, query = _parts(reference)
        if not path:
            return replace(self, query=query if "?" in reference else self.query)
        before = "" if slashes.startswith("/") else self.path.rpartition("/")[0] + "/"
        return replace(self, path=_resolved(before + path), query=query)


def read_url(text: str) -> Url:
    """Return the URL that a text is. Raises `UrlError`, for everything else, and never anything else.

    Spaces and controls around it do not count. Whether it is one that is asked is the transport's to say.
    """
    text = text.strip(_AROUND)
    if odd := _ODD.search(text):
        raise UrlError(_odd_character(odd))
    match = _URL.match(text)
    if match is None:
        other = _SCHEME.match(text[:21])
        raise UrlError(f"scheme {other[0].lower() if other else ''!r}; only http:// and https:// are asked for")
    scheme, (_, at, host_text), rest = match[1].lower(), match[2].rpartition("@"), match[3]
    if rest.startswith("\\"):  # what follows is a path to some, and the host to others
        raise UrlError(f"character '\\\\' at {match.start(3)}; percent-encode it")
    host_and_port = _HOST_AND_PORT.fullmatch(host_text)
    if host_and_port is None or int(host_and_port[2] or 0) > 65535:
        raise UrlError("credentials in the URL" if at else "host or port cannot be read")
    if not host_and_port[1]:
        raise UrlError("no host")
    port = int(host_and_port[2]) if host_and_port[2] else PORTS[scheme]
    path, query = _parts(rest)
    return Url(
        scheme=scheme,
        host=read_host(host_and_port[1]),
        port=port,
        path=_resolved(path or "/"),
        query=query,
        has_credentials=bool(at),
    )


def with_scheme(text: str) -> str:
    """Return a URL as browsers show it, `a.org/1.jpg`, with `https://` before it; all else as it is.

    It has a host with a dot in it and then a slash, which no record's id has: before its colon is no dot.
    """
    match = _SHOWN.fullmatch(text.strip(_AROUND))
    try:
        if match is None or "." not in read_host(match[1]):
            return text
    except UrlError:
        return text
    return f"https://{match[0].removeprefix('//')}"


def url_key(url: str) -> str:
    """Return what equal URLs have in common. Never raises: what is no http(s) URL equals itself alone.

    `http` equals `https`. Neither how the host is written counts, nor the default port, credentials, dot segments, the
    fragment, one slash at the end of a URL without a query, nor whether a character that means the same either way is
    escaped, and how. All the rest is compared as it is: path, query, other ports, `www.`.
    """
    if (plain := _PLAIN.fullmatch(url)) and plain.end(1) - plain.start(1) <= MAX_NAME:
        return plain[1] + (plain[2] if "?" in plain[2] else plain[2].removesuffix("/"))
    try:
        return read_url(url).key
    except UrlError:
        return url.strip(_AROUND)


def creator_key(creator: str) -> str:
    """Return what equal names of a creator have in common: pages are compared as URLs.

    Of names neither case counts nor how letters are encoded (accents, full-width), nor what cannot be seen, nor what
    follows after `MAX_CREATOR` characters, which no name has. A name and a page are never equal.
    """
    creator = creator.strip()
    if "://" in creator:
        return url_key(creator)
    name = creator if len(creator) <= MAX_CREATOR else _visible(creator)[:MAX_CREATOR]
    return _visible(in_form("NFKC", in_form("NFKC", name).casefold()))


def _visible(text: str) -> str:
    return " ".join("".join(c for c in text if unicodedata.category(c) != "Cf").split())


def _odd_character(odd: re.Match[str]) -> str:
    return f"character {odd[0]!r} at {odd.start()}; percent-encode it"


def _parts(rest: str) -> tuple[str, str]:
    """Return path and query as they can be sent."""
    match = _REST.match(rest)
    assert match is not None  # every part may be empty
    path, query = match[1].replace("\\", "/"), match[2] or ""
    return _escaped(path, _NOT_IN_PATHS), _escaped(query, _NOT_IN_QUERIES)


def _escaped(text: str, unsafe: re.Pattern[str]) -> str:
    return unsafe.sub(lambda match: quote(match[0], safe=""), text)


def _resolved(path: str) -> str:
    """Return a path that begins with a slash without its dot segments, as browsers do: `a//../b` is `a/b`."""
    if not _DOTS.search(path):
        return path
    kept: list[str] = []
    segments = path[1:].split("/")
    for segment in segments:
        plain = segment.lower().replace("%2e", ".") if len(segment) <= len("%2e%2e") else segment
        if plain == "..":
            del kept[-1:]
        elif plain != ".":
            kept.append(segment)
    ends_in_dots = _DOTS.search(path[path.rfind("/") :]) is not None
    return "/" + "/".join([*kept, ""] if ends_in_dots else kept)


def _folded(text: str, same: frozenset[str]) -> str:
    """Return a text with its escapes in one form: those of characters that need none decoded, others in upper case."""

    def folded_escape(escape: re.Match[str]) -> str:
        character = chr(int(escape[0][1:], 16))
        return character if character in same else escape[0].upper()

    return _ESCAPE.sub(folded_escape, text) if "%" in text else text
