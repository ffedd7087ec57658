"""What a transport is asked and what it answers."""

from dataclasses import dataclass
from typing import Protocol

from catalog.consent import Signal
from catalog.packs import Outcome

USER_AGENT = "byline/0.1 (builds licensed image corpora; see the corpus owner's contact)"


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
    """Where redirects led; none when they led nowhere."""
    etag: str | None = None
    last_modified: str | None = None


class Transport(Protocol):
    """Anything that answers URLs. Never raises for what a server does."""

    async def get(self, url: str, known: Known | None = None) -> Answer:
        """Return what is at `url`; with `known`, `Outcome.UNCHANGED` and no body when it is what was there before."""
