"""Say what runs, how fast, and how long it still takes."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from byline.catalog.bars import bar

LINE_EVERY_S = 30.0
"""How often a line is written where no bar can be drawn."""


class ShownProgress:
    """A bar on a terminal; elsewhere a line now and then; nothing on all ranks but the first."""

    def __init__(self, what: str, *, total: int, done: int, shown: bool) -> None:
        self._what, self._total, self._done, self._shown = what, total, done, shown
        self._first_done, self._first_s = done, time.monotonic()
        self._last_line_s = self._first_s
        self._note = ""
        self._bar = bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("images {task.fields[note]}"),
            TimeRemainingColumn(),
            stays=True,
            shown=shown,
        )
        self._task = self._bar.add_task(what, total=total, completed=done, note="")

    def advance(self, images: int, note: str = "") -> None:
        """Count images, and show a note (the loss) from now on."""
        self._done += images
        self._note = note or self._note
        elapsed_s = time.monotonic() - self._first_s
        rate = (self._done - self._first_done) / max(elapsed_s, 1e-9)
        text = f"{rate:.0f}/s {self._note}"
        self._bar.update(self._task, completed=self._done, note=text)
        if time.monotonic() - self._last_line_s > LINE_EVERY_S:
            self._last_line_s = time.monotonic()
            self._line(rate)

    def _line(self, rate: float) -> None:
        if not self._shown or not self._bar.disable:
            return
        left_s = (self._total - self._done) / max(rate, 1e-9)
        line = f"{self._what}: {self._done}/{self._total} images, {rate:.0f}/s, {left_s:.0f} s left {self._note}"
        print(line.rstrip(), file=sys.stderr, flush=True)


@contextmanager
def shown_progress(what: str, *, total: int, done: int = 0, shown: bool = True) -> Iterator[ShownProgress]:
    """Show progress while the block runs."""
    progress = ShownProgress(what, total=total, done=done, shown=shown)
    with progress._bar:
        yield progress
