"""Ask an API one thing at a time, as patiently as it wants: Retry-After, back-off with jitter, one connection kept."""

import asyncio
import json
import random
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp

from byline.catalog.digests import sha256_hex
from byline.catalog.errors import ConfigError, SourceError
from byline.catalog.text import one_line
from byline.pipelines.fetching.transport.hosts import retry_after_s

MAX_BODY_BYTES = 7_000_000
"""Largest answer that is taken; as one line of JSON it then stays below what readers take for a line."""
TIMEOUT_S = 60.0
CLOCK_TOLERANCE_S = 300
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that may be others the next time."""
OF_TIME = frozenset({9, 10})
"""OpenSSL's errors of certificates that are not valid yet or no longer."""
_CONTACT = re.compile(r"[\x21-\x7e]*(?:[^@\s]@[^@\s.]+\.[^@\s]|https?://[^\s/])[\x21-\x7e]*")

Tell = Callable[[str], None]
"""Shows people one line of text."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to go on asking for one answer."""

    tries: int = 8
    first_wait_s: float = 1.0
    """Wait after the first failure, in seconds, doubled after each try; up to half of it is left out at random, so that
    clients do not return at once."""
    longest_wait_s: float = 60.0
    longest_retry_after_s: float = 3600.0
    """Longest wait that an API may ask for, in seconds; for a longer one the run ends, and can go on later."""


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """What an API said instead of an answer."""

    text: str
    may_pass: bool = False


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A whole answer: its JSON, its own text, and when it came."""

    request: str
    retrieved_at: str
    """When the answer came: UTC, ISO 8601."""
    sha256: str
    body: str
    answer: dict[str, Any]


class Complains(Protocol):
    """What is known of how an API refuses."""

    def complaint_in(self, status: int, answer: dict[str, Any]) -> Complaint | None:
        """Return what a JSON answer with this status complains of, none when it is an answer."""


class _NotYetError(Exception):
    """Nothing came that is an answer; it may come later."""

    def __init__(self, why: str, retry_after_s: float | None = None) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


def user_agent(contact: str | None) -> str:
    """Return the name to ask under. Raises `ConfigError` without a mail address or URL of whoever asks."""
    if contact is None or not _CONTACT.fullmatch(contact):
        ending = f", got {contact!r:.80}" if contact else ""
        raise ConfigError(
            f"--contact must be a mail address or URL of yours, for the API's owners to reach you{ending}"
        )
    return f"byline/{version('byline')} ({contact}) aiohttp/{aiohttp.__version__}"


def checked_api(url: str) -> str:
    """Return the URL of an API without a slash at its end. Raises `ConfigError` when it cannot be one."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_url = False
    if not is_url or parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigError("--api must be an http(s) URL without user, password, query and fragment")
    return url.rstrip("/")


class Asker:
    """An open session with one API. Every request goes through it, one after the other."""

    def __init__(self, contact: str | None, patience: Patience, tell: Tell) -> None:
        self.headers = {"User-Agent": user_agent(contact), "Accept": "application/json"}
        self.patience = patience
        self.tell = tell
        self.clock_was_told = False

    async def __aenter__(self) -> "Asker":
        self.session = aiohttp.ClientSession(
            headers=self.headers,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(), limit=1),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def ask(
        self,
        url: str,
        api: Complains,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Answered:
        """Return the answer to a GET, or to a POST of `form`. Raises `SourceError` for an error, or without one."""
        for number in range(self.patience.tries):
            try:
                return await self._ask_once(url, api, headers, form)
            except _NotYetError as error:
                why, wanted_s = str(error), error.retry_after_s
            if wanted_s is not None and wanted_s > self.patience.longest_retry_after_s:
                when = f"in {wanted_s:,.0f} s" if wanted_s < 1e9 else "never"
                raise SourceError(f"{why}, and wants to be asked again {when}; run the same command then to go on")
            if number + 1 < self.patience.tries:
                wait_s = self._wait_s(number, wanted_s)
                self.tell(f"{why}; asking again in {wait_s:.0f} s")
                await asyncio.sleep(wait_s)
        raise SourceError(f"{why}; asked {self.patience.tries} times. Run the same command later to go on")

    def _wait_s(self, number: int, wanted_s: float | None) -> float:
        """Return how long to wait after this try: what was wanted and a little more, or longer after every try."""
        longest = min(self.patience.first_wait_s * 2**number, self.patience.longest_wait_s)
        if wanted_s is not None:
            return wanted_s + random.uniform(0, min(longest, 1.0))
        return random.uniform(longest / 2, longest)

    async def _ask_once(
        self, url: str, api: Complains, headers: Mapping[str, str] | None, form: Mapping[str, str] | None
    ) -> Answered:
        host = urlsplit(url).netloc
        method = "GET" if form is None else "POST"
        try:
            async with self.session.request(method, url, headers=headers, data=form, allow_redirects=False) as response:
                body = await _read(response, host)
        except aiohttp.ClientConnectorCertificateError as error:
            raise SourceError(_of_certificate(error, host)) from error
        except aiohttp.ClientConnectorSSLError as error:
            raise SourceError(f"no secure connection to {host}: {_line(error)}; check --api") from error
        except TimeoutError as error:
            raise _NotYetError(f"{host} did not answer in {TIMEOUT_S:.0f} s") from error
        except aiohttp.ClientConnectorError as error:
            raise _NotYetError(f"{host} cannot be reached ({_line(error.os_error)}); check --api") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _NotYetError(f"the connection to {host} broke ({_line(error) or type(error).__name__})") from error
        return self._answered(url, host, api, response, body)

    def _answered(self, url: str, host: str, api: Complains, response: aiohttp.ClientResponse, body: bytes) -> Answered:
        status, wanted_s = (
            response.status,
            retry_after_s(response.headers.get("Retry-After", ""), response.headers.get("Date")),
        )
        if 300 <= status < 400:
            where = one_line(response.headers.get("Location", ""))
            raise SourceError(f"{host} says that its API is elsewhere: {where!r:.120}; give that as --api")
        answer = _json_in(body)
        if answer is None:
            if status in PASSING:
                raise _NotYetError(f"{host} answers with status {status}", wanted_s)
            kind = one_line(response.headers.get("Content-Type", "nothing")).split(";")[0]
            begins = one_line(body[:60].decode("utf-8", "replace"))
            raise SourceError(
                f"{host} answers with status {status} and {kind:.60}, not with a JSON object: {begins!r}; check --api"
            )
        complaint = api.complaint_in(status, answer)
        if complaint is None and status != 200:
            complaint = Complaint(text=f"status {status}")
        if complaint is not None:
            message = f"{host} says: {one_line(complaint.text):.300}"
            raise _NotYetError(message, wanted_s) if complaint.may_pass or status in PASSING else SourceError(message)
        when = self._time_of(response.headers.get("Date"), host)
        return Answered(request=url, retrieved_at=when, sha256=sha256_hex(body), body=body.decode(), answer=answer)

    def _time_of(self, date: str | None, host: str) -> str:
        """Return the time by this machine's clock; by the answer where they are minutes apart, and tell that once."""
        now, theirs = datetime.now(UTC), _date_in(date)
        ahead_s = (now - theirs).total_seconds() if theirs else 0.0
        if theirs and abs(ahead_s) > CLOCK_TOLERANCE_S:
            if not self.clock_was_told:
                way = "ahead of" if ahead_s > 0 else "behind"
                self.tell(
                    f"this machine's clock is {abs(ahead_s):,.0f} s {way} that of {host}: set it right; "
                    "the times that are saved are those of the answers"
                )
            self.clock_was_told = True
            now = theirs
        return now.strftime("%Y-%m-%dT%H:%M:%SZ")


async def _read(response: aiohttp.ClientResponse, host: str) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_chunked(1 << 16):
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise SourceError(f"an answer of {host} has more than {MAX_BODY_BYTES:,} bytes; lower --page-size")
        parts.append(part)
    return b"".join(parts)


def _json_in(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _date_in(header: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(header or "")
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _of_certificate(error: aiohttp.ClientConnectorCertificateError, host: str) -> str:
    cause = error.certificate_error
    why = getattr(cause, "verify_message", "") or str(cause)
    message = f"the certificate of {host} cannot be trusted: {_line(why)}"
    if getattr(cause, "verify_code", 0) not in OF_TIME:
        return message
    return f"{message}; or this machine's clock is wrong: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _line(error: object) -> str:
    return one_line(str(error).split("\n")[0])[:160]
