"""Which pictures a build asks for: what became of every attempt so far decides, and when it was. Pure, on columns.

An attempt is a request that was sent. What may have passed is tried `MAX_ATTEMPTS` times in all; attempts nearer in
time than the spacing are one, so that an outage uses up one of them however often somebody builds meanwhile.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from math import floor

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.packs import MAX_ATTEMPTS, TRANSIENT, Outcome, asked_for
from byline.catalog.errors import ConfigError
from byline.catalog.hosts import UrlError
from byline.catalog.policies.rules import Mask
from byline.catalog.urls import read_url

ATTEMPT_COLUMNS = ["record_id", "url", "outcome", "fetched_at", "was_sent"]
NOT_TO_ASK_AGAIN = {
    Outcome.FETCHED: "is a picture that is here; byline recheck asks what became of it",
    Outcome.UNCHANGED: "is what byline recheck finds; no build has it",
    Outcome.DENIED: "was taken down, and would be refused again",
}
LONG_AGO = -(1 << 62)


@dataclass(frozen=True, kw_only=True)
class AskAgain:
    """What people want to be asked for again, settled or not: pictures of these outcomes.

    Where sources or hosts (`name` or `name:port`) are given, only those of them.
    """

    outcomes: frozenset[str]
    sources: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Asking:
    """When a build began, and which attempts it makes for that."""

    began: datetime
    spacing_s: float
    """Least time between two attempts at one picture, in seconds."""
    again: AskAgain | None = None


@dataclass(frozen=True, kw_only=True)
class Due:
    """Which records are asked for: the first time, or again; and which were since the build began."""

    first: Mask
    again: Mask
    named: Mask
    """Records that are asked for again because people named them."""
    is_done: Mask


def read_ask_again(
    outcomes: str, sources: Collection[str] = (), hosts: Collection[str] = (), *, known_sources: Collection[str]
) -> AskAgain:
    """Read what people name on the command line: `OUTCOME[,OUTCOME]`. Raises `ConfigError` for what there is not."""
    named = [name.strip() for name in outcomes.split(",") if name.strip()]
    known = [str(outcome) for outcome in Outcome if outcome not in NOT_TO_ASK_AGAIN]
    if not named:
        raise ConfigError(f"--ask-again needs an outcome; they are {', '.join(known)}")
    for name in named:
        if name in NOT_TO_ASK_AGAIN:
            raise ConfigError(f"--ask-again {name}: it {NOT_TO_ASK_AGAIN[Outcome(name)]}")
        if name not in known:
            raise ConfigError(f"--ask-again: unknown outcome '{name}'; they are {', '.join(known)}")
    if unknown := sorted(set(sources) - set(known_sources)):
        raise ConfigError(f"--source {unknown[0]} is no source of the corpus; they are {', '.join(known_sources)}")
    return AskAgain(
        outcomes=frozenset(named), sources=frozenset(sources), hosts=frozenset(_host_as_kept(host) for host in hosts)
    )


def due(records: pa.Table, attempts: pa.Table, source: str, asking: Asking) -> Due:
    """Say which `records` of a source (`record_id`, `url`) a build asks for.

    `attempts` are all index rows of their pack (`ATTEMPT_COLUMNS`), in the order in which they were written. A row that
    does not say whether it was sent counts as sent: older corpora did not keep it.
    """
    whose = pc.index_in(asked_for(attempts), value_set=asked_for(records).combine_chunks()).fill_null(-1).to_numpy()
    kept = np.flatnonzero(whose >= 0)
    about, rows = whose[kept].astype(np.int64), attempts.take(pa.array(kept))
    at_ms = rows["fetched_at"].cast(pa.int64()).fill_null(LONG_AGO).to_numpy()
    was_sent = rows["was_sent"].fill_null(True).to_numpy(zero_copy_only=False)
    newest = np.full(len(records), -1)
    newest[about] = np.arange(len(about))  # of several rows the last one stays
    was_asked = newest >= 0
    began_ms, spacing_ms = _milliseconds(asking.began), asking.spacing_s * 1000
    newest_ms = np.append(at_ms, LONG_AGO)[newest]
    is_done = was_asked & (newest_ms >= began_ms)
    waiting = was_asked & ~is_done & _of_newest(rows["outcome"], TRANSIENT, newest)
    again = np.zeros(len(records), np.bool_)
    times = _times_sent(about, at_ms, was_sent, waiting)
    for row in np.flatnonzero(waiting):
        sent_ms = times.get(int(row), [])
        spaced = not sent_ms or sent_ms[-1] + spacing_ms <= began_ms
        again[row] = spaced and _num_attempts(sent_ms, spacing_ms) < MAX_ATTEMPTS
    named = np.zeros(len(records), np.bool_)
    if (wish := asking.again) is not None and (not wish.sources or source in wish.sources):
        named = was_asked & ~is_done & _of_newest(rows["outcome"], wish.outcomes, newest)
        named &= _on_hosts(records["url"], named, wish.hosts)
    return Due(first=~was_asked, again=again | named, named=named, is_done=is_done)


def _of_newest(outcomes: pa.ChunkedArray, wanted: Collection[str], newest: npt.NDArray[np.int64]) -> Mask:
    is_wanted = pc.is_in(outcomes, value_set=pa.array(sorted(map(str, wanted)), pa.string())).to_numpy()
    return np.asarray(np.append(is_wanted, False)[newest], np.bool_)


def _times_sent(
    about: npt.NDArray[np.int64], at_ms: npt.NDArray[np.int64], was_sent: Mask, waiting: Mask
) -> dict[int, list[int]]:
    """Return when a request was sent for each record that waits, earliest first."""
    times: dict[int, list[int]] = {}
    for row in np.flatnonzero(was_sent & waiting[about]):
        times.setdefault(int(about[row]), []).append(int(at_ms[row]))
    return {record: sorted(sent_ms) for record, sent_ms in times.items()}


def _num_attempts(sent_ms: list[int], spacing_ms: float) -> int:
    """Count requests, those within the spacing of one that counted with it."""
    number, last = 0, None
    for at_ms in sent_ms:
        if last is None or at_ms - last >= spacing_ms:
            number, last = number + 1, at_ms
    return number


def _on_hosts(urls: pa.ChunkedArray, wanted: Mask, hosts: frozenset[str]) -> Mask:
    if not hosts:
        return np.ones(len(urls), np.bool_)
    is_on_host = np.zeros(len(urls), np.bool_)
    rows = np.flatnonzero(wanted)
    for row, url in zip(rows, urls.take(pa.array(rows)).to_pylist(), strict=True):
        is_on_host[row] = not hosts.isdisjoint(_names_of_host(url))
    return is_on_host


def _names_of_host(url_text: str) -> tuple[str, ...]:
    """Return the host of a URL, alone and with its port; nothing for what is no URL."""
    try:
        url = read_url(url_text)
    except UrlError:
        return ()
    return url.host, f"{url.host}:{url.port}"


def _host_as_kept(host: str) -> str:
    try:
        alone, with_port = _names_of_host(f"http://{host}/") if "/" not in host else ()
    except ValueError as error:
        raise ConfigError(f"--host {host}: give a name, or name:port, as in --host images.example.org") from error
    return with_port if re.search(r":[0-9]+$", host.rpartition("]")[2]) else alone


def _milliseconds(when: datetime) -> int:
    return floor(when.timestamp() * 1000)
