"""One form of every host, as browsers read it (WHATWG URL, with UTS 46): names in ASCII and lower case, addresses in
the usual numbers. Case, full-width letters, punycode, escapes, a final dot and octal numbers make no other host.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import unquote_to_bytes

import idna

MAX_NAME, MAX_LABEL = 253, 63
MAX_SAID = 1_000
"""Characters of a host as it is written; what is longer is not read."""
_PLAIN = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9._-]")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ZEROS = re.compile(r"(?:^|:)0(?::0)+(?::|$)")
_MAX_PARTS = 4


class UrlError(ValueError):
    """A URL cannot be read. The message is one line that repeats nothing that could be a secret."""


def read_host(written: str) -> str:
    """Return the host in its one form; of an IPv6 address, in brackets there, without them.

    Raises `UrlError` for what is no name and no address.
    """
    if written.startswith("["):
        return _ipv6(written)
    if len(written) > MAX_SAID:
        raise UrlError("host longer than a name may be")
    name = written if _PLAIN.fullmatch(written) else _ascii(written)
    if not name.strip("."):
        raise UrlError("no host")
    if odd := _NOT_IN_NAMES.search(name):
        raise UrlError(f"character {odd[0]!r} in the host")
    labels = name.split(".")
    if len(name) > MAX_NAME or any(len(label) > MAX_LABEL for label in labels):
        raise UrlError("host longer than a name may be")
    if not all(labels):
        raise UrlError("host with nothing between two dots")
    return _ipv4(labels) if _NUMBER.fullmatch(labels[-1]) else name


def domains_of(host: str) -> list[str]:
    """Return a host in its one form and the domains above it: `a.b.org`, `b.org`, `org`; an address is alone."""
    if ":" in host or host.rpartition(".")[2].isdigit():
        return [host]
    labels = host.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def _ascii(written: str) -> str:
    """Return a name with its escapes decoded, mapped as UTS 46 says, and each label that needs it in punycode."""
    try:
        name = unquote_to_bytes(written).decode()
        name = name.lower() if name.isascii() else idna.uts46_remap(name, std3_rules=False)
    except ValueError:
        raise UrlError("host cannot be read") from None
    return ".".join(_label(label) for label in name.removesuffix(".").split("."))


def _label(label: str) -> str:
    if label.isascii():
        return label
    if len(label) > MAX_LABEL:  # it would only grow, in quadratic time
        raise UrlError("host longer than a name may be")
    return f"xn--{label.encode('punycode').decode('ascii')}"


def _ipv4(labels: list[str]) -> str:
    """Return an address of one to four numbers, decimal, octal or in hex; the last one fills what is left."""
    try:
        numbers = [_number(label) for label in labels]
        *first, last = numbers
        if len(numbers) > _MAX_PARTS or any(number > 255 for number in first):
            raise ValueError
        return str(
            IPv4Address(sum(number << 24 - 8 * position for position, number in enumerate(first)) + _low(last, first))
        )
    except ValueError:
        raise UrlError("host ends in a number and is no address") from None


def _number(label: str) -> int:
    if not _NUMBER.fullmatch(label) or len(label) > MAX_LABEL:
        raise ValueError
    if label.startswith("0x"):
        return int(label[2:] or "0", 16)
    return int(label, 8 if label.startswith("0") else 10)


def _low(last: int, first: list[int]) -> int:
    if last >= 256 ** (_MAX_PARTS - len(first)):
        raise ValueError
    return last


def _ipv6(written: str) -> str:
    """Return the address as RFC 5952 writes it, an IPv4 address inside it in hex, on every version of Python."""
    inside = written[1:-1]
    try:
        if not written.endswith("]") or not inside.isascii():
            raise AddressValueError
        address = IPv6Address(inside)
    except AddressValueError:
        raise UrlError("host or port cannot be read") from None
    if address.scope_id is not None:
        raise UrlError("character '%' in the host")
    digits = f"{int(address):032x}"
    groups = ":".join(f"{int(digits[start : start + 4], 16):x}" for start in range(0, 32, 4))
    longest = max(_ZEROS.findall(groups), key=lambda zeros: zeros.count("0"), default="")
    return groups.replace(longest, "::", 1) if longest else groups
