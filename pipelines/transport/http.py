"""GET over http and https."""

import asyncio
from collections import defaultdict
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

import aiohttp

from catalog.consent import CONSENT_HEADERS, Signal
from catalog.packs import Outcome
from pipelines.transport.answers import USER_AGENT, Answer, Known

CONNECTIONS_PER_HOST = 8
"""Of one worker."""
MAX_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
NO_TIMEOUT = aiohttp.ClientTimeout(total=None)


class HttpTransport:
    """GET over http(s) with shared connections. Use as an async context manager."""

    def __init__(self, *, timeout_s: float, max_bytes: int, mirrors: tuple[tuple[str, str], ...] = ()) -> None:
        """`mirrors` maps URL prefixes to others that are asked in their place."""
        self.timeout_s, self.max_bytes, self.mirrors = timeout_s, max_bytes, mirrors
        self.hosts: dict[str | None, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(CONNECTIONS_PER_HOST))
        self.num_requests = 0
        """Begun so far. A redirect that is followed is one more; a URL that is not asked is none."""

    async def __aenter__(self) -> "HttpTransport":
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            headers={"User-Agent": USER_AGENT},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def get(self, url: str, known: Known | None = None) -> Answer:
        """Return the body at `url`, at most `max_bytes` long, that arrived within `timeout_s` of being asked for.

        Redirects are followed to plain http(s) URLs only. A wait for other requests to the host does not count.
        """
        for prefix, replacement in self.mirrors:
            if url.startswith(prefix):
                url = replacement + url.removeprefix(prefix)
        heard: list[Signal] = []
        answer = await self._follow(url, heard)
        return replace(answer, consent=tuple(heard))

    async def _follow(self, url: str, heard: list[Signal]) -> Answer:
        for _ in range(MAX_REDIRECTS + 1):
            problem = _problem_of(url)
            if problem:
                return Answer(outcome=Outcome.BAD_URL, message=problem)
            answer = await self._ask(url, heard)
            if isinstance(answer, Answer):
                return answer
            url = urljoin(url, answer)
        return Answer(outcome=Outcome.HTTP_ERROR, message=f"more than {MAX_REDIRECTS} redirects")

    async def _ask(self, url: str, heard: list[Signal]) -> "Answer | str":
        """Return the answer, or where it redirects to; put what the response says about use into `heard`."""
        try:
            async with self.hosts[urlsplit(url).hostname], asyncio.timeout(self.timeout_s):
                self.num_requests += 1
                async with self.session.get(url, allow_redirects=False, timeout=NO_TIMEOUT) as response:
                    heard += _consent_signals(response)
                    return await self._answer_of(response)
        except TimeoutError:
            return Answer(outcome=Outcome.TIMEOUT, message=f"no whole answer in {self.timeout_s:g} s")
        except (aiohttp.InvalidURL, ValueError) as error:
            return Answer(outcome=Outcome.BAD_URL, message=str(error))
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            return Answer(outcome=Outcome.UNREACHABLE, message=f"{type(error).__name__}: {error}")

    async def _answer_of(self, response: aiohttp.ClientResponse) -> "Answer | str":
        if response.status in REDIRECTS and "Location" in response.headers:
            return response.headers["Location"]
        if response.status != 200:
            may_recover = response.status == 429 or response.status >= 500
            outcome = Outcome.SERVER_ERROR if may_recover else Outcome.HTTP_ERROR
            return Answer(outcome=outcome, message=f"HTTP {response.status}")
        return await self._read(response)

    async def _read(self, response: aiohttp.ClientResponse) -> Answer:
        body = bytearray()
        async for block in response.content.iter_chunked(1 << 16):
            body += block
            if len(body) > self.max_bytes:
                return Answer(outcome=Outcome.TOO_LARGE, message=f"over {self.max_bytes:,} bytes")
        return Answer(body=bytes(body))


def _consent_signals(response: aiohttp.ClientResponse) -> list[Signal]:
    """Return the headers that speak of consent, every line of them; bytes that are no UTF-8 are shown as escapes."""
    named = ((name.lower(), value) for name, value in response.headers.items())
    return [
        (name, value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
        for name, value in named
        if name in CONSENT_HEADERS
    ]


def _problem_of(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            return f"scheme {parts.scheme!r}; only http and https are fetched"
        if not parts.hostname:
            return "no host"
        if parts.username or parts.password:
            return "credentials in the URL"
    except ValueError as error:
        return str(error)
    return None
