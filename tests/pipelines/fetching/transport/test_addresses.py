import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from urllib.parse import urljoin

import aiohttp
import pytest

from byline.catalog.errors import ConfigError
from byline.pipelines.fetching.transport.addresses import (
    Guard,
    GuardedResolver,
    PrivateAddressError,
    guarded_connector,
    kind_if_not_public,
    refusal_in,
)
from byline.pipelines.fetching.transport.urls import problem_of
from tests.pipelines.fetching.transport.hostile_urls import (
    ANSWERS,
    FRIENDLY,
    FRIENDLY_ADDRESS,
    HOSTILE,
    HostileResolver,
)

PUBLIC = "1.1.1.1 93.184.216.34 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1 198.17.0.1 198.20.0.1"
PUBLIC += " 223.255.255.255 2001:4860:4860::8888 2606:4700::1111 2a00:1450::1 2001:200::1"
PUBLIC += " ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1"


class Trap:
    """A listener that must stay alone, and a friendly server beside it that redirects to wherever it is told."""

    def __init__(self) -> None:
        self.num_connections = 0
        self.num_friendly = 0
        self.location = ""

    async def spring(self, reader, writer):
        self.num_connections += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async def redirect(self, reader, writer):
        self.num_friendly += 1
        request = await reader.readuntil(b"\r\n\r\n")
        if b"/robots.txt " in request or b"/tdmrep.json " in request:
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return writer.close()
        location = self.location.encode("utf-8", "surrogateescape").replace(b"\r\n", b"").replace(b"\n", b"")
        head = b"HTTP/1.1 302 Found\r\nLocation: " + location.replace(b"\0", b"") if location else b"HTTP/1.1 200 OK"
        writer.write(head + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    def asked(self, guard):
        """Return a session whose connections `guard` watches and whose names the hostile resolver answers."""
        connector = guarded_connector(guard, resolver=HostileResolver(), use_dns_cache=False)
        return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=5))


@asynccontextmanager
async def a_trap():
    """Start the listeners at one free port, also at ::1 where the machine has it."""
    trap = Trap()
    first = await asyncio.start_server(trap.spring, "127.0.0.1", 0)
    trap.port = first.sockets[0].getsockname()[1]
    servers = [first, await asyncio.start_server(trap.redirect, FRIENDLY_ADDRESS, trap.port)]
    if socket.has_ipv6:
        with suppress(OSError):
            servers.append(await asyncio.start_server(trap.spring, "::1", trap.port))
    try:
        yield trap
    finally:
        for server in servers:
            server.close()
            await server.wait_closed()


async def outcome_of(session, url):
    """Follow redirects by hand, as a client must; return the last status, or why no more was asked."""
    for _ in range(3):
        if problem_of(url):
            return problem_of(url)
        try:
            async with session.get(url, allow_redirects=False) as response:
                if "Location" not in response.headers:
                    return response.status
                url = urljoin(url, response.headers["Location"])
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return error
    return "too many redirects"


def in_a_trap(scenario):
    """Run a scenario with a trap; return what it found, and the trap with its counts."""

    async def whole():
        async with a_trap() as trap:
            return await scenario(trap), trap

    return asyncio.run(whole())


def test_the_hostile_set_is_large_and_without_doubles():
    assert len(HOSTILE) >= 100


def test_the_trap_is_sprung_without_a_guard():
    async def scenario(trap):
        connector = aiohttp.TCPConnector(resolver=HostileResolver())
        async with aiohttp.ClientSession(connector=connector) as session:
            return [
                await outcome_of(session, f"http://{host}:{trap.port}/")
                for host in ("127.0.0.1", "loopback.example", "[::ffff:127.0.0.1]")
            ]

    _, trap = in_a_trap(scenario)
    assert trap.num_connections == 3


def test_no_hostile_url_reaches_a_listener():
    async def scenario(trap):
        async with trap.asked(Guard(FRIENDLY)) as session:
            return {url: await outcome_of(session, url.format(port=trap.port)) for url in HOSTILE}

    outcomes, trap = in_a_trap(scenario)
    assert not [url for url, outcome in outcomes.items() if isinstance(outcome, int)]
    assert (trap.num_connections, trap.num_friendly) == (0, 0)


def test_no_redirect_reaches_a_listener():
    async def scenario(trap):
        async with trap.asked(Guard(FRIENDLY)) as session:
            for url in HOSTILE:
                trap.location = url.format(port=trap.port)
                await outcome_of(session, f"http://friendly.example:{trap.port}/")

    _, trap = in_a_trap(scenario)
    assert trap.num_connections == 0
    assert trap.num_friendly >= len(HOSTILE)


def test_a_name_that_changes_its_address_is_refused_the_second_time():
    async def scenario(trap):
        async with trap.asked(Guard(FRIENDLY)) as session:
            return [await outcome_of(session, f"http://changes.example:{trap.port}/") for _ in range(3)]

    (first, *later), trap = in_a_trap(scenario)
    assert first == 200
    assert all(refusal_in(outcome) for outcome in later)
    assert trap.num_connections == 0


def test_an_answer_that_changes_after_the_check_is_caught_at_the_socket():
    async def scenario(trap):
        factory = Guard(FRIENDLY).socket
        connector = aiohttp.TCPConnector(resolver=HostileResolver(), socket_factory=factory, use_dns_cache=False)
        async with aiohttp.ClientSession(connector=connector) as session:
            urls = [url.format(port=trap.port) for url in HOSTILE if "nothing" not in url]
            urls += [f"http://changes.example:{trap.port}/", f"http://changes.example:{trap.port}/"]
            return [await outcome_of(session, url) for url in urls]

    outcomes, trap = in_a_trap(scenario)
    assert outcomes[-2] == 200
    assert refusal_in(outcomes[-1])
    assert trap.num_connections == 0


def test_of_a_name_with_both_kinds_of_address_only_the_allowed_is_asked():
    async def scenario(trap):
        async with trap.asked(Guard(FRIENDLY)) as session:
            return await outcome_of(session, f"http://mixed.example:{trap.port}/")

    status, trap = in_a_trap(scenario)
    assert (status, trap.num_connections, trap.num_friendly) == (200, 0, 1)


def test_a_refusal_names_host_and_address():
    async def scenario(trap):
        async with trap.asked(Guard()) as session:
            return await outcome_of(session, f"http://loopback.example:{trap.port}/?token=abc")

    error, _ = in_a_trap(scenario)
    wanted = "address 127.0.0.1 of loopback.example is not public (loopback); nothing was asked"
    assert str(refusal_in(error)) == wanted


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.0/8", "loopback.example:{port}", "LOOPBACK.example.:{port}"])
def test_what_is_allowed_is_asked(allowed):
    async def scenario(trap):
        async with trap.asked(Guard((allowed.format(port=trap.port),))) as session:
            return await outcome_of(session, f"http://loopback.example:{trap.port}/")

    _, trap = in_a_trap(scenario)
    assert trap.num_connections == 1


def test_a_name_is_allowed_at_its_port_alone_and_no_other_name_with_it():
    async def scenario(trap):
        async with trap.asked(Guard(("loopback.example:1234",))) as session:
            return [
                await outcome_of(session, f"http://{host}:{trap.port}/")
                for host in ("loopback.example", "every-loopback.example", "127.0.0.1")
            ]

    outcomes, trap = in_a_trap(scenario)
    assert all(refusal_in(outcome) for outcome in outcomes)
    assert trap.num_connections == 0


def test_the_resolver_keeps_allowed_addresses_only():
    found = asyncio.run(GuardedResolver(Guard(FRIENDLY), HostileResolver()).resolve("mixed.example", 80))
    assert [one["host"] for one in found] == [FRIENDLY_ADDRESS]


@pytest.mark.parametrize("name", [name for name in ANSWERS if name not in ("friendly.example", "mixed.example")])
def test_the_resolver_refuses_a_name_without_allowed_addresses(name):
    resolver = asyncio.run(_a_resolver())
    with pytest.raises(PrivateAddressError if ANSWERS[name] else OSError, match=name):
        asyncio.run(resolver.resolve(name, 80))


async def _a_resolver():
    return GuardedResolver(Guard(FRIENDLY), HostileResolver())


@pytest.mark.parametrize("address", PUBLIC.split())
def test_a_public_address_may_be_asked(address):
    assert Guard().problem_of(address, "pictures.example", 443) is None


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("0.0.0.0", "this network"),
        ("100.64.0.1", "shared by a carrier"),
        ("100.127.255.255", "shared by a carrier"),
        ("168.63.129.16", "metadata of a cloud"),
        ("169.254.169.254", "link-local"),
        ("172.31.255.255", "private"),
        ("192.0.0.9", "protocol assignments"),
        ("198.19.255.255", "benchmarks"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "of one link"),
        ("2606:4700::1111%1", "of one link"),
        ("fec0::1", "site-local"),
        ("fd00::1", "private"),
        ("ff0e::1", "multicast"),
        ("::ffff:127.0.0.1", "loopback, inside it 127.0.0.1"),
        ("64:ff9b::10.0.0.1", "private, inside it 10.0.0.1"),
        ("2002:a9fe:a9fe::1", "link-local, inside it 169.254.169.254"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "protocol assignments, Teredo among them"),
        ("::8.8.8.8", "reserved"),
        ("4000::1", "reserved"),
    ],
)
def test_what_is_not_public_says_what_it_is(address, kind):
    assert kind_if_not_public(ip_address(address)) == kind


@pytest.mark.parametrize("address", ["127.1", "0x7f.0.0.1", "2130706433", "017700000001", "localhost", "", "::1]"])
def test_an_address_in_an_unusual_form_is_refused(address):
    problem = Guard(("0.0.0.0/0", "::/0")).problem_of(address, "pictures.example", 80)
    assert problem == f"pictures.example: {address!r} is no address in its usual form"


@pytest.mark.parametrize("port", [0, 22, 25, 6667, 65536])
def test_no_port_of_another_service_is_allowed_by_a_network(port):
    problem = Guard(("127.0.0.0/8",)).problem_of("127.0.0.1", "127.0.0.1", port)
    assert problem == f"127.0.0.1: port {port}, which is not for http"


def test_an_allowed_network_holds_for_addresses_mapped_from_it_and_no_other_embedding():
    guard = Guard(("127.0.0.0/8",))
    assert guard.problem_of("::ffff:127.0.0.1", "a.example", 80) is None
    assert guard.problem_of("64:ff9b::7f00:1", "a.example", 80) is not None


@pytest.mark.parametrize(
    "entry", ["", "intranet", "intranet:", ":80", "intranet:0", "intranet:x", "10.0.0.1/8", "a/b:80"]
)
def test_what_cannot_be_allowed_is_a_clear_error(entry):
    with pytest.raises(
        ConfigError, match=r"cannot allow .*; give a network such as 10\.1\.0\.0/16, or a name and port"
    ):
        Guard((entry,))


def test_a_socket_is_made_for_the_internet_alone():
    with pytest.raises(PrivateAddressError, match="is not of the internet"):
        Guard().socket((socket.AF_UNIX, socket.SOCK_STREAM, 0, "", ("/run/docker.sock", 80)))
