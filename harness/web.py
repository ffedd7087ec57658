"""A web of thousands of hosts on loopback, fast and badly behaved, in a process of its own; it logs what it is asked.

Linux answers on all of 127.0.0.0/8, so each address there is a host and all share one port. The socket is bound to the
loopback device: nothing outside this machine can reach it. Answers are built beforehand, and every URL's bytes are its
own: `/K/N.jpg` is picture K with N as a JPEG comment.
"""

import asyncio
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TextIO

from harness.web_log import Request, read_log

Kind = Literal["healthy", "hangs", "busy", "html", "short", "cut", "mistyped"]
LIES: tuple[Kind, ...] = ("html", "short", "cut", "mistyped")
"""HTML as image/jpeg; fewer bytes than promised; half a JPEG, honestly long; a whole JPEG as text/html."""
HANGS_OF_100, BUSY_OF_100, LIARS_OF_100 = 1, 5, 2
BACKLOG = 4096
FLUSH_S = 0.02
COMMENT = b"\xff\xd8\xff\xfe\x00\x0e%012d"
"""What a JPEG begins with, and a comment of twelve digits."""
HTML = b"<!doctype html><title>Sorry</title><p>Not a picture.</p>" * 20
ROBOTS = b"User-agent: *\nDisallow: /private/\n"
TDMREP = b'[{"location": "/private/*", "tdm-reservation": 1}]'


def address_of(host: int) -> str:
    """Return the address of a host by its number, the same in every run."""
    return f"127.{1 + (host >> 16)}.{host >> 8 & 255}.{host & 255}"


def number_of(address: str) -> int:
    """Return the number of the host at an address."""
    _, high, middle, low = map(int, address.split("."))
    return (high - 1 << 16) + (middle << 8) + low


def kind_of(host: int) -> Kind:
    """Return how a host of a sick web behaves: of every hundred in a row, exactly so many each way, in seeded order."""
    return _kinds(host // 100)[host % 100]


@cache
def _kinds(hundred: int) -> list[Kind]:
    liars = [LIES[(LIARS_OF_100 * hundred + liar) % len(LIES)] for liar in range(LIARS_OF_100)]
    ill: list[Kind] = [*["hangs"] * HANGS_OF_100, *["busy"] * BUSY_OF_100, *liars]  # type: ignore[list-item]
    kinds: list[Kind] = [*ill, *["healthy"] * (100 - len(ill))]  # type: ignore[list-item]
    random.Random(hundred).shuffle(kinds)
    return kinds


def retry_after_s(host: int) -> int:
    """Return how long a busy host asks to be left alone."""
    return 1 + host % 2


@dataclass(frozen=True)
class Web:
    """A web that answers."""

    port: int
    log: Path

    def url(self, host: int, picture: int, number: int) -> str:
        """Return a URL of a picture, with bytes that only `number` has."""
        return f"http://{address_of(host)}:{self.port}/{picture}/{number}.jpg"

    def requests(self) -> list[Request]:
        """Return what was asked for so far (the last moment may lack), in order of arrival."""
        return read_log(self.log)


@contextmanager
def a_web(folder: Path, pictures: Sequence[bytes], *, is_sick: bool = False, latency_s: float = 0.0) -> Iterator[Web]:
    """Serve JPEGs, each answer `latency_s` after its request; of a sick web some hosts hang, are busy or lie."""
    for number, picture in enumerate(pictures):
        (folder / f"{number}.jpg").write_bytes(picture)
    log = folder / "requests.log"
    command = [sys.executable, "-m", "harness.web", str(folder), str(log), str(int(is_sick)), str(latency_s)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield Web(int(server.stdout.readline()), log)
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


class _Pages:
    """What the server says, and what it remembers of each host."""

    def __init__(self, pictures: Sequence[bytes], log: TextIO, *, is_sick: bool, latency_s: float) -> None:
        self.pictures, self.log, self.is_sick, self.latency_s = pictures, log, is_sick, latency_s
        self.heads = [_head(200, "image/jpeg", len(picture) - 2 + len(COMMENT % 0)) for picture in pictures]
        self.in_flight: Counter[str] = Counter()
        self.free_at: dict[int, float] = {}

    def kind(self, host: int) -> Kind:
        return kind_of(host) if self.is_sick else "healthy"

    def answer(self, host: int, path: str) -> tuple[int, bytes, bool]:
        """Return status, bytes, and whether the connection is closed after them."""
        if path == "/robots.txt":
            return _whole(200, "text/plain", ROBOTS) if host % 2 else _whole(404, "text/html", HTML)
        if path == "/.well-known/tdmrep.json":
            return _whole(404, "text/html", HTML) if host % 4 else _whole(200, "application/json", TDMREP)
        kind = self.kind(host)
        if kind == "busy" and time.monotonic() < self.free_at.setdefault(host, time.monotonic() + retry_after_s(host)):
            return _whole(429, "text/plain", b"slow down", f"Retry-After: {retry_after_s(host)}\r\n")
        if kind == "html":
            return _whole(200, "image/jpeg", HTML)
        index, number = (int(part) for part in path.removesuffix(".jpg").split("/")[1:])
        body = COMMENT % number + self.pictures[index][2:]
        if kind == "short":
            return 200, self.heads[index] + body[: len(body) // 2], True
        if kind == "cut":
            return _whole(200, "image/jpeg", body[: len(body) // 2])
        if kind == "mistyped":
            return _whole(200, "text/html", body)
        return 200, self.heads[index] + body, False


def _whole(status: int, media_type: str, body: bytes, more: str = "") -> tuple[int, bytes, bool]:
    return status, _head(status, media_type, len(body), more) + body, False


def _head(status: int, media_type: str, length: int, more: str = "") -> bytes:
    return f"HTTP/1.1 {status} x\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n{more}\r\n".encode()


class _Connection(asyncio.Protocol):
    """One connection, kept alive: a GET, its answer, the next."""

    def __init__(self, pages: _Pages) -> None:
        self.pages, self.unread, self.num_open = pages, b"", 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.address = transport.get_extra_info("sockname")[0]
        self.host = number_of(self.address)

    def data_received(self, data: bytes) -> None:
        self.unread += data
        while b"\r\n\r\n" in self.unread:
            head, self.unread = self.unread.split(b"\r\n\r\n", 1)
            self._hear(head.split(b" ", 2)[1].decode())

    def connection_lost(self, _: Exception | None) -> None:
        self.pages.in_flight[self.address] -= self.num_open
        self.num_open = 0

    def _hear(self, path: str) -> None:
        arrived_s = time.monotonic()
        self.num_open += 1
        self.pages.in_flight[self.address] += 1
        in_flight = self.pages.in_flight[self.address]
        if self.pages.kind(self.host) == "hangs":
            self._write_down(arrived_s, path, 0, in_flight)
        elif self.pages.latency_s:
            loop = asyncio.get_running_loop()
            loop.call_later(self.pages.latency_s, self._answer, arrived_s, path, in_flight)
        else:
            self._answer(arrived_s, path, in_flight)

    def _answer(self, arrived_s: float, path: str, in_flight: int) -> None:
        """Answer, and write the request down even where nobody waits any more."""
        status, data, is_last = self.pages.answer(self.host, path)
        if self.num_open:
            self.num_open -= 1
            self.pages.in_flight[self.address] -= 1
        self._write_down(arrived_s, path, status, in_flight)
        self.transport.write(data)
        if is_last:
            self.transport.close()

    def _write_down(self, arrived_s: float, path: str, status: int, in_flight: int) -> None:
        answered_s = time.monotonic()
        self.pages.log.write(f"{arrived_s:.6f} {answered_s:.6f} {self.address} {path} {status} {in_flight}\n")


async def _serve(pages: _Pages) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    listening.bind(("", 0))
    server = await loop.create_server(lambda: _Connection(pages), sock=listening, backlog=BACKLOG)
    print(listening.getsockname()[1], flush=True)
    async with server:
        while not stop.is_set():
            pages.log.flush()
            await asyncio.sleep(FLUSH_S)
    pages.log.flush()


def _main(folder: str, log: str, is_sick: str, latency_s: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    paths = sorted(Path(folder).glob("*.jpg"), key=lambda path: int(path.stem))
    with open(log, "w", buffering=1 << 20) as file:
        pictures = [path.read_bytes() for path in paths]
        asyncio.run(_serve(_Pages(pictures, file, is_sick=bool(int(is_sick)), latency_s=float(latency_s))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
