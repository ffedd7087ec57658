"""A loopback server that sends just the bytes that a test wants, and what a transport makes of them."""

import asyncio
from collections import Counter
from collections.abc import Callable

from byline.pipelines.fetching.transport import HttpTransport
from tests.builders import a_fetch_config, shared_in

HANG_UP = b""
"""In place of an answer: the connection is closed."""
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
Answers = dict[str, bytes | Callable[[int], bytes]]
"""Path -> the bytes, or what gives them for the first, second, ... request. Any other path is not found."""


def sent(body: bytes = b"abc", *lines: str, status: str = "200 OK") -> bytes:
    """Return an answer as it goes over the wire."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines])
    return f"{head}\r\n\r\n".encode() + body


def served(answers: Answers, scenario, *, tmp_path, options=None, **overrides):
    """Return what comes of `scenario(transport, base)`, and how often each path was asked for.

    `options` are the transport's own, `overrides` those of its config.
    """
    asked: Counter[str] = Counter()

    async def serve(reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ")[1].decode()
                asked[path] += 1
                answer = answers.get(path, NOT_FOUND)
                answer = answer if isinstance(answer, bytes) else answer(asked[path])
                if answer == HANG_UP:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def whole():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        config = a_fetch_config(**overrides)
        shared = shared_in(tmp_path / "hosts", config)
        async with server, HttpTransport(config, shared=shared, **(options or {})) as transport:
            return await scenario(transport, base)

    return asyncio.run(whole()), asked


def got(answers: Answers, path: str = "/a.jpg", **options):
    """Return the answer to a request for one path, and how often each path was asked for."""
    return served(answers, lambda transport, base: transport.get(f"{base}{path}"), **options)
