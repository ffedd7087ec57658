"""How often, how many at once and whether at all a host is asked, decided for all processes of this user on a machine.

A host is any string: a name, or a name and port. Two hosts may fall into one slot, one case in 65,536: then they share
leases and pace, so that both are asked less, never more.
"""

import math
import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from types import TracebackType

from byline.catalog.errors import ConfigError
from byline.pipelines.fetching.transport.host_table import (
    BACK_OFF_UNTIL,
    FAILURES,
    HELD_UNTIL,
    MAX_LEASES,
    OPEN_UNTIL,
    OPENED,
    ROUNDS,
    TRIAL,
    HostTable,
    place_of,
    seconds_since_boot,
    shared_table,
)

BUSY_S = 0.02
"""Wait before asking again for a lease while others hold all of them."""
CONTENDED_S = 0.001
FAILURES_TO_OPEN = 5
"""Failures in a row after which a host is left alone; more are needed where more requests may be under way at once, so
that one bad moment alone is not enough."""
BACK_OFF_S, MAX_BACK_OFF_S = 0.5, 60.0
PAUSE_S, MAX_PAUSE_S = 30.0, 600.0
TRIAL_S = 60.0
"""Time after which a trial request of which nothing was heard may be followed by another."""
FORGOTTEN_AFTER_S = 3600.0
MAX_HOLD_OFF_S = 3600.0
LONGEST_S = 86_400.0
"""Nobody holds a host off for longer, so a time further ahead is of another clock and binds nobody."""

_place_of = lru_cache(maxsize=1 << 16)(place_of)


@dataclass(frozen=True)
class Wait:
    """No lease now: how long to wait before asking for one again."""

    seconds: float


class Lease:
    """The right to one request. Give it back with `release` or as a context manager; death gives it back too."""

    __slots__ = ("_generation", "_number", "_slot", "_table")

    def __init__(self, table: HostTable, slot: int, number: int) -> None:
        self._table: HostTable | None = table
        self._slot, self._number, self._generation = slot, number, table.generation

    def release(self) -> None:
        """Give it back. A second time, or in a forked child, which does not own it, nothing happens."""
        table, self._table = self._table, None
        if table is None:
            return
        with table.lock:
            if table.generation == self._generation:
                table.give(self._slot, self._number)

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


class Hosts:
    """Leases, pace and health of hosts, shared by every process of this user on this machine.

    No more than `per_host` leases of a host exist at once, and no two begin within 1 / `rate_per_s` seconds. A lease of
    a process that dies is free at once. Safe to use from threads and in forked children. No call waits for the network.
    """

    def __init__(
        self,
        *,
        per_host: int,
        rate_per_s: float | None,
        folder: Path | None = None,
        max_hold_off_s: float = MAX_HOLD_OFF_S,
    ) -> None:
        """Hold requests to these limits, if no rate to leases, hold-offs and back-offs. Processes meet in `folder`."""
        if not 1 <= per_host <= MAX_LEASES:
            raise ConfigError(f"per_host is {per_host}; give a number of requests from 1 to {MAX_LEASES}")
        if rate_per_s is not None and not 1 / LONGEST_S <= rate_per_s < math.inf:
            raise ConfigError(f"rate_per_s is {rate_per_s}; give requests per second above 0, or leave it out")
        if not 0 < max_hold_off_s <= LONGEST_S:
            raise ConfigError(f"max_hold_off_s is {max_hold_off_s}; give seconds above 0, at most {LONGEST_S:,.0f}")
        self.per_host, self.max_hold_off_s = per_host, max_hold_off_s
        self.interval_s = 1 / rate_per_s if rate_per_s else 0.0
        self.failures_to_open = max(FAILURES_TO_OPEN, per_host + 1)
        self.table = shared_table(folder)

    def try_lease(self, host: str, *, delay_s: float = 0.0) -> "Lease | Wait":
        """Return a lease, or how long to wait before trying again; never waits itself.

        `delay_s` is for how long nobody is to ask the host after this lease, where that is longer than our own pace.
        """
        interval_s = max(self.interval_s, delay_s)
        slot, tag = _place_of(host)
        table = self.table
        with table.lock:
            health = table.find(slot, tag)
            wait_s = self._wait_s(slot, health, seconds_since_boot())
            if wait_s > 0:
                return Wait(wait_s)
            if not interval_s and (health < 0 or not table.doubles[health + OPENED]):
                number = table.take(slot, self.per_host)
                return Wait(BUSY_S) if number is None else Lease(table, slot, number)
            return self._lease_and_note(slot, tag, interval_s)

    def hold_off(self, host: str, seconds: float) -> None:
        """Let nobody ask `host` for so long, as its Retry-After says; at most `max_hold_off_s`. Never shortens one."""
        slot, tag = _place_of(host)
        seconds = min(max(seconds, 0.0), self.max_hold_off_s)
        with _Update(self.table, slot):
            now, doubles = seconds_since_boot(), self.table.doubles
            health = self.table.claim(slot, tag, now)
            doubles[health + HELD_UNTIL] = max(doubles[health + HELD_UNTIL], now + seconds)

    def failed(self, host: str) -> None:
        """Count a connection error, a timeout or a 5xx: the host rests for longer each time, then its circuit opens.

        Failures of requests under way when a rest began do not lengthen it.
        """
        slot, tag = _place_of(host)
        with _Update(self.table, slot):
            now = seconds_since_boot()
            self._count_failure(self.table.claim(slot, tag, now), now)

    def succeeded(self, host: str) -> None:
        """Forget failures: the host answers. A hold-off stays."""
        slot, tag = _place_of(host)
        health = self.table.find(slot, tag)
        if health < 0 or not self.table.doubles[health + FAILURES]:
            return
        with _Update(self.table, slot):
            health = self.table.find(slot, tag)
            if health >= 0:
                _forget(self.table.doubles, health)

    def wait_s(self, host: str) -> float:
        """Return for how long nobody may ask `host`, 0 when a lease is all that is needed."""
        slot, tag = _place_of(host)
        return self._wait_s(slot, self.table.find(slot, tag), seconds_since_boot())

    def is_open(self, host: str) -> bool:
        """Return whether the host has failed so often that nothing but a trial, now and then, is asked of it."""
        slot, tag = _place_of(host)
        health = self.table.find(slot, tag)
        doubles = self.table.doubles
        return health >= 0 and doubles[health + OPENED] > 0 and _left_s(doubles[health + OPEN_UNTIL]) > 0

    def _wait_s(self, slot: int, start: int, now: float) -> float:
        until = self.table.doubles[slot]
        if start >= 0:
            until = max(until, self.table.in_force_until(start))
        return until - now if 0 < until - now <= LONGEST_S else 0.0

    def _lease_and_note(self, slot: int, tag: float, interval_s: float) -> "Lease | Wait":
        """Take a lease of a host that is paced or on trial, and write down that it was taken."""
        table = self.table
        if not table.begin_update(slot, patience_s=0.0):
            return Wait(CONTENDED_S)
        try:
            health = table.find(slot, tag)
            now = seconds_since_boot()
            wait_s = self._wait_s(slot, health, now)
            if wait_s > 0:
                return Wait(wait_s)
            number = table.take(slot, self.per_host)
            if number is None:
                return Wait(BUSY_S)
            if interval_s:
                table.doubles[slot] = now + interval_s
            if health >= 0 and table.doubles[health + OPENED]:
                table.doubles[health + TRIAL] = 1.0
                table.doubles[health + OPEN_UNTIL] = now + TRIAL_S
            return Lease(table, slot, number)
        finally:
            table.end_update(slot)

    def _count_failure(self, start: int, now: float) -> None:
        doubles = self.table.doubles
        if now > self.table.in_force_until(start) + FORGOTTEN_AFTER_S:
            _forget(doubles, start)
        doubles[start + FAILURES] += 1
        if now >= doubles[start + BACK_OFF_UNTIL]:
            doubles[start + BACK_OFF_UNTIL] = now + _jittered(BACK_OFF_S, doubles[start + ROUNDS], MAX_BACK_OFF_S)
            doubles[start + ROUNDS] += 1
        closed, on_trial = not doubles[start + OPENED], doubles[start + TRIAL]
        if on_trial or (closed and doubles[start + FAILURES] >= self.failures_to_open):
            doubles[start + OPEN_UNTIL] = now + _jittered(PAUSE_S, doubles[start + OPENED], MAX_PAUSE_S)
            doubles[start + OPENED] += 1
            doubles[start + TRIAL] = 0.0


class _Update:
    """The right to write a slot. Not waited for longer than 0.1 s: a stopped process must not stop the others."""

    def __init__(self, table: HostTable, slot: int) -> None:
        self.table, self.slot = table, slot

    def __enter__(self) -> None:
        self.table.lock.acquire()
        self.locked = self.table.begin_update(self.slot, patience_s=0.1)

    def __exit__(self, *_: object) -> None:
        if self.locked:
            self.table.end_update(self.slot)
        self.table.lock.release()


def _left_s(until: float) -> float:
    left = until - seconds_since_boot()
    return left if left <= LONGEST_S else 0.0


def _jittered(first_s: float, num_before: float, longest_s: float) -> float:
    """Return twice as long each time, of which chance takes up to half, so that processes do not come back together."""
    return float(min(longest_s, first_s * 2 ** min(num_before, 30)) * random.uniform(0.5, 1))


def _forget(doubles: "memoryview[float]", start: int) -> None:
    for field in (BACK_OFF_UNTIL, OPEN_UNTIL, FAILURES, ROUNDS, OPENED, TRIAL):
        doubles[start + field] = 0.0


def retry_after_s(value: str, date: str | None) -> float | None:
    """Return the seconds that a Retry-After asks for; none when it cannot be read, 0 when the time is past.

    A date is read against `date`, the Date header of the same answer: the server's clock then cancels out, and ours,
    which may be wrong, counts only when the server sent no date.
    """
    value = value.strip()
    if re.fullmatch(r"[+-]?\d{1,300}(\.\d{0,300})?", value, re.ASCII):
        return min(max(float(value), 0.0), 1e9)
    until = _http_date(value)
    if until is None:
        return None
    now = _http_date(date or "") or datetime.now(UTC)
    return max((until - now).total_seconds(), 0.0)


def _http_date(text: str) -> datetime | None:
    """Read any of the three forms of RFC 9110, section 5.6.7."""
    if len(text) > 100 or not re.match(r"[A-Za-z]", text):
        return None
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
