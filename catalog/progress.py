"""Progress that crosses processes: workers append to files, the command line reads them and draws bars."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from byline.catalog.bars import bar

TOTAL, STARTING, WORK = "total", "starting", "work of "
COUNTED_AT_ONCE = 16


@dataclass(frozen=True)
class Meter:
    """Counts finished records of a stage. Where the folder cannot be reached (a remote worker), nothing is counted."""

    folder: str | None = None
    scratch: str | None = None
    """Folder for what is large and shared by the processes of this run: on the disk of the corpus, until it ends."""

    def add(self, stage: str, count: int) -> None:
        """Count `count` more records of `stage`."""
        if count and self.folder and Path(self.folder).is_dir():
            with (Path(self.folder) / f"{os.getpid()}.log").open("a") as file:
                file.write(f"{count} {stage}\n")

    def work(self, stage: str) -> None:
        """Say that `stage` has something to do: without that it has no bar, however many records pass it."""
        self.add(f"{WORK}{stage}", 1)

    @contextmanager
    def at_work(self, what: str) -> Iterator[None]:
        """Say that this process is at `what` until the block ends, where somebody asks: see `pipelines.beam.beats`."""
        yield

    def take_back(self) -> None:
        """Make what this process has counted count for nothing, as what was done is done again in another way."""
        if self.folder:
            counts = _Counts(Path(self.folder), f"{os.getpid()}.log")
            counts.update()
            for stage, count in counts.totals.items():
                self.add(stage, -count)

    def shared_folder(self, name: str) -> Path | None:
        """Return a folder that the processes of this run share and that ends with it; none for a remote worker."""
        return Path(self.folder) / name if self.folder and Path(self.folder).is_dir() else None

    @contextmanager
    def pack(self, stage: str, num_records: int) -> Iterator[Callable[[int], None]]:
        """Give a function that counts as the work goes; the rest of the pack is counted when the block ends.

        A pack for which it is never called had nothing to do, unless `work` says otherwise.
        """
        counted = reported = 0

        def count(more: int) -> None:
            nonlocal counted, reported
            if not counted:
                self.work(stage)
            counted += more
            if counted - reported >= COUNTED_AT_ONCE:
                self.add(stage, counted - reported)
                reported = counted

        with self.at_work(stage):
            yield count
        self.add(stage, num_records - reported)


NOTHING_COUNTED = Meter()


class _RateColumn(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} records/s" if speed else "", style="cyan")


@contextmanager
def watch(folder: Path, stages: list[str], console: Console) -> Iterator[None]:
    """Draw a bar for each stage from what the workers append under `folder`, until the block ends.

    A stage that has done nothing yet has no bar, and none at the end if it had nothing to do, though every record
    passed it; before the first one has, it says that the build starts.
    """
    columns = [
        TextColumn("{task.description:<14}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]
    with bar(*columns, console=console, stays=True) as progress:
        tasks = {stage: progress.add_task(stage, total=None, start=False, visible=False) for stage in stages}
        starting = progress.add_task(STARTING, total=None)
        counts, stop = _Counts(folder), Event()

        def update() -> None:
            _update(counts, progress, tasks)
            progress.update(starting, visible=not any(counts.totals[f"{WORK}{stage}"] > 0 for stage in tasks))

        thread = Thread(target=_poll, args=(update, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            update()
            progress.update(starting, visible=False)
            if progress.disable and any(task.visible for task in progress.tasks):
                console.print(progress.get_renderable())  # a log has each bar once, and no empty line without any


class _Counts:
    """Sums what is appended; reads each line once."""

    def __init__(self, folder: Path, files: str = "*.log") -> None:
        self.folder, self.files = folder, files
        self.totals: Counter[str] = Counter()
        self._read_bytes: Counter[Path] = Counter()

    def update(self) -> None:
        """Take in what was appended since the last time."""
        for path in self.folder.glob(self.files):
            with path.open("rb") as file:
                file.seek(self._read_bytes[path])
                whole = file.read().rpartition(b"\n")[0]
            self._read_bytes[path] += len(whole) + bool(whole)
            for line in whole.decode().splitlines():
                count, _, stage = line.partition(" ")
                self.totals[stage] += int(count)


def _poll(update: Callable[[], None], stop: Event) -> None:
    while not stop.wait(0.25):
        update()


def _update(counts: _Counts, progress: Progress, tasks: dict[str, TaskID]) -> None:
    counts.update()
    done = counts.totals
    for stage, task in tasks.items():
        has_work = done[f"{WORK}{stage}"] > 0
        if has_work:
            progress.start_task(task)
        progress.update(task, visible=has_work, completed=done[stage], total=done[TOTAL] or None)
