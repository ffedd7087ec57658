"""A worker's side of a coordinator: it shares with the workers of all machines."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from types import TracebackType

import aiohttp
from aiohttp import WSMsgType

from byline.catalog.errors import ServerError
from byline.pipelines.fetching.config import FetchConfig
from byline.pipelines.fetching.coordination.messages import (
    HEARTBEAT_S,
    MAX_MESSAGE_BYTES,
    Asked,
    AskLease,
    AskTurn,
    EndLease,
    EndTurn,
    Reply,
)
from byline.pipelines.fetching.coordination.reach import PATH, Reach, new_nonce
from byline.pipelines.fetching.transport.hosts import Hosts, Wait
from byline.pipelines.fetching.transport.shared_answers import Found, Turn
from byline.pipelines.fetching.transport.sharing import HostNews, Kind, Resting, Shared, SharedHere

REACHED_WITHIN_S = 2.0
"""Time after which the next address is tried."""
_reached: dict[Reach, str] = {}
"""The address at which this process has reached a coordinator before."""


class CoordinatedTurn:
    """The turn of a worker, whatever machine it is on."""

    def __init__(self, kept: Found | None) -> None:
        self.kept = kept
        self.found: Found | None = None

    def keep(self, answers: Found) -> None:
        """Keep what was found out; it is sent when the turn ends."""
        self.found = answers


class CoordinatedGrant:
    """A lease that the coordinator holds for this worker."""

    def __init__(self, shared: "Coordinated", number: int) -> None:
        self._shared, self._number, self._is_held = shared, number, True

    async def end(self, news: HostNews) -> float:
        """Tell the coordinator, which notes what the request told before anybody else may ask the host."""
        self._is_held = False
        return await self._shared.end(self._number, news)

    async def __aenter__(self) -> "CoordinatedGrant":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._is_held:
            await self._shared.end(self._number, HostNews())


class Coordinated:
    """Shares with all workers of a build, through a connection to its coordinator."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse, address: str) -> None:
        self._connection, self._address = connection, address
        self._numbers = count()
        self._replies: dict[int, asyncio.Future[Reply]] = {}

    async def lease(self, host: str, *, delay_s: float = 0.0) -> CoordinatedGrant | Wait | Resting:
        """Return the right to a request, or how long to wait before asking for it again."""
        number = next(self._numbers)
        try:
            reply = await self._ask(AskLease(number=number, host=host, delay_s=delay_s))
        except asyncio.CancelledError:
            await self._send(EndLease(number=number))  # it may have been granted by now
            raise
        if reply.is_granted:
            return CoordinatedGrant(self, number)
        return Resting() if reply.is_resting else Wait(reply.wait_s)

    async def end(self, number: int, news: HostNews) -> float:
        """Give a lease back. Return for how long the host is to be left alone, 0 for one that is well."""
        is_answered = news.health == "ill" or news.hold_off_s > 0
        message = EndLease(number=number, health=news.health, hold_off_s=news.hold_off_s, is_answered=is_answered)
        if is_answered:
            return (await self._ask(message)).wait_s
        await self._send(message)
        return 0.0

    @asynccontextmanager
    async def turn(self, kind: Kind, key: str, *, max_age_s: float) -> AsyncIterator[Turn]:
        """Give the turn to find something out, once no other worker has it."""
        number, value = next(self._numbers), None
        try:
            reply = await self._ask(AskTurn(number=number, of=kind, key=key, max_age_s=max_age_s))
            turn = CoordinatedTurn(reply.kept)
            yield turn
            value = turn.found
        finally:
            await self._send(EndTurn(number=number, found=value))

    async def hear(self) -> None:
        """Take replies. Never returns; raises `ServerError` when the connection ends."""
        async for message in self._connection:
            if message.type is not WSMsgType.TEXT:
                break
            reply = Reply.model_validate_json(message.data)
            if (waiting := self._replies.get(reply.number)) and not waiting.done():
                waiting.set_result(reply)
        raise ServerError(
            f"the coordinator of hosts at {self._address}, with whoever runs the build, went away; "
            "run the same command again, and it goes on from what is kept"
        )

    async def _ask(self, asked: Asked) -> Reply:
        waiting: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies[asked.number] = waiting
        try:
            await self._send(asked)
            return await waiting
        finally:
            del self._replies[asked.number]

    async def _send(self, asked: Asked) -> None:
        with suppress(ConnectionError):  # then `hear` ends
            await self._connection.send_str(asked.model_dump_json(exclude_none=True))


@asynccontextmanager
async def sharing(config: FetchConfig, folder: Path | None, reach: Reach | None) -> AsyncIterator[Shared]:
    """Give what the workers of a build share: through its coordinator, or on this machine where it has none."""
    if reach is None:
        yield SharedHere(Hosts(per_host=config.per_host, rate_per_s=config.rate_per_s), folder)
        return
    async with coordinated(reach) as shared:
        yield shared


@asynccontextmanager
async def coordinated(reach: Reach) -> AsyncIterator[Coordinated]:
    """Give a connection to the coordinator of this build. Raises `ServerError` where there is none, or none any more.

    Once it is gone, what was granted is granted to others, so the block is canceled at once.
    """
    async with aiohttp.ClientSession() as session:
        connection, address = await _connected(session, reach)
        shared = Coordinated(connection, address)
        try:
            async with asyncio.TaskGroup() as group:
                hearing = group.create_task(shared.hear())
                yield shared
                hearing.cancel()
        except BaseExceptionGroup as errors:
            lost = [error for error in errors.exceptions if isinstance(error, ServerError)]
            raise [*lost, *errors.exceptions][0] from None
        finally:
            await connection.close()


async def _connected(session: aiohttp.ClientSession, reach: Reach) -> tuple[aiohttp.ClientWebSocketResponse, str]:
    problems = []
    addresses = sorted(reach.addresses, key=lambda address: address != _reached.get(reach))
    for address in addresses:
        try:
            async with asyncio.timeout(REACHED_WITHIN_S):
                connection = await session.ws_connect(
                    f"http://{address}{PATH}", heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE_BYTES
                )
                if await _is_of_this_build(connection, reach):
                    _reached[reach] = address
                    return connection, address
            await connection.close()
            problems.append(f"{address} is not of this build")
        except TimeoutError:
            problems.append(f"{address} does not answer in {REACHED_WITHIN_S:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            problems.append(f"{address}: {getattr(error, 'strerror', None) or error}")
    raise ServerError(f"cannot reach the coordinator of hosts ({'; '.join(problems)})")


async def _is_of_this_build(connection: aiohttp.ClientWebSocketResponse, reach: Reach) -> bool:
    """Prove to the other side that this worker knows the secret, and let it prove the same."""
    ours = new_nonce()
    try:
        theirs = str((await connection.receive_json())["nonce"])
        await connection.send_json({"nonce": ours, "proof": reach.proof("worker", theirs, ours)})
        return reach.is_proof((await connection.receive_json())["proof"], "coordinator", theirs, ours)
    except (TypeError, KeyError, ValueError, ConnectionError):
        return False
