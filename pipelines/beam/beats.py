"""What workers that share no folder with the driver tell it: counts, what they are at, and that they live.

Each worker process writes one small object into the store of the corpus, every `BEAT_S`. It is told and not kept: the
folder goes with the build, and no result depends on it.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass

from apache_beam.metrics.metric import Metrics

from byline.catalog.disk.storage import Store
from byline.catalog.errors import BylineError
from byline.catalog.progress import Meter
from byline.pipelines.beam.worker_answer import own_name

BEAT_S = 2.0
AT_MOST_S = 0.5
"""The least time from one beat of a process to the next, when it goes from stage to stage."""
COUNTED = "counter "
"""Begins the name of a count that is a counter of Beam as well."""


def count_done(name: str, number: int) -> None:
    """Count what was really done: in Beam's counters, and where a runner may have none, in what is told."""
    Metrics.counter("byline", name).inc(number)
    for teller in list(_TELLERS.values()):
        teller.add(f"{COUNTED}{name}", number)
    for tally in _TALLIES.get():
        tally[name] += number


def add_counted(counts: Mapping[str, int]) -> None:
    """Add to Beam's counters what another process of this worker has counted, and told."""
    for name, number in counts.items():
        Metrics.counter("byline", name).inc(number)


@dataclass(frozen=True, kw_only=True)
class TellingMeter(Meter):
    """Counts in a process on any machine, and tells the driver through the store of the corpus."""

    store: Store
    run: str
    """The folder of this build's beats in the store."""

    def add(self, stage: str, count: int) -> None:
        """Count `count` more records of `stage`."""
        if count:
            self._teller().add(stage, count)

    @contextmanager
    def at_work(self, what: str) -> Iterator[None]:
        """Tell that this process is at `what` until the block ends."""
        teller = self._teller()
        teller.begin(what)
        try:
            yield
        finally:
            teller.end(what)

    def _teller(self) -> "_Teller":
        with _LOCK:
            if self.run not in _TELLERS:
                _TELLERS[self.run] = _Teller(self.store, self.run)
            return _TELLERS[self.run]


class _Teller:
    """What one process has counted in one build, and the thread that tells it."""

    def __init__(self, store: Store, run: str) -> None:
        self._store, self._path = store, f"{run}/{own_name()}.json"
        self._counts: Counter[str] = Counter()
        self._at: Counter[str] = Counter()
        self._number = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._beat, name="byline_beats", daemon=True)
        self._thread.start()

    def add(self, name: str, count: int) -> None:
        with self._lock:
            self._counts[name] += count

    def begin(self, what: str) -> None:
        with self._lock:
            self._at[what] += 1
            is_new = self._at[what] == 1
        if is_new:
            self._wake.set()

    def end(self, what: str) -> None:
        with self._lock:
            self._at -= Counter([what])

    def stop(self) -> None:
        """Tell a last time, and no more."""
        self._is_stopped = True
        self._wake.set()
        self._thread.join()
        self.tell()

    def _beat(self) -> None:
        while not self._is_stopped:
            self._wake.wait(BEAT_S)
            self._wake.clear()
            self.tell()
            time.sleep(AT_MOST_S)

    def tell(self) -> None:
        """Write what was counted so far."""
        with self._lock:
            self._number += 1
            beat = {"number": self._number, "counts": dict(self._counts), "at": sorted(self._at)}
        with suppress(BylineError):  # the store may be away for a while; the next beat says more
            self._store.write_bytes(self._path, json.dumps(beat).encode(), is_scratch=True)


_TELLERS: dict[str, _Teller] = {}
_TALLIES: ContextVar[tuple[Counter[str], ...]] = ContextVar("byline_tallies", default=())
_LOCK = threading.Lock()


@contextmanager
def tallied() -> Iterator[dict[str, int]]:
    """Give what this thread counts as done, without a worker of Beam, until the block ends."""
    tally = Counter[str]()
    token = _TALLIES.set((*_TALLIES.get(), tally))
    try:
        yield tally
    finally:
        _TALLIES.reset(token)


def tell_now() -> None:
    """Tell what this process has counted so far, before what it was done for is known."""
    for teller in list(_TELLERS.values()):
        teller.tell()


def stop_telling(run: str) -> None:
    """End what this process tells of a build, which it does where workers are threads of the driver."""
    with _LOCK:
        teller = _TELLERS.pop(run, None)
    if teller:
        teller.stop()
