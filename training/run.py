"""Run a training config: check it, start its ranks, train. `python -m byline.training.run CONFIG` is one rank of it."""

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from byline.catalog.configs.extras import require
from byline.catalog.corpora.manifest import SPLITS, Release
from byline.catalog.errors import BylineError, CheckpointError
from byline.diffusion.checkpoint import open_checkpoint
from byline.training.autoencoder_task import AutoencoderTask
from byline.training.checkpoints import resumable
from byline.training.config import AutoencoderRun, TrainConfig, load_train_config
from byline.training.diffusion_task import DiffusionTask
from byline.training.engine import read_deepspeed
from byline.training.loop import fit
from byline.training.ranks import Ranks, is_launched, join, launch, leave
from byline.training.run_file import RunFile
from byline.training.samples import shards_of


def run(path: str | Path) -> int:
    """Train what the file at `path` describes, or go on with it; return an exit code.

    A finished run is left as it is. What can be checked without loading a model is checked before ranks start.
    """
    config = load_train_config(path)
    if is_launched():
        _run_rank(config)
        return 0
    release = Release(config.release)
    shards_of(release, "train")
    require("train", "byline train", "deepspeed")
    read_deepspeed(config.machine.deepspeed)
    done = resumable(config, release.manifest.digest)
    if done is not None and done.images_seen >= config.images:
        print(f"{config.run} is finished: it has seen {done.images_seen} images; nothing to do")
        return 0
    with _only_one(Path(config.run)):
        if config.machine.num_ranks > 1:
            code = launch("byline.training.run", [str(path)], num_ranks=config.machine.num_ranks)
            if code:
                return code
        else:
            _run_rank(config)
    print(f"{open_checkpoint(config.run)[0]} has seen {config.images} images")
    return 0


def _run_rank(config: TrainConfig) -> None:
    ranks = join()
    try:
        release = Release(config.release)
        if ranks.is_first:
            _about(config, release, ranks).write(Path(config.run))
        fit(_task(config, release, ranks), config, release.manifest.digest, ranks)
    finally:
        leave()


def _about(config: TrainConfig, release: Release, ranks: Ranks) -> RunFile:
    counts = {split: sum(shard.num_samples for shard in release.shards(split)) for split in SPLITS}
    return RunFile(
        config=config.model_dump(mode="json"),
        release_name=release.name,
        release_version=release.version,
        release_digest=release.manifest.digest,
        num_train=counts["train"],
        num_heldout=counts["heldout"],
        num_ranks=ranks.size,
        device=ranks.device.type,
    )


def _task(config: TrainConfig, release: Release, ranks: Ranks) -> AutoencoderTask | DiffusionTask:
    if isinstance(config, AutoencoderRun):
        return AutoencoderTask(config, release, ranks)
    return DiffusionTask(config, release, ranks)


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


if __name__ == "__main__":
    try:
        sys.exit(run(sys.argv[-1]))  # the deepspeed launcher puts --local_rank before it
    except BylineError as error:
        print(f"byline: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
