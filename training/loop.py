"""The training loop. A run that is stopped and started again is, to the bit, the run that was never stopped."""

import time
from contextlib import closing
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from byline.catalog.errors import CheckpointError
from byline.training.averaged_copy import AveragedCopy
from byline.training.checkpoints import Checkpoints
from byline.training.config import TrainConfig
from byline.training.ema import WeightAverage
from byline.training.engine import Engine, build_engine, passes_per_step
from byline.training.feed import Batches, streams_of
from byline.training.kernels import attention_by
from byline.training.log import LogEntry
from byline.training.progress import ShownProgress, shown_progress
from byline.training.ranks import Ranks
from byline.training.saving import fetch_logs
from byline.training.schedules import learning_rate
from byline.training.stepping import NotFiniteError, Pass, StepResult, take_step
from byline.training.tally import Tally
from byline.training.task import Task
from byline.training.watching import Watch, watching

NAMED = 3
"""Images that an error names."""


def fit(task: Task, config: TrainConfig, release_digest: str, ranks: Ranks) -> int:
    """Train from the newest checkpoint, or from the start, to the end of the phase; return the images seen by then.

    `task` is made of the config as it is in that phase.
    """
    task.network.to(ranks.device)
    averaged = AveragedCopy(task.network, ranks)
    checkpoints = Checkpoints(config=config, release_digest=release_digest, task=task, ranks=ranks)
    checkpoints.remove_partial()
    images_seen = checkpoints.restore_weights()
    phase, end = config.at(images_seen), config.end_of_phase(images_seen)
    engine = build_engine(task.network, phase, ranks)
    average = WeightAverage(engine, half_life_images=config.ema_half_life_images, start_images=config.ema_start_images)
    checkpoints.restore_state(engine, average)
    if ranks.is_first:
        fetch_logs(config.run)
    batches = task.batches(ranks, images_seen, passes_per_step(config, ranks))
    stepper = _Stepper(engine=engine, task=task, batches=batches, config=phase, ranks=ranks)
    with (
        checkpoints,
        closing(batches),
        attention_by(config.machine.attention, device=ranks.device, precision=config.precision),
        shown_progress(f"train {config.kind}", total=config.images, done=images_seen, shown=ranks.is_first) as progress,
        watching(task, config, ranks, averaged, images_seen) as watch,
    ):
        while images_seen < end:
            images_seen = _train_to_entry(stepper, average, images_seen, progress, watch)
            watch.look(average, images_seen)
            checkpoints.end_if_failed()
            if images_seen % config.machine.save_every_images == 0 or images_seen == end:
                checkpoints.save(engine, average, images_seen)
    return images_seen


@dataclass(frozen=True, kw_only=True)
class _Stepper:
    """What takes one optimizer step."""

    engine: Engine
    task: Task
    batches: Batches
    config: TrainConfig
    ranks: Ranks

    def step(self, images_seen: int, lr: float) -> StepResult:
        """Train on this rank's share of the batch at `images_seen`.

        Raises `CheckpointError`, one line that names images, when a loss or a gradient is not finite; every rank does.
        """
        try:
            return take_step(self.engine, self._passes(), lr)
        except NotFiniteError as error:
            raise self._named(error, images_seen) from error

    def _passes(self) -> list[Pass]:
        return [
            tuple(tensor.to(self.ranks.device, non_blocking=True) for tensor in inputs) for inputs in next(self.batches)
        ]

    def _named(self, error: NotFiniteError, images_seen: int) -> CheckpointError:
        """Return the error that people read: what is not finite, where, and which images may be why."""
        where, seen = "", list(range(images_seen, images_seen + self.config.batch_size))
        if error.rank is not None:
            streams = streams_of(error.rank, self.ranks.size, self.config.streams)
            where, seen = f" on rank {error.rank}", [at for at in seen if at % self.config.streams in streams]
        names = ", ".join(self.task.images_of(seen[:NAMED]))
        return CheckpointError(
            f"the {error.what} is not finite at {images_seen} images{where}, whose images begin with {names}; "
            "no weight was changed: look at them, or lower optimizer.learning_rate in a new run"
        )


def _train_to_entry(
    stepper: _Stepper, average: WeightAverage, images_seen: int, progress: ShownProgress, watch: Watch
) -> int:
    """Train until the next log entry is due, write it, and return the images seen by then."""
    config, started_s, results, tally = stepper.config, time.monotonic(), [], Tally()
    while True:
        lr = learning_rate(config.optimizer, images_seen, config.images)
        results.append(stepper.step(images_seen, lr))
        tally.add(grad_norm=results[-1].grad_norm, wait_s=stepper.batches.wait_s)
        images_seen += config.batch_size
        average.update(images_seen=images_seen, batch_size=config.batch_size)
        progress.advance(config.batch_size)
        if images_seen % config.machine.log_every_images == 0 or images_seen == config.images:
            break
    loss = _mean_over_ranks([result.loss for result in results])
    rate = len(results) * config.batch_size / (time.monotonic() - started_s)
    counted = tally.fields(stepper.ranks)
    watch.note(LogEntry(images_seen=images_seen, loss=loss, lr=lr, images_per_s=round(rate, 1), **counted))
    progress.advance(0, f"loss {loss:.4f}")
    return images_seen


def _mean_over_ranks(losses: list[Tensor]) -> float:
    mean = torch.stack(losses).mean()
    dist.all_reduce(mean)
    return float(mean) / dist.get_world_size()
