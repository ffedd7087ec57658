"""The coordinator: it keeps hosts' limits for the workers of a build, as this machine's own processes keep them."""

import asyncio
import random
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from aiohttp import WSMsgType, web
from pydantic import ValidationError

from byline.catalog.errors import BylineError, ConfigError
from byline.pipelines.fetching.config import FetchConfig
from byline.pipelines.fetching.coordination.messages import (
    ASKED,
    HEARTBEAT_S,
    MAX_MESSAGE_BYTES,
    PROVED_WITHIN_S,
    Asked,
    AskLease,
    AskTurn,
    EndLease,
    EndTurn,
    Reply,
)
from byline.pipelines.fetching.coordination.reach import LOOPBACK, PATH, Reach, new_nonce, new_secret
from byline.pipelines.fetching.transport.hosts import BUSY_S, Hosts, Wait
from byline.pipelines.fetching.transport.sharing import Grant, HostNews, Resting, SharedHere

ENDS_WITHIN_S = 1.0


class Coordinator:
    """Answers the workers of one build. What a worker holds is free as soon as its connection ends."""

    def __init__(self, config: FetchConfig, folder: Path, reach: Reach) -> None:
        """Limits are shared with all processes of this machine; `folder` keeps what hosts say, until the build ends."""
        self._shared = SharedHere(Hosts(per_host=config.per_host, rate_per_s=config.rate_per_s), folder)
        self._reach = reach
        self.num_workers = 0
        """Connections that have proved to be of this build; a worker process has one for each pack under way."""

    async def answer(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one connection until it ends."""
        connection = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE_BYTES, timeout=ENDS_WITHIN_S)
        await connection.prepare(request)
        if await self._is_of_this_build(connection):
            self.num_workers += 1
            try:
                await _Worker(connection, self._shared, self).serve()
            finally:
                self.num_workers -= 1
        await connection.close()
        return connection

    async def _is_of_this_build(self, connection: web.WebSocketResponse) -> bool:
        """Let the other side prove that it knows the secret, and prove the same to it."""
        ours = new_nonce()
        with suppress(TimeoutError, TypeError, ValueError, KeyError, ConnectionError):
            await connection.send_json({"nonce": ours})
            answer = await connection.receive_json(timeout=PROVED_WITHIN_S)
            if self._reach.is_proof(answer["proof"], "worker", ours, str(answer["nonce"])):
                await connection.send_json({"proof": self._reach.proof("coordinator", ours, str(answer["nonce"]))})
                return True
        return False


class _Worker:
    """One connection, and what it holds."""

    def __init__(self, connection: web.WebSocketResponse, shared: SharedHere, coordinator: Coordinator) -> None:
        self._connection, self._shared, self._coordinator = connection, shared, coordinator
        self._grants: dict[int, Grant] = {}
        self._turns: dict[int, tuple[asyncio.Task[None], asyncio.Future[EndTurn]]] = {}

    async def serve(self) -> None:
        """Answer until the connection ends or what comes is no message of a worker's."""
        try:
            async for message in self._connection:
                if message.type is not WSMsgType.TEXT:
                    break
                await self._hear(ASKED.validate_json(message.data))
        except (ValidationError, ConnectionError):
            return
        finally:
            for grant in self._grants.values():
                await grant.end(HostNews())
            for waiting, _ in self._turns.values():
                waiting.cancel()

    async def _hear(self, asked: Asked) -> None:
        match asked:
            case AskLease():
                await self._send(await self._lease(asked))
            case EndLease() if grant := self._grants.pop(asked.number, None):
                wait_s = await grant.end(HostNews(health=asked.health, hold_off_s=asked.hold_off_s))
                if asked.is_answered:
                    await self._send(Reply(number=asked.number, wait_s=wait_s))
            case AskTurn():
                ended: asyncio.Future[EndTurn] = asyncio.get_running_loop().create_future()
                self._turns[asked.number] = asyncio.create_task(self._turn(asked, ended)), ended
            case EndTurn() if asked.number in self._turns:
                waiting, ended = self._turns.pop(asked.number)
                ended.set_result(asked)
                if asked.found is None:
                    waiting.cancel()

    async def _lease(self, asked: AskLease) -> Reply:
        grant = await self._shared.lease(asked.host, delay_s=asked.delay_s)
        if isinstance(grant, Wait):
            # However many workers wait for a host, all of them together ask no more often than one would alone.
            others = self._coordinator.num_workers - 1
            return Reply(number=asked.number, wait_s=grant.seconds + random.uniform(0, 2 * BUSY_S * others))
        if isinstance(grant, Resting):
            return Reply(number=asked.number, is_resting=True)
        self._grants[asked.number] = grant
        return Reply(number=asked.number, is_granted=True)

    async def _turn(self, asked: AskTurn, ended: "asyncio.Future[EndTurn]") -> None:
        try:
            async with self._shared.turn(asked.of, asked.key, max_age_s=asked.max_age_s) as turn:
                await self._send(Reply(number=asked.number, is_granted=True, kept=turn.kept))
                if value := (await ended).found:
                    turn.keep(value)
        except BylineError:
            await self._connection.close()  # nothing can be kept here, so the worker is not to wait

    async def _send(self, reply: Reply) -> None:
        with suppress(ConnectionError):
            await self._connection.send_str(reply.model_dump_json(exclude_defaults=True))


@contextmanager
def coordinating(
    config: FetchConfig, folder: Path, *, addresses: Sequence[str], port: int = 0, is_open: bool = True
) -> Iterator[Reach]:
    """Serve the workers of a build from a thread until the block ends, and give how they reach this machine.

    `addresses` are those of this machine; unless `is_open`, nothing but loopback is listened at.
    """
    listener = _listener(port, is_open=is_open)
    reach = Reach(tuple(f"{address}:{listener.getsockname()[1]}" for address in addresses), new_secret())
    thread = _Thread(Coordinator(config, folder, reach), listener)
    thread.start()
    try:
        yield reach
    finally:
        thread.stop()


def _listener(port: int, *, is_open: bool) -> socket.socket:
    if is_open and socket.has_dualstack_ipv6():
        with suppress(OSError):
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    try:
        return socket.create_server(("0.0.0.0" if is_open else LOOPBACK, port))
    except OSError as error:
        raise ConfigError(
            f"cannot listen at port {port} ({error.strerror}), where hosts' limits are kept for workers; "
            "name another: --coordinator HOST:PORT"
        ) from error


class _Thread(threading.Thread):
    """A coordinator at work, beside a driver that waits for its runner."""

    def __init__(self, coordinator: Coordinator, listener: socket.socket) -> None:
        super().__init__(name="byline_coordinates", daemon=True)
        self._coordinator, self._listener = coordinator, listener
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()

    def run(self) -> None:
        """Serve until stopped."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    def stop(self) -> None:
        """End every connection."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self.join()

    async def _serve(self) -> None:
        application = web.Application()
        application.router.add_get(PATH, self._coordinator.answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=ENDS_WITHIN_S)
        await runner.setup()
        await web.SockSite(runner, self._listener).start()
        await self._stopped.wait()
        await runner.cleanup()
