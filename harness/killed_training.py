"""A training run that is killed -9 again and again, at random moments, and then run to its end.

Each attempt is forked from a process that has imported what training needs, so that no kill is spent on imports. Three
of four kills come at a random moment after the attempt's first step, the fourth at one of its start-up.
"""

import multiprocessing
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byline.diffusion.checkpoint import open_checkpoint
from byline.training.boards import TENSORBOARD
from byline.training.log import read_log

SHARE = 1.2
"""Of the time that an undisturbed run takes after its start-up: what all kills may take, each at its latest."""
EARLY = 4
"""Each kill with a number that this divides comes while the attempt starts up."""
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["harness.training_imports"])


@dataclass(frozen=True, kw_only=True)
class KilledTraining:
    """What came of a run that was killed, beside one that nobody disturbed."""

    kills: int
    seen: tuple[int, ...]
    """Images that the newest checkpoint had after each kill."""
    checkpoints_equal: bool
    """Whether every byte of the last checkpoints is the same, their descriptions included."""
    losses_equal: bool
    """Whether the logs are, but for speed."""
    left_over: tuple[str, ...]
    """Files that are in the folder of the killed run alone, but for TensorBoard's, which are named after the time."""


def kill_and_compare(whole: Path, killed: Path, *, num_kills: int, seed: int = 0) -> KilledTraining:
    """Train the config `whole` undisturbed; train `killed`, the same in another `run`, killed `num_kills` times."""
    from byline.training.config import load_train_config

    runs = [Path(load_train_config(path).run) for path in (whole, killed)]
    process, moments = _start(whole), random.Random(seed)
    startup_s, began_s = _wait_for_steps(process, runs[0]), time.monotonic()
    _finish(process)
    trained_s = time.monotonic() - began_s
    kills, seen = 0, []
    while kills < num_kills:
        process = _start(killed)
        if kills % EARLY == EARLY - 1:
            process.join(moments.uniform(0, startup_s))
        else:
            _wait_for_steps(process, runs[1])
            process.join(moments.uniform(0, SHARE * trained_s / num_kills))
        if process.exitcode is not None:
            break
        process.kill()
        process.join()
        kills += 1
        seen.append(_images_seen(runs[1]))
    _finish(_start(killed))
    (_, whole_info), (_, killed_info) = (open_checkpoint(run) for run in runs)
    files = [
        {path.relative_to(run).as_posix() for path in run.rglob("*") if path.parent.name != TENSORBOARD} for run in runs
    ]
    return KilledTraining(
        kills=kills,
        seen=tuple(seen),
        checkpoints_equal=whole_info == killed_info,
        losses_equal=_losses(runs[0]) == _losses(runs[1]),
        left_over=tuple(sorted(files[1] - files[0])),
    )


def _start(config: Path) -> Any:
    process = _SERVER.Process(target=_train, args=(str(config),))
    process.start()
    return process


def _train(config: str) -> None:
    import torch

    from byline.training.run import run

    torch.set_num_threads(1)
    run(config)


def _wait_for_steps(process: Any, run: Path) -> float:
    """Return when the attempt has logged a step beyond the last checkpoint, or has ended, and how long that took."""
    log, began_s, seen = run / "log.jsonl", time.monotonic(), _images_seen(run)
    before = log.stat().st_mtime_ns if log.exists() else 0
    while process.exitcode is None:
        is_its_own = log.exists() and log.stat().st_mtime_ns != before  # what a killed one left is cut off first
        if is_its_own and any(images_seen > seen for images_seen, _ in _losses(run)):
            break
        process.join(0.02)
    return time.monotonic() - began_s


def _finish(process: Any) -> None:
    process.join()
    assert process.exitcode == 0


def _images_seen(run: Path) -> int:
    names = sorted(path.parent.name for path in run.glob("checkpoints/[0-9]*/byline.json"))
    return int(names[-1]) if names else 0


def _losses(run: Path) -> list[tuple[int, float]]:
    return [(entry.images_seen, entry.loss) for entry in read_log(run / "log.jsonl")]
