"""What those who ask hosts share: the limits and the health of each host, and what was found out for all.

A transport knows no more than `Shared`. The processes of a machine share through files (`SharedHere`), the workers of
several machines through a coordinator (`coordination`), which shares in the same way with its own machine.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol

from byline.pipelines.fetching.transport.hosts import Hosts, Lease, Wait
from byline.pipelines.fetching.transport.shared_answers import SharedAnswers, Turn, TurnAlone

Kind = Literal["sites", "names"]
"""What is found out once for all: what hosts say of all that they have, and their addresses."""


@dataclass(frozen=True)
class Resting:
    """No lease now: the host failed again and again."""


@dataclass(frozen=True, kw_only=True)
class HostNews:
    """What a request told of its host."""

    health: Literal["well", "ill", "unknown"] = "unknown"
    hold_off_s: float = 0.0
    """How long the host asks to be left alone."""


class Grant(Protocol):
    """The right to one request, for the time of an `async with` block or until it was ended."""

    async def end(self, news: HostNews) -> float:
        """Note what the request told, then give the right back. Return for how long nobody may ask the host."""

    async def __aenter__(self) -> "Grant": ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...


class Shared(Protocol):
    """What is shared with all others who ask hosts."""

    async def lease(self, host: str, *, delay_s: float) -> Grant | Wait | Resting:
        """Return the right to a request, or how long to wait before asking for it again.

        `delay_s` is for how long nobody is to ask the host after this request, where that is longer than our own pace.
        """

    def turn(self, kind: Kind, key: str, *, max_age_s: float) -> AbstractAsyncContextManager[Turn]:
        """Give the turn to find something out, once nobody else has it."""


class GrantHere:
    """A lease of this process."""

    def __init__(self, hosts: Hosts, host: str, lease: Lease) -> None:
        self._hosts, self._host, self._lease = hosts, host, lease

    async def end(self, news: HostNews) -> float:
        """Note what the request told before anybody else may ask, then give the lease back."""
        if news.health == "ill":
            self._hosts.failed(self._host)
        elif news.health == "well":
            self._hosts.succeeded(self._host)
        if news.hold_off_s:
            self._hosts.hold_off(self._host, news.hold_off_s)
        self._lease.release()
        return self._hosts.wait_s(self._host)

    async def __aenter__(self) -> "GrantHere":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._lease.release()


class SharedHere:
    """Shares with the processes of this user on this machine."""

    def __init__(self, hosts: Hosts, folder: Path | None = None) -> None:
        """Limits are shared by all through `hosts`; what is found out, by those of one run, through `folder`."""
        self._hosts = hosts
        self._found: Mapping[str, SharedAnswers] = (
            {kind: SharedAnswers(folder / kind) for kind in ("sites", "names")} if folder else {}
        )

    async def lease(self, host: str, *, delay_s: float = 0.0) -> GrantHere | Wait | Resting:
        """Return the right to a request, or how long to wait; at once."""
        if self._hosts.is_open(host):
            return Resting()
        lease = self._hosts.try_lease(host, delay_s=delay_s)
        return GrantHere(self._hosts, host, lease) if isinstance(lease, Lease) else lease

    @asynccontextmanager
    async def turn(self, kind: Kind, key: str, *, max_age_s: float) -> AsyncIterator[Turn]:
        """Give the turn to find something out."""
        if not self._found:
            yield TurnAlone()
            return
        async with self._found[kind].turn(key, max_age_s=max_age_s) as turn:
            yield turn
