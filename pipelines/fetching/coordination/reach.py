"""Where a coordinator is reached, and how it and a worker show each other that they are of one build."""

import hmac
import secrets
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from byline.catalog.errors import ConfigError

PATH = "/hosts"
NOWHERE = ("192.0.2.1", 9)
"""An address of documentation (RFC 5737): nothing is sent there, the system only says by which way it would."""
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Reach:
    """What a worker needs to know of the coordinator of its build."""

    addresses: tuple[str, ...]
    """`host:port`, of which a worker takes the first that answers as the coordinator does."""
    secret: str = field(repr=False)
    """What only this build knows. It is never sent to whom it is proved, and never shown."""

    def proof(self, role: str, *nonces: str) -> str:
        """Return what shows that whoever has this `role` knows the secret."""
        return hmac.new(self.secret.encode(), " ".join([role, *nonces]).encode(), "sha256").hexdigest()

    def is_proof(self, given: object, role: str, *nonces: str) -> bool:
        """Return whether `given` is the proof of this role."""
        return isinstance(given, str) and hmac.compare_digest(given.encode(), self.proof(role, *nonces).encode())


def new_secret() -> str:
    """Return a secret for one build."""
    return secrets.token_hex(32)


def new_nonce() -> str:
    """Return what nobody has asked to be proved before."""
    return secrets.token_hex(16)


def read_address(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`, port 0, which is any, where there is none. Raises `ConfigError`."""
    host, colon, port = text.rpartition(":") if text.rpartition(":")[2].isdecimal() else (text, "", "0")
    is_whole = host.startswith("[") and host.endswith("]") if ":" in host else bool(host)
    if not is_whole or "/" in host or int(port) > 65535 or (colon and not int(port)):
        raise ConfigError(
            f"--coordinator {text!r} is no address; give HOST or HOST:PORT, as workers reach this machine"
        )
    return host, int(port)


def own_addresses(others: Iterable[str]) -> list[str]:
    """Return this machine's addresses as `others`, given as `host:port`, may reach it; loopback comes last."""
    addresses = [*_own_ends([*(_split(other) for other in others), NOWHERE])]
    with suppress(OSError):
        addresses.append(socket.gethostbyname(socket.getfqdn()))
    return [*(address for address in dict.fromkeys(addresses) if address != LOOPBACK), LOOPBACK]


def _own_ends(others: Iterable[tuple[str, int]]) -> Iterator[str]:
    """Yield our end of a way to each of `others`, to which nothing is sent."""
    for other in others:
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.connect(other)
            yield end.getsockname()[0]


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port) if port.isdecimal() else NOWHERE[1]
