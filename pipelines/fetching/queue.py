"""Which request goes when: hosts take turns, and one that is to be left alone for a time holds up no other."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from heapq import heappop, heappush

from byline.pipelines.fetching.transport import Answer, NotYetError

Ask = Callable[[int], Awaitable[Answer]]
Use = Callable[[int, Answer], Awaitable[None]]


async def answer_all(hosts: Sequence[str], ask: Ask, use: Use, *, window: int, per_host: int, retries: int) -> None:
    """Give `use` the answer to every request, which is its place in `hosts`; no more than `window` are under way.

    `use` counts as under way, so that answers do not pile up. Requests to a host go in their order, at most `per_host`
    at once. Where `ask` raises `NotYetError`, the host rests; an answer that it brings counts after `retries` more. A
    request that a redirect led to another host waits among that host's.
    """
    await _Queue(hosts, ask, use, window, per_host, retries).run()


class _Queue:
    def __init__(self, hosts: Sequence[str], ask: Ask, use: Use, window: int, per_host: int, retries: int) -> None:
        self.hosts, self.ask, self.use = hosts, ask, use
        self.window, self.per_host, self.retries = window, per_host, retries
        self.waiting: dict[str, deque[int]] = defaultdict(deque)
        for index, host in enumerate(hosts):
            self.waiting[host].append(index)
        self.under_way: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()
        self.turns: list[tuple[float, int, str]] = []
        """(when, number, host): the next request of a host; at most one entry a host."""
        self.has_turn: set[str] = set()
        self.number = 0

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        for host in self.waiting:
            self._give_turn(host, 0.0)
        tasks: set[asyncio.Task[None]] = set()
        try:
            while self.turns or tasks:
                while self.turns and len(tasks) < self.window and self.turns[0][0] <= clock():
                    tasks.add(asyncio.create_task(self._take_turn()))
                is_free = self.turns and len(tasks) < self.window
                wait_s = max(self.turns[0][0] - clock(), 0.0) if is_free else None
                if not tasks:
                    await asyncio.sleep(wait_s or 0.0)
                    continue
                done, tasks = await asyncio.wait(tasks, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()

    def _give_turn(self, host: str, when: float) -> None:
        if host not in self.has_turn and self.waiting[host] and self.under_way[host] < self.per_host:
            self.has_turn.add(host)
            self.number += 1
            heappush(self.turns, (when, self.number, host))

    def _take_turn(self) -> Coroutine[None, None, None]:
        _, _, host = heappop(self.turns)
        self.has_turn.discard(host)
        index = self.waiting[host].popleft()
        self.under_way[host] += 1
        self._give_turn(host, 0.0)
        return self._request(host, index)

    async def _request(self, host: str, number: int) -> None:
        rest_s, resting = 0.0, host
        try:
            answer = await self._answer(number)
            if isinstance(answer, Answer):
                await self.use(number, answer)
            else:
                rest_s, resting = answer.seconds, answer.host or host
                self.waiting[resting].appendleft(number)
        finally:
            self.under_way[host] -= 1
        now = asyncio.get_running_loop().time()
        self._give_turn(resting, now + rest_s)
        self._give_turn(host, now)  # nothing where it is the one that rests

    async def _answer(self, number: int) -> Answer | NotYetError:
        """Return the answer, or which host rests for how long."""
        try:
            answer = await self.ask(number)
            return replace(answer, was_sent=True) if self.refused[number] else answer
        except NotYetError as later:
            if later.answer is not None:
                if self.refused[number] == self.retries:
                    return later.answer
                self.refused[number] += 1
            return later
