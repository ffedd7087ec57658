"""When two URLs, or two ways to name a creator, are the same."""

import re
import unicodedata

_HTTP = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


def url_key(url: str) -> str:
    """Return what equal URLs have in common.

    `http` equals `https`, the host's case does not count, nor does one slash at the end of a URL without a query. All
    the rest is compared as it is: path, query, fragment, percent signs, port, `www.`.
    """
    match = _HTTP.fullmatch(url)
    if match is None:
        return url
    host, rest = match.groups()
    return host.lower() + (rest if "?" in rest or "#" in rest else rest.removesuffix("/"))


def creator_key(said: str) -> str:
    """Return what equal names of a creator have in common: not their case, nor how accents are encoded; pages as URLs.

    A name and a page are never equal.
    """
    said = said.strip()
    return url_key(said) if "://" in said else unicodedata.normalize("NFC", said.casefold())
