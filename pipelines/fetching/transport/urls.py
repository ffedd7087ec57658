"""Which URLs are asked for at all, and how a message may show them. What a URL is, `catalog.urls` says."""

import re

from byline.catalog.hosts import UrlError
from byline.catalog.urls import Url, read_url
from byline.pipelines.fetching.places_asked import problem_of_port

MAX_URL_CHARACTERS = 8000
MAX_SHOWN_CHARACTERS = 300

_HOST_AND_PORT = re.compile(r"(\[[^\]@]*\]|[^:@\[\]]*)(:\d{0,5})?", re.ASCII)
_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://\S+|\?\S+")
"""URLs and queries within a text. A scheme that is longer is matched by its end alone: what follows it is hidden all
the same."""
_VALUE = re.compile(r"([\w.~\[\]-]{1,40})=(?!=*$).*", re.ASCII | re.DOTALL)


def asked_url(text: str, *, led_from: Url | None = None) -> Url:
    """Return the URL that is asked for where `text` is one; the Location of an answer is read where it came from.

    Raises `UrlError` that says why nothing is asked. The words repeat nothing that could be a secret.
    """
    if len(text) > MAX_URL_CHARACTERS:
        raise UrlError(_too_long(text))
    url = read_url(text) if led_from is None else led_from.led_to(text)
    if url.has_credentials:
        raise UrlError("credentials in the URL")
    if problem := problem_of_port(url.port):
        raise UrlError(problem)
    if len(url.sent) > MAX_URL_CHARACTERS:
        raise UrlError(_too_long(url.sent))
    return url


def _too_long(url: str) -> str:
    return f"{len(url):,} characters long; at most {MAX_URL_CHARACTERS:,} are asked for"


def problem_of(text: str) -> str | None:
    """Return why a URL is never asked for, or none."""
    try:
        asked_url(text)
    except UrlError as error:
        return str(error)
    return None


def host_of(text: str) -> str:
    """Return the host of a URL in its one form. Only for a URL without a problem."""
    return asked_url(text).host


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
    return _IN_TEXT.sub(lambda match: redacted(match[0]), text)


def _without_credentials(address: str) -> str:
    """Hide what stands before `@` in the authority; hide everything where no authority can be told from the path."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*:)?([/\\]*)([^/\\]*)(.*)", address, re.DOTALL)
    assert match is not None  # every part may be empty
    scheme, slashes, authority, path = match[1] or "", match[2], match[3], match[4]
    userinfo, at, host = authority.rpartition("@")
    if slashes and not at and "@" in path and not _HOST_AND_PORT.fullmatch(host):
        return f"{scheme}{slashes}...@{path.rpartition('@')[2]}"
    return scheme + slashes + ("...@" if userinfo or at else "") + host + path


def _without_value(part: str) -> str:
    named = _VALUE.fullmatch(part)
    return f"{named[1]}=..." if named else "..." if part.strip("=") else part


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
