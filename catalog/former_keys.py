"""How denylists of before compared URLs and creators. What they hold is keyed, so it cannot be brought into the form of
today: a look-up asks for both, and what was denied once stays denied.
"""

import re

from byline.catalog.text import nfc

MAX_CREATOR = 10_000
"""Characters of a creator's name that are compared."""
_HTTP = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)


def former_url_key(url: str) -> str:
    """Return the key of version 1: only scheme, the host's case and one slash at the end did not count."""
    match = _HTTP.fullmatch(url)
    if match is None:
        return url
    host, rest = match.groups()
    return host.lower() + (rest if "?" in rest or "#" in rest else rest.removesuffix("/"))


def former_creator_key(creator: str) -> str:
    """Return the key of version 1: only case and how accents are encoded did not count."""
    creator = creator.strip()
    return former_url_key(creator) if "://" in creator else nfc(creator[:MAX_CREATOR].casefold())


def former_domain(host: str) -> str:
    """Return a host as version 1 kept it where it was written in letters, for one in its form of today."""
    return ".".join(_letters(label) for label in host.split("."))


def _letters(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label.removeprefix("xn--").encode().decode("punycode")
    except ValueError:
        return label
