"""What is denied, in the one form in which it is compared, and under the key of the corpus."""

import hmac
import re

from byline.catalog.former_keys import former_creator_key, former_domain, former_url_key
from byline.catalog.hosts import UrlError, domains_of, read_host
from byline.catalog.urls import creator_key, url_key

_AUTHORITY = re.compile(r"[\x00-\x20]*(?:[A-Za-z][A-Za-z0-9+.-]*:)?//(?:[^/?#]*@)?(\[[^\]/?#]*\]|[^/\\?#:@\[\]]+)")


def canonical(kind: str, value: str) -> str:
    """Return what equal values of a kind have in common."""
    match kind:
        case "url":
            return url_key(value)
        case "creator":
            return creator_key(value)
        case "domain":
            return _domain(value)
        case _:
            return value


def _domain(domain: str) -> str:
    plain = domain.strip().strip(".")
    try:
        return read_host(plain)
    except UrlError:  # a host that nothing can lie on equals itself alone
        return plain.lower()


def forms_of(kind: str, value: str) -> set[str]:
    """Return how a list may hold a value: in its one form, as it was said, or in the one form of an older list."""
    forms = {value, canonical(kind, value)}
    match kind:
        case "url":
            forms.add(former_url_key(value))
        case "creator":
            forms.add(former_creator_key(value))
        case "domain":
            forms.add(former_domain(value))
    return forms


def keyed(key: bytes, kind: str, value: str) -> bytes:
    """Return the HMAC-SHA256 of an entry, of which equal values have the same."""
    return keyed_form(key, kind, canonical(kind, value))


def keyed_text(key: bytes, kind: str, value: str) -> str:
    """Return in hex what a receipt says in place of a value: whoever has the key can ask whether it is this one."""
    return keyed(key, kind, value).hex()


def keyed_form(key: bytes, kind: str, value: str) -> bytes:
    """Return the HMAC-SHA256 of a value in the very form that it is given in."""
    return hmac.digest(key, f"{kind}\n{value}".encode(errors="surrogatepass"), "sha256")


def hosts_of(url: str | None) -> list[str]:
    """Return the host of a URL in its one form and the domains above it: `a.b.org`, `b.org`, `org`.

    A URL of another scheme, or of none, has a host too, where it is written as one.
    """
    match = _AUTHORITY.match(url or "")
    try:
        return domains_of(read_host(match[1])) if match else []
    except UrlError:
        return []
