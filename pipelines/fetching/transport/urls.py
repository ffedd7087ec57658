"""Which URLs are asked for at all, and how a message may show them. URLs are read by the parser that connects."""

import re

from yarl import URL

from byline.pipelines.fetching.places_asked import problem_of_port

MAX_URL_CHARACTERS = 8000
MAX_SHOWN_CHARACTERS = 300

_UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff\\]")
_AUTHORITY = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)
_NOT_IN_HOSTS = re.compile(r"[^\w.:-]", re.ASCII)
_HOST_AND_PORT = re.compile(r"(\[[^\]@]*\]|[^:@\[\]]*)(:\d{0,5})?", re.ASCII)
_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://\S+|\?\S+")
"""Of a longer scheme the end alone is looked at: what comes after it is hidden all the same."""
_VALUE = re.compile(r"([\w.~\[\]-]{1,40})=(?!=*$).*", re.ASCII | re.DOTALL)


def problem_of(url: str) -> str | None:
    """Return why `url` is never asked for, or none. The words repeat nothing that could be a secret."""
    if len(url) > MAX_URL_CHARACTERS:
        return f"{len(url):,} characters long; at most {MAX_URL_CHARACTERS:,} are asked for"
    unsafe = _UNSAFE.search(url)
    if unsafe:
        return f"character {unsafe[0]!r} at {unsafe.start()}; percent-encode it"
    authority = _AUTHORITY.match(url)
    if not authority:
        scheme = re.match(r"[A-Za-z0-9+.-]{1,20}(?=:)", url)
        return f"scheme {scheme[0].lower() if scheme else ''!r}; only http:// and https:// are asked for"
    if "@" in authority[1]:
        return "credentials in the URL"
    if not _HOST_AND_PORT.fullmatch(authority[1]):
        return "host or port cannot be read"  # `:+80` and digits of other scripts are read otherwise by others
    return _problem_of_parts(url)


def _problem_of_parts(url: str) -> str | None:
    try:
        parts = URL(url)
        host, port = parts.raw_host, parts.port
    except ValueError:
        return "host or port cannot be read"
    if not host or not host.strip("."):
        return "no host"
    odd = _NOT_IN_HOSTS.search(host)
    if odd:
        return f"character {odd[0]!r} in the host"
    if len(host) > 254 or any(len(label) > 63 for label in host.split(".")):
        return "host longer than a name may be"
    return problem_of_port(port)


def origin_of(url: str) -> str:
    """Return scheme, host and port as every spelling of one origin gives them: `https://host`, `http://host:8080`.

    The host is in lower case, in its ASCII form and without a final dot; the scheme's own port is left out. Only for a
    URL without a problem.
    """
    parts = URL(url)
    host = host_of(url)
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if parts.is_default_port() else f":{parts.port}")


def host_of(url: str) -> str:
    """Return the host in lower case, in its ASCII form, without a final dot. Only for a URL without a problem."""
    return (URL(url).raw_host or "").lower().rstrip(".")


def redacted(url: str) -> str:
    """Return `url` as a message may show it: credentials, values of the query and the fragment are `...`.

    Scheme, host, path and the names in the query stay. Never raises, whatever the text; at most 300 characters, all of
    them printable.
    """
    before, mark, fragment = url.partition("#")
    address, question, query = before.partition("?")
    shown = _without_credentials(address)
    if question:
        shown += "?" + "&".join(_without_value(part) for part in query[:MAX_URL_CHARACTERS].split("&"))
    if mark and fragment:
        shown += "#..."
    shown = "".join(c if c.isprintable() else _escaped(c) for c in shown[: 2 * MAX_SHOWN_CHARACTERS])
    return shown if len(shown) <= MAX_SHOWN_CHARACTERS else shown[: MAX_SHOWN_CHARACTERS - 3] + "..."


def redacted_in(text: str) -> str:
    """Return a message, such as an error's of another library, with every URL and every query in it redacted."""
    return _IN_TEXT.sub(lambda found: redacted(found[0]), text)


def _without_credentials(address: str) -> str:
    """Hide what stands before `@` in the authority; hide everything where no authority can be told from the path."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*:)?([/\\]*)([^/\\]*)(.*)", address, re.DOTALL)
    assert found is not None  # every part may be empty
    scheme, slashes, authority, path = found[1] or "", found[2], found[3], found[4]
    userinfo, at, host = authority.rpartition("@")
    if slashes and not at and "@" in path and not _HOST_AND_PORT.fullmatch(host):
        return f"{scheme}{slashes}...@{path.rpartition('@')[2]}"
    return scheme + slashes + ("...@" if userinfo or at else "") + host + path


def _without_value(part: str) -> str:
    named = _VALUE.fullmatch(part)
    return f"{named[1]}=..." if named else "..." if part.strip("=") else part


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
