"""Connections to public addresses only, whatever a URL, a redirect or a DNS answer says.

A URL's host is checked when it is resolved, and the very address that a socket is about to connect to is checked again:
there is no time between that check and the connection in which an answer could change.
"""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from aiohttp import TCPConnector, ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from byline.catalog.errors import ConfigError
from byline.catalog.hosts import UrlError, read_host
from byline.pipelines.fetching.places_asked import allowed, problem_of_port

DNS_CACHE_S = 300
"""Time for which a connector keeps the addresses of a name, and those who share keep them for each other."""
AddrInfo = tuple[int, int, int, str, tuple[Any, ...]]

NOT_PUBLIC_4 = {
    IPv4Network(network): kind
    for network, kind in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a carrier"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "metadata of a cloud"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relays"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarks"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
}
"""IANA's registry of special addresses, 2024; and one address with which a cloud serves its machines' metadata."""

PUBLIC_6 = IPv6Network("2000::/3")
"""The only global unicast addresses that are handed out: loopback, fc00::/7, fe80::/10 and the like lie outside."""
NOT_PUBLIC_6 = {
    IPv6Network("2001::/23"): "protocol assignments, Teredo among them",
    IPv6Network("2001:db8::/32"): "documentation",
    IPv6Network("3fff::/20"): "documentation",
}
MAPPED, NAT64, SIX_TO_FOUR = IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"), IPv6Network("2002::/16")


class PrivateAddressError(OSError):
    """A host is at no public address, so nothing was sent to it."""


def refusal_in(error: BaseException | None) -> PrivateAddressError | None:
    """Return the refusal of an address that led to `error`, an aiohttp error for instance, or none."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, PrivateAddressError):
            return error
        seen.add(id(error))
        error = getattr(error, "os_error", None) or error.__cause__ or error.__context__
    return None


class Guard:
    """Which addresses may be connected to: public ones, and those of `allow`.

    `allow` holds networks (`10.1.0.0/16`, or one address) and names with a port (`pictures.intranet:8080`), for tests
    and intranets. What a name with a port resolves to is then allowed at that port, however it is asked for.
    """

    def __init__(self, allow: tuple[str, ...] = ()) -> None:
        self.networks: list[IPv4Network | IPv6Network] = []
        self.names: set[tuple[str, int]] = set()
        self.resolved_from_names: set[tuple[str, int]] = set()
        """Addresses and ports to which allowed names resolved."""
        for entry in allow:
            self._allow(entry)

    def problem_of(self, address: str, host: str, port: int) -> str | None:
        """Return why nothing may connect to `address`, one of `host`, at `port`; none when it may."""
        problem = problem_of_port(port)
        if problem:
            return f"{host}: {problem}"
        try:
            ip = ip_address(address)
        except ValueError:
            return f"{host}: {address!r} is no address in its usual form"
        if (_plain(host), port) in self.names:
            self.resolved_from_names.add((str(ip), port))
            return None
        kind = kind_if_not_public(ip)
        if kind is None or (str(ip), port) in self.resolved_from_names:
            return None
        reached = ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip
        if any(form in network for network in self.networks for form in (ip, reached)):
            return None
        of = "" if host == address else f" of {host}"
        return f"address {address}{of} is not public ({kind}); nothing was asked"

    def socket(self, addr_info: AddrInfo) -> socket.socket:
        """Return a socket for an address that may be connected to, `PrivateAddressError` for another."""
        family, kind, protocol, _, address = addr_info
        if family not in (socket.AF_INET, socket.AF_INET6):
            raise PrivateAddressError(f"address family {family} is not of the internet; nothing was asked")
        problem = self.problem_of(str(address[0]), str(address[0]), int(address[1]))
        if problem:
            raise PrivateAddressError(problem)
        return socket.socket(family, kind, protocol)

    def _allow(self, entry: str) -> None:
        try:
            network_or_name = allowed(entry)
        except ValueError as error:
            raise ConfigError(f"cannot allow {entry!r}; {error}") from error
        if isinstance(network_or_name, tuple):
            self.names.add(network_or_name)
        else:
            self.networks.append(network_or_name)


def kind_if_not_public(ip: IPv4Address | IPv6Address) -> str | None:
    """Return what a non-public address is for, none for a public one. An IPv4 address inside an IPv6 one counts too."""
    if isinstance(ip, IPv4Address):
        named = next((kind for network, kind in NOT_PUBLIC_4.items() if ip in network), None)
        return named or (None if ip.is_global else "special")
    if ip.scope_id is not None:
        return "of one link"
    for network, first_bit in ((MAPPED, 0), (NAT64, 0), (SIX_TO_FOUR, 80)):
        if ip in network:
            inner = IPv4Address(int(ip) >> first_bit & 0xFFFFFFFF)
            kind = kind_if_not_public(inner)
            return f"{kind}, inside it {inner}" if kind else None
    if ip not in PUBLIC_6:
        return _kind_outside_global(ip)
    named = next((kind for network, kind in NOT_PUBLIC_6.items() if ip in network), None)
    return named or (None if ip.is_global else "special")


def _kind_outside_global(ip: IPv6Address) -> str:
    kinds = ("loopback", "unspecified", "link_local", "multicast", "site_local", "private")
    return next((kind.replace("_", "-") for kind in kinds if getattr(ip, f"is_{kind}")), "reserved")


class GuardedResolver(AbstractResolver):
    """Answers with the addresses that may be connected to; `PrivateAddressError` where a host has others only."""

    def __init__(self, guard: Guard, resolver: AbstractResolver | None = None) -> None:
        """`resolver` asks; by default the system, in a thread."""
        self.guard = guard
        self.resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host` that may be connected to at `port`, at least one."""
        results = await self.resolver.resolve(host, port, family)
        problems = [self.guard.problem_of(result["host"], host, port) for result in results]
        allowed = [result for result, problem in zip(results, problems, strict=True) if problem is None]
        if allowed:
            return allowed
        if problems:
            raise PrivateAddressError(problems[0])
        raise socket.gaierror(socket.EAI_NONAME, f"{host} has no address")

    async def close(self) -> None:
        """Close the resolver that asks."""
        await self.resolver.close()


def guarded_connector(guard: Guard, *, resolver: AbstractResolver | None = None, **options: Any) -> TCPConnector:
    """Return a connector that connects to nothing that `guard` refuses, by name or by address in the URL.

    A name is kept for five minutes; connections are kept; their number is not limited here. For a session
    without a proxy: a proxy connects by itself, past every guard.
    """
    return TCPConnector(
        resolver=GuardedResolver(guard, resolver),
        socket_factory=guard.socket,
        **{"limit": 0, "ttl_dns_cache": DNS_CACHE_S, **options},
    )


def _plain(host: str) -> str:
    try:
        return read_host(host)
    except UrlError:  # an IPv6 address without its brackets
        return host.lower().strip("[]").rstrip(".")
