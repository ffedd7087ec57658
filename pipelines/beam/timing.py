"""How long stages take: processor and clock, counted as what was done is, for plans of later builds."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from byline.catalog.corpora.builds import CLOCK_MS, PROCESSOR_MS
from byline.pipelines.beam.beats import count_done


@dataclass(eq=False)
class _Section:
    processor_s: float = 0.0
    clock_s: float = 0.0


class _Shares:
    """Divides the time of this process evenly among the sections that it is in: a worker may be at several packs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sections: list[_Section] = []
        self._processor_s, self._clock_s = time.process_time(), time.monotonic()

    def begin(self) -> _Section:
        with self._lock:
            self._settle()
            self._sections.append(section := _Section())
        return section

    def end(self, section: _Section) -> None:
        with self._lock:
            self._settle()
            self._sections.remove(section)

    def _settle(self) -> None:
        processor_s, clock_s = time.process_time(), time.monotonic()
        for section in self._sections:
            section.processor_s += (processor_s - self._processor_s) / len(self._sections)
            section.clock_s += (clock_s - self._clock_s) / len(self._sections)
        self._processor_s, self._clock_s = processor_s, clock_s


_SHARES = _Shares()


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Count the time of this process as that of a stage until the block ends, however it ends."""
    section = _SHARES.begin()
    try:
        yield
    finally:
        _SHARES.end(section)
        count_done(f"{PROCESSOR_MS}{stage}", round(1000 * section.processor_s))
        count_done(f"{CLOCK_MS}{stage}", round(1000 * section.clock_s))
