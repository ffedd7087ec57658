"""Which checkpoints of the training runs on this machine have seen a picture, and how often.

The order of the data is a function of the release's shards and of the run's seed, streams and windows: it is asked, and
of each checkpoint only `byline.json` is read. Loads no torch.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from byline.catalog.corpora.manifest import Manifest
from byline.catalog.disk.folders import folders_in
from byline.catalog.errors import ConfigError
from byline.diffusion.checkpoint import FOLDER, INFO, CheckpointInfo, checkpoint_names
from byline.pipelines.rights.traces.release_traces import Place, SeenBy
from byline.training.samples import ORDERED_BY, order_of

LEVELS = 3
"""How many levels of folders below the current one are searched for runs."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint as its `byline.json` describes it."""

    path: str
    info: CheckpointInfo


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The checkpoints of some runs."""

    readable: tuple[Checkpoint, ...]
    damaged: tuple[str, ...]
    """Paths of those that cannot tell what they are."""

    def seen(self, manifest: Manifest, place: Place | None) -> tuple[SeenBy, ...]:
        """Return how often each checkpoint that was trained on a release has seen the picture at a place of it."""
        digest = manifest.digest
        return tuple(
            SeenBy(checkpoint=one.path, images_seen=one.info.images_seen, times_seen=_times(one.info, manifest, place))
            for one in self.readable
            if one.info.release_digest == digest
        )

    def of_others(self, digests: Collection[str | None]) -> tuple[str, ...]:
        """Return the paths of those of which it is not known what they saw: trained on none of these releases."""
        others = [one.path for one in self.readable if one.info.release_digest not in digests]
        return tuple(sorted([*others, *self.damaged]))


def find_checkpoints(runs: Sequence[str] | None) -> Checkpoints:
    """Return the checkpoints of these run folders, or of every run in or below the current folder, sorted.

    Raises `ConfigError` for a run folder without checkpoints that was named.
    """
    if runs:
        for run in runs:
            if not checkpoint_names(Path(run)):
                raise ConfigError(f"no checkpoint in {run}; --run takes the folder of a training run")
    folders = [Path(run) for run in runs] if runs else list(_runs(Path(), LEVELS))
    readable, damaged = [], []
    for path in (folder / FOLDER / name for folder in folders for name in checkpoint_names(folder)):
        try:
            info = CheckpointInfo.model_validate_json((path / INFO).read_bytes())
        except (OSError, ValidationError):
            info = None
        if info is not None and info.config.keys() >= set(ORDERED_BY):
            readable.append(Checkpoint(path=str(path), info=info))
        else:
            damaged.append(str(path))
    return Checkpoints(readable=tuple(readable), damaged=tuple(damaged))


def _runs(folder: Path, levels: int) -> Iterator[Path]:
    if checkpoint_names(folder):
        yield folder
    elif levels:
        for below in folders_in(folder):
            yield from _runs(below, levels - 1)


def _times(info: CheckpointInfo, manifest: Manifest, place: Place | None) -> int:
    shards = sorted((shard for shard in manifest.shards if shard.split == "train"), key=lambda shard: shard.name)
    names = [shard.name for shard in shards]
    if place is None or place.shard not in names:
        return 0
    order = order_of(manifest, info.config)
    return order.times_seen_at(info.images_seen, names.index(place.shard), place.row)
