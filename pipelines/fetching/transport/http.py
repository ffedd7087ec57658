"""GET over http and https: polite, and to public addresses only."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver

from byline.catalog.consent import Signal, consent_evidence, header_signals, read_consent
from byline.catalog.corpora.packs import Outcome
from byline.catalog.errors import ConfigError
from byline.catalog.hosts import UrlError
from byline.catalog.threads import thread_busy_s
from byline.catalog.urls import Url
from byline.pipelines.fetching.config import FetchConfig
from byline.pipelines.fetching.transport.addresses import Guard, guarded_connector
from byline.pipelines.fetching.transport.answers import Answer, Known, NotYetError, Redirect, user_agent
from byline.pipelines.fetching.transport.hosts import Hosts, Wait
from byline.pipelines.fetching.transport.names import SharedResolver
from byline.pipelines.fetching.transport.responses import (
    LARGE_AT_ONCE,
    failure,
    file_of,
    header_lines,
    is_dropped,
    picture_of,
)
from byline.pipelines.fetching.transport.robots import MAX_BYTES as MAX_FILE_BYTES
from byline.pipelines.fetching.transport.robots import TOO_MANY_REQUESTS
from byline.pipelines.fetching.transport.sharing import Grant, HostNews, Resting, Shared, SharedHere
from byline.pipelines.fetching.transport.sites import Sites
from byline.pipelines.fetching.transport.urls import asked_url, redacted_in
from byline.pipelines.fetching.transport.ways import Way, Ways

T = TypeVar("T")
MAX_REDIRECTS = 5
OF_AN_ADDRESS = frozenset({Outcome.BAD_URL, Outcome.PRIVATE_ADDRESS, Outcome.BAD_CERTIFICATE})
MAX_WAYS = 1_000
"""Places that redirects led to and that have to be waited for: of more URLs, the first request is made again."""
NO_REQUEST_LEFT = "no request is left"
NO_TIMEOUT = aiohttp.ClientTimeout(total=None)
DNS_THREADS = 512
"""A lookup takes one until the system gives it up, long after we did: with few, dead names would hold up all others."""
MAX_HEADER_BYTES = 16_384
TAKEN_DOWN = "taken down"


class HttpTransport:
    """GET over http(s) with shared connections. Use as an async context manager.

    Before a host is asked for the first time its robots.txt is read, and obeyed, and its tdmrep.json. Hosts' limits are
    shared: with all processes of this machine, or as `shared` says. Nothing is connected to but public addresses and
    `allow`, at redirects too. Mirrors are the corpus owner's own: neither robots.txt nor the guard is between us and
    them.
    """

    def __init__(
        self,
        config: FetchConfig,
        *,
        reads_robots: bool = True,
        resolver: AbstractResolver | None = None,
        shared: Shared | None = None,
        may_ask: Callable[[], bool] = lambda: True,
        denies: Callable[[str], bool] = lambda url: False,
    ) -> None:
        """`denies` says which URLs were taken down: they are not asked for, a redirect to them is not followed.

        `reads_robots` is false for APIs, which are asked as their terms say, not crawled. `may_ask` is asked before
        each request for a picture; where it says no, the answer is one of a host that was not asked.
        """
        self.reads_robots, self.resolver, self.may_ask = reads_robots, resolver, may_ask
        self.config = config
        self.ways = Ways(config.mirrors, denies)
        self.shared = shared or SharedHere(Hosts(per_host=config.per_host, rate_per_s=config.rate_per_s))
        self.guard = Guard(config.allow)
        self.sites = Sites(self._read_file, self.shared)
        self.num_requests = 0
        """Requests for pictures so far: a redirect that is followed is one more, a URL that is not asked is none."""
        self.num_bytes = 0
        """Bytes of pictures that came so far."""
        self.waited_s = 0.0
        """Seconds from sending these requests to their answers in which this thread was idle, summed over requests."""
        self.interrupted: dict[str, Way] = {}
        """URL -> where its next attempt goes on."""

    async def __aenter__(self) -> "HttpTransport":
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(DNS_THREADS))
        self.large = asyncio.Semaphore(LARGE_AT_ONCE)
        resolver = SharedResolver(self.shared, self.resolver or aiohttp.ThreadedResolver())
        self.session = self._session(guarded_connector(self.guard, resolver=resolver))
        self.session_of_mirrors = self._session(aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        await self.session_of_mirrors.close()

    def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": user_agent(self.config.contact), "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        session._retry_connection = False  # a second request would escape the limits of its host
        return session

    async def get(self, url: str, known: Known | None = None) -> Answer:
        """Return the body at `url`, at most `max_bytes` long; waits as long as the host is not to be asked."""
        return await _patiently(lambda: self.attempt(url, known), self.config.retries)

    async def attempt(self, url: str, known: Known | None = None) -> Answer:
        """Do as `get` does, but raise `NotYetError` where `get` would wait for the host."""
        way = self.interrupted.pop(url, None)
        try:
            way = way or self.ways.begun(url)
        except UrlError as error:
            return Answer(outcome=Outcome.BAD_URL, message=str(error))
        heard = list(way.heard)
        try:
            while isinstance(answer := await self._step(way, known, heard), Redirect):
                way = replace(self.ways.led(way, answer.location), heard=tuple(heard))
        except UrlError as error:
            answer = Answer(outcome=Outcome.BAD_URL, message=str(error))
        except NotYetError as later:
            last_answer = later.answer and replace(later.answer, consent=tuple(heard), final_url=way.led_to)
            if last_answer and read_consent(consent_evidence(heard)).state == "opted-out":
                return last_answer  # who says no is not asked again
            if not way.num_hops or len(self.interrupted) >= MAX_WAYS:
                raise NotYetError(later.seconds, last_answer) from None
            self.interrupted[url] = way
            raise NotYetError(later.seconds, last_answer, host=way.url.server) from None
        return replace(answer, consent=tuple(heard))

    async def _step(self, way: Way, known: Known | None, heard: list[Signal]) -> Answer | Redirect:
        """Return the answer at `way`, with its URL if that was asked, or where it redirects to."""
        if way.num_hops > MAX_REDIRECTS:
            return Answer(outcome=Outcome.HTTP_ERROR, message=f"more than {MAX_REDIRECTS} redirects")
        if way.is_denied:
            return Answer(outcome=Outcome.DENIED, message=TAKEN_DOWN)
        if way.is_ours:
            answer = await self._ask(way.url, known, heard, self.session_of_mirrors)
        else:
            answer = await self._hop(way.url, known, heard)
        return replace(answer, final_url=way.led_to) if isinstance(answer, Answer) else answer

    async def _hop(self, url: Url, known: Known | None, heard: list[Signal]) -> Answer | Redirect:
        if self.config.contact is None:
            raise ConfigError(f"[fetch] needs `contact`, a mail address or a page: {url.host} is a host of others")
        if not self.reads_robots:
            return await self._ask(url, known, heard, self.session)
        site = await self.sites.of(url.origin)
        if site.problem is not None:
            return site.problem
        heard += site.signals(url.sent)
        if not site.robots.allows(url.sent):
            return Answer(outcome=Outcome.DISALLOWED, message="forbidden by robots.txt")
        return await self._ask(url, known, heard, self.session, delay_s=site.delay_s)

    async def _read_file(self, url: str) -> tuple[int | None, Answer]:
        """Return the status and the text of a file that speaks for a host; None when there was no answer.

        What is wrong with an address that it redirects to may be right tomorrow, and is not of the host's own.
        """
        at: Url | None = None
        for hop in range(MAX_REDIRECTS + 1):
            try:
                at = asked_url(url, led_from=at)
            except UrlError as error:
                return None, Answer(outcome=Outcome.UNREACHABLE, message=f"it leads to: {error}", was_sent=False)
            ask = partial(self._ask, at, None, [], self.session, is_file=True)
            answer = await _patiently(ask, self.config.retries)
            if isinstance(answer, Answer):
                if hop:  # the host itself is there
                    answer = replace(answer, was_sent=False)
                if hop and answer.outcome in OF_AN_ADDRESS:
                    answer = replace(answer, outcome=Outcome.UNREACHABLE)
                return answer.status, answer
            url = answer.location
        return 404, Answer(outcome=Outcome.HTTP_ERROR, message="too many redirects")

    async def _ask(
        self,
        url: Url,
        known: Known | None,
        heard: list[Signal],
        session: aiohttp.ClientSession,
        *,
        is_file: bool = False,
        delay_s: float = 0.0,
    ) -> Answer | Redirect:
        """Return the answer, or where it redirects to; put what the response says about use into `heard`."""
        grant = await self._grant_of(url.server, delay_s)
        if isinstance(grant, Answer):
            return grant
        async with grant:
            if not is_file and not self.may_ask():
                message = NO_REQUEST_LEFT
                return Answer(outcome=Outcome.UNREACHABLE, message=message, retry_after_s=0.0, was_sent=False)
            self.num_requests += not is_file
            began_s, busy_s = time.monotonic(), thread_busy_s()
            answer, was_dropped = await self._request(url, known, heard, session, is_file)
            if not is_file:
                self.waited_s += max(0.0, time.monotonic() - began_s - (thread_busy_s() - busy_s))
                self.num_bytes += len(answer.body or b"") if isinstance(answer, Answer) else 0
            wait_s = await grant.end(_news(answer))
        comes_back = was_dropped or (isinstance(answer, Answer) and answer.outcome == Outcome.SERVER_ERROR)
        if isinstance(answer, Answer) and comes_back and wait_s <= self.config.max_wait_s:
            raise NotYetError(wait_s, answer)
        return answer

    async def _grant_of(self, host: str, delay_s: float) -> Grant | Answer:
        grant = await self.shared.lease(host, delay_s=delay_s)
        if isinstance(grant, Resting):
            message = "the host failed again and again, and rests"
            return Answer(outcome=Outcome.UNREACHABLE, message=message, was_sent=False)
        if not isinstance(grant, Wait):
            return grant
        if grant.seconds > self.config.max_wait_s:
            message = f"the host wants to rest for {grant.seconds:.0f} s"
            return Answer(outcome=Outcome.SERVER_ERROR, message=message, retry_after_s=grant.seconds, was_sent=False)
        raise NotYetError(grant.seconds)

    async def _request(
        self, url: Url, known: Known | None, heard: list[Signal], session: aiohttp.ClientSession, is_file: bool
    ) -> tuple[Answer | Redirect, bool]:
        """Return as `_ask` does, and whether the connection was dropped before an answer."""
        conditions, has_head = _conditions(known), False
        head_s, whole_s = self.config.first_byte_s, self.config.timeout_s
        waited = f"no answer in {head_s:g} s" if head_s < whole_s else f"no whole answer in {whole_s:g} s"
        try:
            async with asyncio.timeout(whole_s):
                async with asyncio.timeout(head_s):
                    target = yarl.URL(url.sent, encoded=True)  # byte for byte: signatures are over the escapes too
                    response = await session.get(target, allow_redirects=False, timeout=NO_TIMEOUT, headers=conditions)
                has_head = True
                waited = f"no whole answer in {whole_s:g} s"
                async with response:
                    heard += header_signals(header_lines(response))
                    if is_file:
                        return await file_of(response, num_bytes=MAX_FILE_BYTES + 1), False
                    max_bytes, large = self.config.max_bytes, self.large
                    answer = picture_of(response, is_conditional=bool(conditions), max_bytes=max_bytes, large=large)
                    return await answer, False
        except TimeoutError:
            return Answer(outcome=Outcome.TIMEOUT, message=waited), False
        except aiohttp.ClientConnectorCertificateError as error:  # a ValueError too
            return failure(error), False
        except (aiohttp.InvalidURL, ValueError) as error:
            return Answer(outcome=Outcome.BAD_URL, message=redacted_in(str(error))), False
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            return failure(error), not has_head and is_dropped(error)


async def _patiently(ask: Callable[[], Awaitable[T]], retries: int) -> T | Answer:
    """Return what `ask` gives, waiting where it says so, and asking again after a refusal so many times."""
    refused = 0
    while True:
        try:
            answer = await ask()
            return replace(answer, was_sent=True) if refused and isinstance(answer, Answer) else answer
        except NotYetError as later:
            if later.answer is not None:
                if refused == retries:
                    return later.answer
                refused += 1
            await asyncio.sleep(later.seconds)


def _news(answer: Answer | Redirect) -> HostNews:
    """Return what an answer tells of its host: one that says when to come back is not ill, unless that is now."""
    if isinstance(answer, Redirect):
        return HostNews(health="well")
    if answer.outcome in (Outcome.UNREACHABLE, Outcome.TIMEOUT):
        return HostNews(health="ill")
    if answer.outcome != Outcome.SERVER_ERROR:
        return HostNews(health="well")
    rest_s = answer.retry_after_s or 0.0
    is_busy = rest_s and answer.status == TOO_MANY_REQUESTS
    return HostNews(health="unknown" if is_busy else "ill", hold_off_s=rest_s)


def _conditions(known: Known | None) -> dict[str, str]:
    headers = {} if known is None else {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: value for name, value in headers.items() if value}
