"""Run a training config: check it, start its ranks, train. `python -m byline.training.run CONFIG` is one rank of it.

What the ranks load (torch, diffusers, DeepSpeed) is not loaded to start them.
"""

import fcntl
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from byline.catalog.configs.extras import require
from byline.catalog.corpora.manifest import Release
from byline.catalog.corpora.written import BY_TRAINING, note_written
from byline.catalog.disk.storage import Store
from byline.catalog.errors import BylineError, CheckpointError
from byline.catalog.imports import collector_paused
from byline.catalog.text import one_line
from byline.diffusion.checkpoint import FOLDER, CheckpointInfo, checkpoint_names, open_checkpoint
from byline.training.config import TrainConfig, load_train_config
from byline.training.deepspeed_files import read_deepspeed
from byline.training.launching import LOST, Failure, is_launched, is_launched_by_us, launch, set_up_torch
from byline.training.places import working_folder
from byline.training.resuming import extension, resumable
from byline.training.run_file import describe
from byline.training.samples import shards_of

if TYPE_CHECKING:
    from byline.training.ranks import Ranks
    from byline.training.task import Task


def run(path: str | Path) -> int:
    """Train what the file at `path` describes, or go on with it; return an exit code.

    A finished run is left as it is. What can be checked without loading a model is checked before ranks start.
    """
    set_up_torch()
    if is_launched():
        _run_rank(path)
        return 0
    require("train", "byline train", "torch", "deepspeed")
    config = load_train_config(path)
    release = Release(config.release)
    shards_of(release, "train")
    read_deepspeed(config.machine.deepspeed)
    done = resumable(config, release.manifest.digest)
    is_finished = _announced(config, done)
    if done is not None and Store(config.run).is_local:  # of a URL the ranks fetch it, and check it then
        open_checkpoint(config.run)
    if is_finished:
        return 0
    with _only_one(working_folder(config.run)):
        if config.machine.num_ranks > 1:
            failure = launch("byline.training.run", [str(path)], num_ranks=config.machine.num_ranks)
            if failure is not None:
                return _told(failure, config, release)
        else:
            _run_rank(path)
    print(f"{config.run}/{FOLDER}/{checkpoint_names(config.run)[-1]} has seen {config.images} images")
    return 0


def _announced(config: TrainConfig, done: CheckpointInfo | None) -> bool:
    """Say at once what is going to happen; return whether that is nothing, since the run is finished."""
    images_seen = 0 if done is None else done.images_seen
    if images_seen >= config.images:
        print(f"{config.run} is finished: it has seen {images_seen} images; nothing to do", flush=True)
        return True
    print(extension(config, done) or f"{config.run}: {images_seen} of {config.images} images seen; loading", flush=True)
    return False


def _told(failure: Failure, config: TrainConfig, release: Release) -> int:
    """Return the exit code of a rank that has said what was wrong. Raises `CheckpointError` for one that was killed."""
    if failure.exit_code >= 0:
        return failure.exit_code
    info = resumable(config, release.manifest.digest)
    images_seen = 0 if info is None else info.images_seen
    raise CheckpointError(
        f"rank {failure.rank} was killed (signal {-failure.exit_code}); "
        f"run the same command to go on from {images_seen} images"
    )


def _run_rank(path: str | Path) -> None:
    """Be one rank of the run. Until all have agreed that they run the same, an error of one is told by the first."""
    with collector_paused():
        from byline.training.agreement import agree
        from byline.training.ranks import join, leave
        from byline.training.saving import take_over

    # A rank that cannot read its config joins all the same, so that no other one waits for it.
    ranks, together = join(timeout_minutes=_timeout_minutes(path)), False
    is_teller = ranks.is_first and is_launched() and not is_launched_by_us()
    with ExitStack() as held:
        try:
            agree(ranks, lambda: _facts(path, held if is_teller else None))
            config = load_train_config(path)
            release = Release(config.release)
            done = resumable(config, release.manifest.digest)
            if is_teller:
                _announced(config, done)
            images_seen = 0 if done is None else done.images_seen
            if images_seen < config.images and ranks.is_first:
                take_over(config.run)
                describe(config, release, ranks.size, ranks.device.type).write(working_folder(config.run))
                note_written(release.store, config.run, BY_TRAINING)
            if images_seen < config.images:
                with collector_paused(for_good=True):
                    from byline.training.loop import fit

                    new_task = _tasks(config)
            while images_seen < config.images:
                task = new_task(config.at(images_seen), release, ranks)
                images_seen = fit(task, config, release.manifest.digest, ranks)
            together = True
        finally:
            leave(ranks, together=together)


def _timeout_minutes(path: str | Path) -> float:
    try:
        return load_train_config(path).machine.timeout_minutes
    except BylineError:
        return 10


def _facts(path: str | Path, held: ExitStack | None) -> dict[str, Any]:
    """Return what all ranks must have alike before anything is loaded; hold the run's folder for as long as `held`."""
    config = load_train_config(path)
    if held is not None:
        held.enter_context(_only_one(working_folder(config.run)))
    digest = Release(config.release).manifest.digest
    info = resumable(config, digest)
    return {
        "byline": version("byline"),
        "torch": version("torch"),
        "images_seen": 0 if info is None else info.images_seen,
        "checkpoint": "none" if info is None else info.digest,
        "release": digest,
        "config": config.identity(),
        "machine": config.machine.model_dump(mode="json", exclude={"num_ranks", "deepspeed"}),
        "watch": config.watch.model_dump(mode="json"),
        "deepspeed": read_deepspeed(config.machine.deepspeed),
    }


def _tasks(config: TrainConfig) -> "Callable[[Any, Release, Ranks], Task]":
    """Return what makes the task of a run of this kind."""
    if config.kind == "autoencoder":
        from byline.training.autoencoder_task import AutoencoderTask

        return AutoencoderTask
    if config.kind == "text_encoder":
        from byline.training.text_encoder_task import TextEncoderTask

        return TextEncoderTask
    from byline.training.diffusion_task import DiffusionTask

    return DiffusionTask


@contextmanager
def _only_one(run_folder: Path) -> Iterator[None]:
    """Hold the run's folder. The lock goes away with the process, however it ends."""
    run_folder.mkdir(parents=True, exist_ok=True)
    with (run_folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CheckpointError(
                f"{run_folder} is being trained by another process; wait for it or stop it"
            ) from error
        yield


def main(path: str) -> int:
    """Run as one process of many: what people can mend is one line, and so is that another rank is gone."""
    try:
        return run(path)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        from byline.training.ranks import is_of_lost_rank

        is_lost = is_of_lost_rank(error)
        if not is_lost and not isinstance(error, BylineError):
            raise
        if not (is_lost and is_launched_by_us()):  # else the one who launched says which rank it was
            message = f"another rank is gone ({error}); run the same command to go on" if is_lost else str(error)
            print(f"byline: {one_line(message)}", file=sys.stderr)
        return LOST if is_lost else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[-1]))  # the deepspeed launcher puts --local_rank before it
