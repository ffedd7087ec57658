"""What a host says of all that it has, read before anything else is asked of it: robots.txt and tdmrep.json."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from byline.catalog.consent import Signal
from byline.catalog.corpora.packs import Outcome
from byline.pipelines.fetching.transport.answers import Answer, NotYetError
from byline.pipelines.fetching.transport.host_table import seconds_since_boot
from byline.pipelines.fetching.transport.robots import TOO_MANY_REQUESTS, RobotsFile, TdmRepFile, robots_of, tdmrep_of
from byline.pipelines.fetching.transport.shared_answers import Found
from byline.pipelines.fetching.transport.sharing import Shared

MAX_AGE_S = 86_400.0
"""Age at which a host's files are asked for again: RFC 9309, 2.4."""
MAX_SHARED_BYTES = 1 << 16
"""Largest files that are shared; each process reads larger ones itself."""
MAX_SITES = 20_000
MAX_DELAY_S = 30.0
"""Longest Crawl-delay that is obeyed; a longer one counts as this."""
LEARNING_S = 0.05
Read = Callable[[str], Awaitable[tuple[int | None, Answer]]]


@dataclass(frozen=True, kw_only=True)
class SiteAnswers:
    """What an origin answered to the requests for its two files."""

    robots_status: int
    robots: bytes
    tdmrep_status: int | None
    """HTTP status of the answer for tdmrep.json; None where there was no answer."""
    tdmrep: bytes


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
    """Sites by origin, each read once in a day by all those who share what was said."""

    def __init__(self, read: Read, shared: Shared) -> None:
        self.read, self.shared = read, shared
        self.known: dict[str, tuple[float, asyncio.Task[Site]]] = {}
        """Origin -> when it was asked for, and what comes of it."""

    async def of(self, origin: str) -> Site:
        """Return the site of an origin. Raises `NotYetError` while another request is the first to ask for it."""
        now_s = seconds_since_boot()
        at_s, learning = self.known.get(origin, (now_s, None))
        if learning is None or now_s - at_s > MAX_AGE_S:
            if len(self.known) >= MAX_SITES:
                del self.known[next(iter(self.known))]
            learning = asyncio.create_task(self._learn(origin))
            self.known[origin] = now_s, learning
        elif not learning.done():
            raise NotYetError(LEARNING_S)
        return await learning

    async def _learn(self, origin: str) -> Site:
        async with self.shared.turn("sites", origin, max_age_s=MAX_AGE_S) as turn:
            if turn.kept is not None and (kept := _as_answers(turn.kept)) is not None:
                return _site_of(kept)
            answers = await self._ask(origin)
            if isinstance(answers, Site):
                return answers  # not shared: what failed for one may go well for the next
            if len(answers.robots) + len(answers.tdmrep) <= MAX_SHARED_BYTES:
                turn.keep(_as_found(answers))
            return _site_of(answers)

    async def _ask(self, origin: str) -> SiteAnswers | Site:
        """Return what an origin says of all that it has, or, where that could not be had, the site that follows."""
        status, answer = await self.read(f"{origin}/robots.txt")
        robots = robots_of(status, answer.body or b"")
        if status is None or robots.is_unreachable:
            is_kept = status is None and answer.outcome != Outcome.HTTP_ERROR
            outcome = answer.outcome if is_kept else Outcome.SERVER_ERROR
            rest_s = answer.retry_after_s if status != TOO_MANY_REQUESTS else answer.retry_after_s or 0.0
            was_sent = answer.was_sent and status is None  # a host that answers is there, and was not asked for more
            message = f"robots.txt: {answer.message}"
            problem = Answer(outcome=outcome, message=message, retry_after_s=rest_s, was_sent=was_sent)
            return Site(robots=robots, problem=problem)
        body = answer.body or b""
        tdmrep_status, answer = await self.read(f"{origin}/.well-known/tdmrep.json")
        return SiteAnswers(robots_status=status, robots=body, tdmrep_status=tdmrep_status, tdmrep=answer.body or b"")


def _site_of(files: SiteAnswers) -> Site:
    robots = robots_of(files.robots_status, files.robots)
    return Site(robots=robots, tdmrep=tdmrep_of(files.tdmrep_status, files.tdmrep))


def _as_found(files: SiteAnswers) -> Found:
    """Return what an origin said as plain data, of which every byte comes back."""
    return {**vars(files), "robots": files.robots.decode("latin-1"), "tdmrep": files.tdmrep.decode("latin-1")}


def _as_answers(kept: Found) -> SiteAnswers | None:
    """Return what an origin said, none where the data is not that."""
    try:
        files = {name: kept[name].encode("latin-1") for name in ("robots", "tdmrep")}
        return SiteAnswers(**{**kept, **files})
    except (KeyError, TypeError, AttributeError, ValueError):
        return None
