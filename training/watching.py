"""Look at a run while it trains: its log, what is held out, drawn samples. The weights are those of one unwatched.

<run>/log.jsonl              a line for every `machine.log_every_images`
<run>/validation.jsonl       a line for every `watch.validation.every_images`
<run>/samples/<images seen>.png   a grid for every `watch.samples.every_images`
<run>/tensorboard/           the same for TensorBoard
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from byline.training.averaged_copy import AveragedCopy
from byline.training.boards import Board, boards_of
from byline.training.config import TrainConfig
from byline.training.ema import WeightAverage
from byline.training.log import LOG, SAMPLES, VALIDATION, Entry, LogEntry, append_log, rewind_log
from byline.training.places import working_folder
from byline.training.ranks import Ranks
from byline.training.task import Task
from byline.training.validation import validate

NOT_DRAWN = frozenset({"images_seen", "of", "num_images", "waits", "levels"})
"""Fields of entries that are no curve."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What looks at a run. Every rank has one and calls `look` at the same images; the first one writes."""

    task: Task
    config: TrainConfig
    ranks: Ranks
    averaged: AveragedCopy
    boards: list[Board]

    def note(self, entry: LogEntry) -> None:
        """Write an entry of the log; only the first rank's counts."""
        if self.ranks.is_first:
            self._write(LOG, entry, "train")

    def look(self, average: WeightAverage, images_seen: int) -> None:
        """Measure and draw what is due at `images_seen`. Call it before the checkpoint that a run goes on from."""
        measures, draws = (self._is_due(table, images_seen) for table in ("validation", "samples"))
        if not (measures or draws):
            return
        with torch.random.fork_rng(self._gpus), self.averaged.filled(average) as network:
            if measures and self.task.held_out is not None:
                entry = validate(
                    network,
                    self.task.held_out,
                    self.ranks,
                    images_seen=images_seen,
                    images_per_pass=self.config.machine.max_images_per_pass,
                )
                if self.ranks.is_first:
                    self._write(VALIDATION, entry, "held out")
            if draws and self.task.drawing is not None:
                self._draw(self.task.drawing.png(network.unet, images_seen), images_seen)

    @property
    def _gpus(self) -> list[torch.device]:
        return [self.ranks.device] if self.ranks.device.type == "cuda" else []

    def _is_due(self, table: str, images_seen: int) -> bool:
        config = getattr(self.config.watch, table, None)
        return config is not None and (images_seen % config.every_images == 0 or images_seen == self.config.images)

    def _write(self, log: str, entry: Entry, what: str) -> None:
        append_log(working_folder(self.config.run) / log, entry)
        fields = entry.model_dump(exclude_none=True)
        values = {f"{what}/{name}": value for name, value in fields.items() if name not in NOT_DRAWN}
        levels = fields.get("levels", ())
        values |= {f"{what}/level {level}": loss for level, loss in enumerate(levels) if len(levels) > 1}
        for board in self.boards:
            board.numbers(values, entry.images_seen)

    def _draw(self, png: bytes, images_seen: int) -> None:
        path = working_folder(self.config.run) / SAMPLES / f"{images_seen:010d}.png"
        path.parent.mkdir(exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(png)
        partial.replace(path)
        for board in self.boards:
            board.picture(SAMPLES, path, images_seen)


@contextmanager
def watching(
    task: Task, config: TrainConfig, ranks: Ranks, averaged: AveragedCopy, images_seen: int
) -> Iterator[Watch]:
    """Watch a run that goes on from `images_seen`: what was written of later images is taken back."""
    boards: list[Board] = []
    if ranks.is_first:
        _rewind(working_folder(config.run), images_seen)
        boards = boards_of(config, images_seen)
    try:
        yield Watch(task=task, config=config, ranks=ranks, averaged=averaged, boards=boards)
    finally:
        for board in boards:
            board.close()


def _rewind(run: Path, images_seen: int) -> None:
    run.mkdir(parents=True, exist_ok=True)
    rewind_log(run / LOG, images_seen)
    rewind_log(run / VALIDATION, images_seen)
    for path in run.glob(f"{SAMPLES}/[0-9]*.png"):
        if path.stem.isdecimal() and int(path.stem) > images_seen:
            path.unlink()
