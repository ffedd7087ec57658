"""A proxy in front of an object store that fails as object stores do, and counts what it is asked.

Every n-th request fails, by turns: 503 SlowDown, 500 InternalError, an answer that breaks off in the middle, one that
is lost after the store has done what was asked, and one that stalls.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, web

Fault = Literal["SlowDown", "InternalError", "broken", "lost", "stalled"]
FAULTS: tuple[Fault, ...] = ("SlowDown", "InternalError", "broken", "lost", "stalled")
REFUSALS = {"SlowDown": 503, "InternalError": 500}
OF_ONE_CONNECTION = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length", "expect"))
"""Headers that are not passed on: they say something of one of two connections."""


@dataclass
class FailingStore:
    """What the proxy has been asked, and has done."""

    port: int
    every: int
    """Every so many requests one fails; 0: none."""
    faults: tuple[Fault, ...]
    """How, by turns."""
    stall_s: float
    after: int
    """Requests before any fails."""
    asked: Counter[str] = field(default_factory=Counter)
    """Requests by what they are: `GET`, `HEAD`, `PUT`, `DELETE`, `list`, `part` (of a multipart upload)."""
    failed: Counter[str] = field(default_factory=Counter)
    """Requests that failed, by how."""
    connections: int = 0
    """Connections of clients."""

    @property
    def url(self) -> str:
        """The endpoint, for clients."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def failing_store(
    endpoint: str, *, every: int = 0, faults: tuple[Fault, ...] = FAULTS, stall_s: float = 5.0, after: int = 0
) -> Iterator[FailingStore]:
    """Stand in front of the store at `endpoint`, on a thread of this process."""
    store = FailingStore(port=0, every=every, faults=faults, stall_s=stall_s, after=after)
    loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

    async def serve() -> None:
        async with ClientSession(
            endpoint, timeout=ClientTimeout(total=None), auto_decompress=False, cookie_jar=DummyCookieJar()
        ) as session:
            server = web.Server(_Answers(store, session))
            listener = await loop.create_server(lambda: _counted(store, server), "127.0.0.1", 0)
            store.port = int(listener.sockets[0].getsockname()[1])
            ready.set()
            await stop.wait()
            listener.close()
            await server.shutdown(1.0)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield store
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()


def _counted(store: FailingStore, server: web.Server) -> asyncio.Protocol:
    store.connections += 1
    return server()


class _Answers:
    """Answers requests: as the store does, or not."""

    def __init__(self, store: FailingStore, session: ClientSession) -> None:
        self._store, self._session, self._numbers = store, session, count(1)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self._store.asked[_kind(request)] += 1
        if request.transport is not None and request.headers.get("Expect", "").lower() == "100-continue":
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        number, every = next(self._numbers) - self._store.after, self._store.every
        if number <= 0 or not every or number % every:
            return await self._passed_on(request)
        fault = self._store.faults[number // every % len(self._store.faults)]
        self._store.failed[fault] += 1
        if fault in REFUSALS:
            await request.content.read()
            return _refusal(fault)
        if fault == "stalled":
            await asyncio.sleep(self._store.stall_s)
            return await self._passed_on(request)
        answer = await self._passed_on(request)
        return await _cut(request, answer if fault == "broken" else None)

    async def _passed_on(self, request: web.BaseRequest) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in OF_ONE_CONNECTION}
        body = await request.content.read()  # `read` refuses more than a megabyte
        async with self._session.request(request.method, request.raw_path, headers=headers, data=body) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in OF_ONE_CONNECTION}
            content = await answer.read()
            if request.method == "HEAD":
                kept["Content-Length"] = answer.headers.get("Content-Length", "0")
            return web.Response(status=answer.status, headers=kept, body=content)


async def _cut(request: web.BaseRequest, answer: web.Response | None) -> web.StreamResponse:
    """Break the connection off: without an answer, or in the middle of its body."""
    begun = web.StreamResponse(status=200 if answer is None else answer.status)
    if answer is not None and isinstance(answer.body, bytes) and answer.body:
        begun.headers.update({name: value for name, value in answer.headers.items() if name != "Content-Length"})
        begun.content_length = len(answer.body)
        await begun.prepare(request)
        await begun.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return begun


def _refusal(code: str) -> web.Response:
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>Please try again.</Message></Error>'
    )
    return web.Response(status=REFUSALS[code], text=text, content_type="application/xml")


def _kind(request: web.BaseRequest) -> str:
    if "list-type" in request.query or (request.method == "GET" and request.path.count("/") == 1):
        return "list"
    return "part" if "partNumber" in request.query or "uploads" in request.query else request.method
