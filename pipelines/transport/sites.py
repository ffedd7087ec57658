"""What a host says of all that it has, read before anything else is asked of it: robots.txt and tdmrep.json."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from catalog.consent import Signal
from catalog.packs import Outcome
from pipelines.transport.answers import Answer, NotYetError
from pipelines.transport.robots import TOO_MANY_REQUESTS, RobotsFile, TdmRepFile, robots_of
from pipelines.transport.urls import origin_of

MAX_SITES = 20_000
MAX_DELAY_S = 30.0
"""Of a Crawl-delay; the longest that is kept to."""
LEARNING_S = 0.05
Read = Callable[[str], Awaitable[tuple[int | None, Answer]]]


@dataclass(frozen=True, kw_only=True)
class Site:
    """What an origin (scheme, host and port) says, or the answer for all its URLs when that could not be had."""

    robots: RobotsFile
    tdmrep: TdmRepFile | None = None
    problem: Answer | None = None

    @property
    def delay_s(self) -> float:
        """Rest between two requests that the host asks for."""
        return min(self.robots.crawl_delay() or 0.0, MAX_DELAY_S)

    def signals(self, url: str) -> tuple[Signal, ...]:
        """Return what the files say of the use of `url`."""
        return (*self.robots.robots_signals(url), *(self.tdmrep.signals(url) if self.tdmrep else ()))


class Sites:
    """Sites by origin, each read once."""

    def __init__(self, read: Read) -> None:
        self.read = read
        self.known: dict[str, asyncio.Task[Site]] = {}

    async def of(self, url: str) -> Site:
        """Return the site of a URL. Raises `NotYetError` while another request is the first to ask for it."""
        origin = origin_of(url)
        learning = self.known.get(origin)
        if learning is None:
            if len(self.known) >= MAX_SITES:
                del self.known[next(iter(self.known))]
            learning = self.known[origin] = asyncio.create_task(self._learn(origin))
        elif not learning.done():
            raise NotYetError(LEARNING_S)
        return await learning

    async def _learn(self, origin: str) -> Site:
        status, answer = await self.read(f"{origin}/robots.txt")
        robots = robots_of(status, answer.body or b"")
        if status is None or robots.is_unreachable:
            outcome = answer.outcome if status is None else Outcome.SERVER_ERROR
            rest_s = answer.retry_after_s if status != TOO_MANY_REQUESTS else answer.retry_after_s or 0.0
            problem = Answer(outcome=outcome, message=f"robots.txt: {answer.message}", retry_after_s=rest_s)
            return Site(robots=robots, problem=problem)
        status, answer = await self.read(f"{origin}/.well-known/tdmrep.json")
        return Site(robots=robots, tdmrep=TdmRepFile(answer.body) if status == 200 and answer.body else None)
