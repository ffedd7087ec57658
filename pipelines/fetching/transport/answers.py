"""What a transport is asked and what it answers."""

from dataclasses import dataclass
from typing import Protocol

from byline.catalog.consent import Signal
from byline.catalog.corpora.packs import Outcome

PRODUCT = "byline/0.1"


def user_agent(contact: str | None) -> str:
    """Return who asks, and whom a host can write to."""
    return f"{PRODUCT} (builds licensed image corpora; contact: {contact or 'none given'})"


@dataclass(frozen=True)
class Redirect:
    """Where a response leads to instead of answering: its `Location`, as it was sent."""

    location: str


@dataclass(frozen=True, kw_only=True)
class Known:
    """What an earlier answer said of its own bytes, so that a server can say that they have not changed."""

    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of one request: the bytes, or the outcome and why."""

    body: bytes | None = None
    outcome: Outcome = Outcome.FETCHED
    message: str | None = None
    consent: tuple[Signal, ...] = ()
    """What every response on the way said about use, in order of arrival: redirects, refusals and broken bodies too."""
    final_url: str | None = None
    """The URL where redirects led; None when they led nowhere."""
    etag: str | None = None
    last_modified: str | None = None
    status: int | None = None
    """HTTP status of the answer, where there was one."""
    retry_after_s: float | None = None
    """How long the host wants to rest. Without a status, it had said so before and was not asked now."""
    says_its_end: bool = True
    """Whether the response said where its body ends; else it ends with the connection, and so does one of a killed
    server."""
    was_sent: bool = True
    """Whether the host was asked. A request for robots.txt that it did not answer is one; that it rests is none."""


class NotYetError(Exception):
    """A host is not to be asked for so many seconds. `answer` is what it said, when it was asked.

    `host` is given where it is not that of the URL: a redirect leads there, and the next attempt goes on from there.
    """

    def __init__(self, seconds: float, answer: Answer | None = None, *, host: str | None = None) -> None:
        super().__init__(f"ask again in {seconds:g} s")
        self.seconds, self.answer, self.host = seconds, answer, host


class Transport(Protocol):
    """Anything that answers URLs. Never raises for what a server does."""

    async def get(self, url: str, known: Known | None = None) -> Answer:
        """Return what is at `url`; with `known`, `Outcome.UNCHANGED` and no body when it is what was there before."""
