"""Which checkpoints of the training runs on this machine have seen a picture, and how often.

The order of the data is a function of the release's shards and of the run's seed, streams and windows, and with buckets
of the sizes of pictures: it is asked, and of each checkpoint only `byline.json` is read. Loads no torch.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import pyarrow.compute as pc

from byline.catalog.corpora.manifest import Manifest, read_shard_table, shard_table_path
from byline.catalog.disk import layout
from byline.catalog.disk.folders import folders_in
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CheckpointError, ConfigError
from byline.diffusion.checkpoint import FOLDER, Ancestor, CheckpointInfo, checkpoint_names, read_info
from byline.pipelines.rights.traces.release_traces import Place, SeenBy
from byline.training.order import Ints
from byline.training.samples import ORDERED_BY, order_of, sizes_in

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
    sizes_of: Callable[[str, str], Ints]
    """Folder of a release in the corpus, name of a shard -> sizes of its pictures. See `training.samples.SizesOf`."""

    def seen(self, manifest: Manifest, position: Place | None) -> tuple[SeenBy, ...]:
        """Return how often each checkpoint that was trained on a release has seen the picture at a position of it.

        What a run started from counts (`init_from`).
        """
        digest = manifest.digest
        return tuple(
            SeenBy(
                checkpoint=checkpoint.path,
                images_seen=sum(part.images_seen for part in checkpoint.info.lineage),
                times_seen=sum(self._times(part, manifest, position) for part in checkpoint.info.lineage),
            )
            for checkpoint in self.readable
            if any(part.release_digest == digest for part in checkpoint.info.lineage)
        )

    def _times(self, part: Ancestor, manifest: Manifest, position: Place | None) -> int:
        shards = sorted((shard for shard in manifest.shards if shard.split == "train"), key=lambda shard: shard.name)
        names = [shard.name for shard in shards]
        if position is None or position.shard not in names or part.release_digest != manifest.digest:
            return 0
        release = layout.release(manifest.name, manifest.digest[:16])
        order = order_of(manifest, part.config, lambda shard: self.sizes_of(release, shard.name))
        return order.times_seen_at(part.images_seen, names.index(position.shard), position.row)

    def of_others(self, digests: Collection[str | None]) -> tuple[str, ...]:
        """Return the paths of those of which it is not known what they saw: trained on others than these releases."""
        others = [
            checkpoint.path
            for checkpoint in self.readable
            if any(part.release_digest not in digests for part in checkpoint.info.lineage)
        ]
        return tuple(sorted([*others, *self.damaged]))


def find_checkpoints(runs: Sequence[str] | None, store: Store) -> Checkpoints:
    """Return the checkpoints of these run folders, or of every run in or below the current folder, sorted.

    `store` is the corpus whose pictures they saw. Raises `ConfigError` for a run folder without checkpoints that was
    named.
    """
    if runs:
        for run in runs:
            if not checkpoint_names(run):
                raise ConfigError(f"no checkpoint in {run}; --run takes the folder of a training run")
    run_folders = [run.rstrip("/") for run in runs] if runs else [str(folder) for folder in _runs(Path(), LEVELS)]
    readable, damaged = [], []
    for path in (
        f"{run_folder}/{FOLDER}/{name}" for run_folder in run_folders for name in checkpoint_names(run_folder)
    ):
        try:
            info = read_info(path)
        except CheckpointError:
            info = None
        if info is not None and all(part.config.keys() >= set(ORDERED_BY) for part in info.lineage):
            readable.append(Checkpoint(path=path, info=info))
        else:
            damaged.append(path)
    sizes_of = lru_cache(maxsize=64)(partial(_sizes, store))
    return Checkpoints(readable=tuple(readable), damaged=tuple(damaged), sizes_of=sizes_of)


def _runs(folder: Path, levels: int) -> Iterator[Path]:
    if checkpoint_names(folder):
        yield folder
    elif levels:
        for below in folders_in(folder):
            yield from _runs(below, levels - 1)


def _sizes(store: Store, release: str, shard: str) -> Ints:
    """Return the sizes of the pictures of a shard, which may be gone since its release was withdrawn."""
    if store.exists(shard_table_path(shard)):
        return sizes_in(read_shard_table(store, shard, ["key", "height", "width"]), shard)
    samples = store.read_table(f"{release}/{layout.WITHDRAWN_SAMPLES}", ["shard", "key", "height", "width"])
    return sizes_in(samples.filter(pc.equal(samples["shard"], shard)), shard)
