"""The training loop. A run that is stopped and started again is, to the bit, the run that was never stopped."""

import math
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from byline.catalog.errors import CheckpointError
from byline.training.checkpoints import Checkpoints
from byline.training.config import OptimizerConfig, TrainConfig
from byline.training.ema import WeightAverage
from byline.training.engine import build_engine, passes_per_step
from byline.training.feed import Batches
from byline.training.log import LogEntry, append_log, rewind_log
from byline.training.progress import ShownProgress, shown_progress
from byline.training.ranks import Ranks
from byline.training.task import Task

LOG = "log.jsonl"


def fit(task: Task, config: TrainConfig, release_digest: str, ranks: Ranks) -> None:
    """Train from the newest checkpoint, or from the start, to `config.images`."""
    task.network.to(ranks.device)
    checkpoints = Checkpoints(config=config, release_digest=release_digest, task=task, ranks=ranks)
    checkpoints.remove_partial()
    average = WeightAverage(task.network, half_life_images=config.ema_half_life_images)
    images_seen = checkpoints.restore_weights(average)
    engine = build_engine(task.network, config, ranks)
    checkpoints.restore_optimizer(engine, images_seen)
    if ranks.is_first:
        rewind_log(Path(config.run) / LOG, images_seen)
    batches = task.batches(ranks, images_seen, passes_per_step(config, ranks))
    stepper = _Stepper(engine=engine, batches=batches, config=config, ranks=ranks)
    with (
        closing(batches),
        shown_progress(f"train {config.kind}", total=config.images, done=images_seen, shown=ranks.is_first) as progress,
    ):
        while images_seen < config.images:
            images_seen = _train_to_entry(stepper, average, images_seen, progress)
            if images_seen % config.machine.save_every_images == 0 or images_seen == config.images:
                checkpoints.save(engine, average, images_seen)


@dataclass(frozen=True, kw_only=True)
class _Stepper:
    """What takes one optimizer step."""

    engine: Any
    batches: Batches
    config: TrainConfig
    ranks: Ranks

    def step(self, lr: float) -> Tensor:
        """Train on this rank's share of the next batch; return the share's mean loss."""
        for group in self.engine.optimizer.param_groups:
            group["lr"] = lr
        losses = []
        for inputs in next(self.batches):
            loss = self.engine(*(tensor.to(self.ranks.device) for tensor in inputs))
            self.engine.backward(loss)
            self.engine.step()
            losses.append(loss.detach())
        return torch.stack(losses).mean()


def _train_to_entry(stepper: _Stepper, average: WeightAverage, images_seen: int, progress: ShownProgress) -> int:
    """Train until the next log entry is due, write it, and return the images seen by then."""
    config, started_s, losses = stepper.config, time.monotonic(), []
    while True:
        lr = learning_rate(config.optimizer, images_seen, config.images)
        losses.append(stepper.step(lr))
        images_seen += config.batch_size
        average.update(images_seen=images_seen, batch_size=config.batch_size)
        progress.advance(config.batch_size)
        if images_seen % config.machine.log_every_images == 0 or images_seen == config.images:
            break
    loss = _mean_over_ranks(losses, images_seen)
    rate = len(losses) * config.batch_size / (time.monotonic() - started_s)
    if stepper.ranks.is_first:
        entry = LogEntry(images_seen=images_seen, loss=loss, lr=lr, images_per_s=round(rate, 1))
        append_log(Path(config.run) / LOG, entry)
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
