"""The training samples of a release, shard by shard. Loads no torch."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import starmap
from typing import Any

import pyarrow as pa

from byline.catalog.corpora.manifest import Manifest, Release, Shard, Split, read_shard_table
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import CorpusError
from byline.diffusion.checkpoint import CheckpointInfo, require_trained_on
from byline.training.order import Order

ORDERED_BY = ("streams", "shuffle_samples", "seed")
"""What the order of a run depends on, beside the release: keys of its config."""


@dataclass(frozen=True, kw_only=True)
class Names:
    """What the samples of one shard are called, in key order. `captions[i]` belongs to `sha256s[i]`."""

    sha256s: tuple[str, ...]
    captions: tuple[str, ...]
    several: tuple[Mapping[str, float], ...] = ()
    """The captions of each, with how often to draw one against the others, where the release ships several."""

    @property
    def weighted(self) -> tuple[Mapping[str, float], ...]:
        """The captions of each, with their weights: itself, or several."""
        return self.several or tuple({caption: 1.0} for caption in self.captions)


@dataclass(frozen=True, kw_only=True)
class Samples(Names):
    """The samples of one shard, in key order."""

    pictures: tuple[bytes, ...]
    """The pictures as the release ships them, not decoded."""


def read_names(release: Release, shard: Shard) -> Names:
    """Read what the samples of a shard are called from the table beside it; from its tar where there is none.

    Raises `BylineError` when what is read is damaged.
    """
    table = _table(release, shard)
    if table is None:
        samples = read_samples(release, shard)
        return Names(sha256s=samples.sha256s, captions=samples.captions, several=samples.several)
    if len(table) != shard.num_samples:
        raise CorpusError(
            f"the table of {shard.name} has {len(table)} samples, not {shard.num_samples}; delete it and build again"
        )
    table = table.sort_by("sha256")
    captions = tuple(table["caption"].to_pylist())
    several: tuple[Mapping[str, float], ...] = ()
    if "captions" in table.column_names:
        said = zip(captions, table["captions"].to_pylist(), table["caption_weights"].to_pylist(), strict=True)
        several = tuple(starmap(_weights, said))
    return Names(sha256s=tuple(table["sha256"].to_pylist()), captions=captions, several=several)


def _weights(caption: str, captions: list[str], weights: list[float]) -> Mapping[str, float]:
    """Return the captions of a sample with their weights; what two captioners wrote alike has both weights."""
    found: dict[str, float] = {}
    for text, weight in zip(captions, weights, strict=True):
        found[text] = found.get(text, 0.0) + weight
    return found or {caption: 1.0}


def _table(release: Release, shard: Shard) -> pa.Table | None:
    columns = ["sha256", "caption", "captions", "caption_weights"]  # where it ships several
    if release.has_rows:
        return release.store.read_table(release.shard_path(shard), columns)
    if not release.store.exists(release.table_path(shard)):
        return None
    if release.export is None:
        return read_shard_table(release.store, shard.name, columns)
    return release.store.read_table(release.table_path(shard), columns)


def read_samples(release: Release, shard: Shard) -> Samples:
    """Read a shard whole. Raises `CorpusError` when its bytes are not what the manifest says."""
    tar = release.read_shard(shard)
    if sha256_hex(tar) != shard.sha256:
        raise CorpusError(f"{release.store.url(release.shard_path(shard))} is damaged; delete it and build again")
    found = sorted(
        ((json.loads(sample["json"]), sample["txt"].decode(), sample["jpg"]) for sample in release.samples(shard, tar)),
        key=lambda sample: sample[0]["sha256"],
    )
    return Samples(
        sha256s=tuple(said["sha256"] for said, _, _ in found),
        captions=tuple(caption for _, caption, _ in found),
        pictures=tuple(picture for _, _, picture in found),
        several=tuple(
            _weights(caption, said["captions"], said["caption_weights"])
            for said, caption, _ in found
            if "captions" in said
        ),
    )


def shards_of(release: Release, split: Split) -> list[Shard]:
    """Return a split's shards by name. Raises `CorpusError` when there are none."""
    shards = _by_name(release.manifest, split)
    if not shards:
        raise CorpusError(f"release {release.name} has no {split} samples; build it with more images")
    return shards


def order_of(manifest: Manifest, config: Mapping[str, Any]) -> Order:
    """Return the order in which a run of this config sees the training samples of a release."""
    return Order(
        shard_sizes=tuple(shard.num_samples for shard in _by_name(manifest, "train")),
        streams=config["streams"],
        window_samples=config["shuffle_samples"],
        seed=config["seed"],
    )


def times_seen(release: Release, info: CheckpointInfo) -> dict[str, int]:
    """Return for each training image (by SHA-256) how often a checkpoint has seen it, with what it started from.

    Raises `CorpusError` when neither the checkpoint nor an ancestor of it was trained on this release.
    """
    parts = [part for part in info.lineage if part.release_digest == release.manifest.digest]
    if not parts:
        require_trained_on(info, release)
    counts_of_parts = [order_of(release.manifest, part.config).times_seen(part.images_seen) for part in parts]
    return {
        sha256: int(sum(counts))
        for shard, *counts_of_shard in zip(shards_of(release, "train"), *counts_of_parts, strict=True)
        for sha256, *counts in zip(read_names(release, shard).sha256s, *counts_of_shard, strict=True)
    }


def images_at(release: Release, order: Order, positions: Iterable[int]) -> list[str]:
    """Return the SHA-256 of the images that are seen at these positions."""
    shards = shards_of(release, "train")
    places = [tuple(ints.item() for ints in order.batch(position, 1)) for position in positions]
    names = {shard: read_names(release, shards[shard]) for shard in {shard for shard, _ in places}}
    return [names[shard].sha256s[row] for shard, row in places]


def _by_name(manifest: Manifest, split: Split) -> list[Shard]:
    return sorted((shard for shard in manifest.shards if shard.split == split), key=lambda shard: shard.name)
