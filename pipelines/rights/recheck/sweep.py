"""Look at the pictures of a release within a budget, and keep what was found, batch by batch."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from byline.catalog.corpora.parts import PackPart
from byline.catalog.corpora.rechecks import add_checks
from byline.pipelines.fetching.transport import Answer, Transport
from byline.pipelines.fetching.transport.http import MAX_REDIRECTS, NO_REQUEST_LEFT
from byline.pipelines.rights.recheck.asking import Stated, ask, check_of, is_busy
from byline.pipelines.rights.recheck.due import Due, Picture
from byline.pipelines.rights.recheck.source_apis import SourceApi

BATCH = 500
"""Pictures that are kept at once: a kill loses at most what was heard of these."""
API_SILENT = "no answer of the source's API"
BUSY = "hosts that want to rest"
HALF_WAY = "redirects that the budget ended in"
MOST = 1 + MAX_REDIRECTS
"""Requests that one picture may take."""
WINDOW = 64
"""Pictures under way at once. How many of one host is the transport's to say."""


@dataclass(kw_only=True)
class Budget:
    """How many requests may be made."""

    limit: int
    num_asked: int = 0
    transports: Sequence[Any] = ()
    """What makes the requests. Transports that count theirs (`num_requests`), redirects included, are believed."""
    under_way: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def num_requests(self) -> int:
        """Requests that transports counted."""
        return sum(getattr(transport, "num_requests", 0) for transport in self.transports)

    @property
    def spent(self) -> int:
        """Requests so far."""
        return max(self.num_asked, self.num_requests)

    def is_left(self) -> bool:
        """Return whether one more request may be made."""
        return self.num_requests < self.limit

    @asynccontextmanager
    async def request(self) -> AsyncIterator[bool]:
        """Take a request out of the budget, and tell whether it was there. In the order in which it is asked for.

        Near the end they are made one after the other, so that redirects of all leave none of them half done.
        """
        async with self.turn:
            while self.under_way and self.spent < self.limit < self.spent + MOST * (self.under_way + 1):
                self.ended.clear()
                await self.ended.wait()
            is_left = self.spent < self.limit
            self.num_asked += is_left
            self.under_way += is_left
        try:
            yield is_left
        finally:
            self.under_way -= is_left
            self.ended.set()

    def give_back(self) -> None:
        """Put back a request that was taken and not made."""
        self.num_asked -= 1


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What a sweep came to."""

    findings: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    """What became of the requests for pictures; of how many the source's API said nothing; how many stay due since
    their hosts want to rest."""
    num_due: int
    num_requests: int

    @property
    def num_checked(self) -> int:
        """Pictures that something was found of, if only that nobody answers."""
        return self.findings.total()


async def sweep(
    due: Due,
    transport: Transport,
    budget: Budget,
    *,
    apis: Mapping[str, SourceApi],
    api_transport: Transport,
    batch: int = BATCH,
    count: Callable[[int], None] = lambda _: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Swept:
    """Look at the pictures that are due, in order, until the budget is spent, and keep what was found.

    When it is cancelled, what was heard by then is kept. Run again, it goes on with what was not looked at.
    """
    findings: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for part, pictures in due.batches(batch):
        rows: list[dict[str, Any]] = []
        look = _Look(transport, budget, apis.get(part.source), api_transport, clock, rows, outcomes, count)
        try:
            await look.at(part, pictures)
        finally:
            add_checks(due.release.store, due.release.name, part.pack, rows)
            findings.update(str(row["finding"]) for row in rows)
        if budget.spent >= budget.limit:
            break
    return Swept(findings=findings, outcomes=outcomes, num_due=len(due), num_requests=budget.spent)


@dataclass(frozen=True)
class _Look:
    """A look at the pictures of one batch."""

    transport: Transport
    budget: Budget
    api: SourceApi | None
    api_transport: Transport
    clock: Callable[[], datetime]
    rows: list[dict[str, Any]]
    outcomes: Counter[str]
    count: Callable[[int], None]

    async def at(self, part: PackPart, pictures: Sequence[Picture]) -> None:
        """Look at pictures, several at once, begun in their order."""
        size = self.api.at_once if self.api else 1
        slots = asyncio.Semaphore(max(1, WINDOW // size))

        async def one_group(group: Sequence[Picture]) -> None:
            async with slots:
                await self._at_group(part.source, group)

        async with asyncio.TaskGroup() as tasks:
            for start in range(0, len(pictures), size):
                tasks.create_task(one_group(pictures[start : start + size]))

    async def _at_group(self, source: str, pictures: Sequence[Picture]) -> None:
        stated: Mapping[str, Stated] = {}
        if self.api is not None:
            ids = {picture.record_id.removeprefix(f"{source}:"): picture.record_id for picture in pictures}
            async with self.budget.request() as is_left:
                if not is_left:
                    return
                stated_by_id = await self.api.ask(list(ids), self.api_transport)
            stated = {ids[id]: statement for id, statement in stated_by_id.items()}
            if len(stated) < len(pictures):
                self.outcomes[API_SILENT] += len(pictures) - len(stated)
        await asyncio.gather(*(self._at_picture(picture, stated.get(picture.record_id)) for picture in pictures))

    async def _at_picture(self, picture: Picture, stated: Stated | None) -> None:
        answer = None
        if stated is None or stated.license_claims is not None:
            async with self.budget.request() as is_left:
                if not is_left:
                    return
                answer = await ask(picture, self.transport)
            self.outcomes[_outcome(answer)] += 1
            if is_busy(answer):
                if answer.status is None:
                    self.budget.give_back()
                if stated is None or not stated.relicenses(picture):
                    return
                answer = None
        self.rows.append(check_of(picture, stated, answer, self.clock()))
        self.count(1)


def _outcome(answer: Answer) -> str:
    if not is_busy(answer):
        return str(answer.outcome)
    return HALF_WAY if answer.message == NO_REQUEST_LEFT else BUSY
