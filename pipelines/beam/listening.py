"""The driver's side of `beats`: counts for the progress bars, and which workers are no longer heard of."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import BylineError
from byline.catalog.progress import WORK
from byline.pipelines.beam.beats import BEAT_S, COUNTED, stop_telling

SILENT_S = 120.0
"""A worker that was not heard of for so long is taken for lost. Runners restart what was lost sooner."""
WORKERS_PER_S = 50
"""How many workers' beats are read in a second at most."""


@dataclass
class Heard:
    """What one worker last told, and when that was."""

    counts: Counter[str] = field(default_factory=Counter)
    at: list[str] = field(default_factory=list)
    number: int = 0
    when: float = 0.0


class Listener:
    """Reads the beats of one build, and appends to the folder that the progress bars are drawn from."""

    def __init__(self, store: Store, run: str, progress: Path) -> None:
        self._store, self._run, self._progress = store, run, progress
        self.heard: dict[str, Heard] = {}
        self.num_records = 0
        self._idle_since = time.monotonic()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._listen, name="byline_listens", daemon=True)
        self._thread.start()

    @property
    def counted(self) -> dict[str, int]:
        """What workers have told of as done, by the names of Beam's counters."""
        totals = self._totals()
        return {name.removeprefix(COUNTED): totals[name] for name in sorted(totals) if name.startswith(COUNTED)}

    def lost(self) -> str | None:
        """Say which worker is gone, once nobody who is left does anything; None while somebody does."""
        now = time.monotonic()
        with self._lock:
            silent = {name: heard for name, heard in self.heard.items() if now - heard.when > SILENT_S}
            if not silent or now - self._idle_since < SILENT_S:
                return None
        return self.last_told(silent)

    def last_told(self, workers: dict[str, Heard] | None = None, *, anew: bool = False) -> str | None:
        """Name the workers, all by default, that were last heard of, those at work first; `anew` listens once more."""
        if anew:
            with suppress(BylineError):
                self._poll()
        chosen = sorted((workers or self.heard).items(), key=lambda item: (not item[1].at, item[0]))
        words = [f"{name} (at {', '.join(heard.at) or 'nothing'})" for name, heard in chosen]
        more = f" and {len(words) - 3} more" if len(words) > 3 else ""
        return ", ".join(words[:3]) + more if words else None

    def finish(self, stages: Sequence[str], *, succeeded: bool) -> None:
        """Read what was told last. Of a build that succeeded every stage that had work is done with every record."""
        self._stopped.set()
        self._thread.join()
        stop_telling(self._run)
        with suppress(BylineError):
            self._poll()
        totals = self._totals()
        if succeeded:
            lacking = {stage: self.num_records - totals[stage] for stage in stages if totals[f"{WORK}{stage}"]}
            self._append("driver", Counter(lacking))
        with suppress(BylineError):
            remove_beats(self._store)

    def _totals(self) -> Counter[str]:
        with self._lock:
            return sum((heard.counts for heard in self.heard.values()), Counter())

    def _listen(self) -> None:
        while not self._stopped.wait(max(BEAT_S / 2, len(self.heard) / WORKERS_PER_S)):
            try:
                self._poll()
            except BylineError:  # a store that is away for a while says nothing of the workers
                with self._lock:
                    for heard in self.heard.values():
                        heard.when = time.monotonic()

    def _poll(self) -> None:
        for name in self._store.files(self._run, suffix=".json"):
            beat = json.loads(self._store.read_bytes(f"{self._run}/{name}"))
            self._take(name.removesuffix(".json"), beat)
        with self._lock:
            if any(heard.at and time.monotonic() - heard.when <= SILENT_S for heard in self.heard.values()):
                self._idle_since = time.monotonic()

    def _take(self, name: str, beat: dict[str, Any]) -> None:
        with self._lock:
            heard = self.heard.setdefault(name, Heard())
            if beat["number"] == heard.number:
                return
            counts = Counter[str](beat["counts"])
            more = Counter({stage: counts[stage] - heard.counts[stage] for stage in counts})
            heard.counts, heard.at, heard.number, heard.when = counts, beat["at"], beat["number"], time.monotonic()
        self._append(name, more)

    def _append(self, name: str, counts: Counter[str]) -> None:
        lines = [f"{number} {stage}\n" for stage, number in counts.items() if number and not stage.startswith(COUNTED)]
        if lines and self._progress.is_dir():
            with (self._progress / f"{name}.log").open("a") as file:
                file.write("".join(lines))


@contextmanager
def listening(store: Store, run: str, progress: Path, stages: Sequence[str]) -> Iterator[Listener]:
    """Listen to the workers of a build until the block ends."""
    with suppress(BylineError):
        remove_beats(store)  # of builds that were killed
    listener = Listener(store, run, progress)
    succeeded = False
    try:
        yield listener
        succeeded = True
    finally:
        listener.finish(stages, succeeded=succeeded)


def remove_beats(store: Store) -> None:
    """Delete all beats."""
    for run in store.folders(layout.BEATS):
        for name in store.files(f"{layout.BEATS}/{run}"):
            store.remove(f"{layout.BEATS}/{run}/{name}")
