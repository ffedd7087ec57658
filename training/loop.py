"""The training loop. A run that is stopped and started again is, to the bit, the run that was never stopped."""

import math
import time
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from byline.catalog.errors import CheckpointError
from byline.training.averaged_copy import AveragedCopy
from byline.training.checkpoints import Checkpoints
from byline.training.config import OptimizerConfig, TrainConfig
from byline.training.ema import WeightAverage
from byline.training.engine import build_engine, passes_per_step
from byline.training.log import LogEntry
from byline.training.progress import ShownProgress, shown_progress
from byline.training.ranks import Ranks
from byline.training.tally import Tally
from byline.training.task import Task
from byline.training.watching import Watch, watching


def fit(task: Task, config: TrainConfig, release_digest: str, ranks: Ranks) -> None:
    """Train from the newest checkpoint, or from the start, to `config.images`."""
    task.network.to(ranks.device)
    averaged = AveragedCopy(task.network, ranks)
    checkpoints = Checkpoints(config=config, release_digest=release_digest, task=task, ranks=ranks)
    checkpoints.remove_partial()
    average = WeightAverage(task.network, half_life_images=config.ema_half_life_images)
    images_seen = checkpoints.restore_weights(average)
    engine = build_engine(task.network, config, ranks)
    checkpoints.restore_optimizer(engine, images_seen)
    stepper = _Stepper(engine=engine, task=task, config=config, ranks=ranks)
    with (
        shown_progress(f"train {config.kind}", total=config.images, done=images_seen, shown=ranks.is_first) as progress,
        watching(task, config, ranks, averaged, images_seen) as watch,
    ):
        while images_seen < config.images:
            images_seen = _train_to_entry(stepper, average, images_seen, progress, watch)
            watch.look(average, images_seen)
            if images_seen % config.machine.save_every_images == 0 or images_seen == config.images:
                checkpoints.save(engine, average, images_seen)


@dataclass(frozen=True, kw_only=True)
class _Stepper:
    """What takes one optimizer step."""

    engine: Any
    task: Task
    config: TrainConfig
    ranks: Ranks

    def step(self, images_seen: int, lr: float, tally: Tally) -> Tensor:
        """Train on this rank's share of the batch at `images_seen`; return the share's mean loss."""
        wait_s = 0.0
        for group in self.engine.optimizer.param_groups:
            group["lr"] = lr
        share = self.config.batch_size // self.ranks.size
        size = share // passes_per_step(self.config, self.ranks)
        first = images_seen + self.ranks.rank * share
        losses = []
        for start in range(first, first + share, size):
            asked_s = time.monotonic()
            inputs = self.task.inputs(range(start, start + size))
            wait_s += time.monotonic() - asked_s
            loss = self.engine(*(tensor.to(self.ranks.device) for tensor in inputs))
            self.engine.backward(loss)
            self.engine.step()
            losses.append(loss.detach())
        tally.add(grad_norm=self.engine.get_global_grad_norm(), wait_s=wait_s)
        return torch.stack(losses).mean()


def _train_to_entry(
    stepper: _Stepper, average: WeightAverage, images_seen: int, progress: ShownProgress, watch: Watch
) -> int:
    """Train until the next log entry is due, write it, and return the images seen by then."""
    config, started_s, losses, tally = stepper.config, time.monotonic(), [], Tally()
    while True:
        lr = learning_rate(config.optimizer, images_seen, config.images)
        losses.append(stepper.step(images_seen, lr, tally))
        images_seen += config.batch_size
        average.update(images_seen=images_seen, batch_size=config.batch_size)
        progress.advance(config.batch_size)
        if images_seen % config.machine.log_every_images == 0 or images_seen == config.images:
            break
    loss = _mean_over_ranks(losses, images_seen)
    rate = len(losses) * config.batch_size / (time.monotonic() - started_s)
    counted = tally.fields(stepper.ranks)
    watch.note(LogEntry(images_seen=images_seen, loss=loss, lr=lr, images_per_s=round(rate, 1), **counted))
    progress.advance(0, f"loss {loss:.4f}")
    return images_seen


def learning_rate(config: OptimizerConfig, images_seen: int, images: int) -> float:
    """Return the rate of the step that starts at `images_seen`: linear warm-up, then a cosine to zero at `images`."""
    warmup = min(1.0, (images_seen + 1) / max(1, config.warmup_images))
    return config.learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * images_seen / images))


def _mean_over_ranks(losses: list[Tensor], images_seen: int) -> float:
    mean = torch.stack(losses).mean()
    dist.all_reduce(mean)
    loss = float(mean) / dist.get_world_size()
    if not math.isfinite(loss):
        raise CheckpointError(
            f"the loss is {loss} at {images_seen} images; lower optimizer.learning_rate and start a new run"
        )
    return loss
