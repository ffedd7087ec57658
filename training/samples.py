"""The training samples of a release, shard by shard. Loads no torch."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from io import BytesIO
from itertools import starmap
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from byline.catalog.corpora.manifest import Manifest, Release, Shard, Split
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import CorpusError
from byline.diffusion.checkpoint import CheckpointInfo, require_trained_on
from byline.training.buckets import BucketsConfig, buckets_of
from byline.training.order import Ints, Order, Runs

CAPTIONS = ("caption", "captions", "caption_weights")
"""Columns of a shard's table; a release of one caption a picture has the first alone."""
ORDERED_BY = ("streams", "shuffle_samples", "seed")
"""What the order of a run depends on, beside the release: keys of its config. Where it has
`buckets`, on these, `resolution_px` and `batch_size` too."""
SHARDS_REMEMBERED = 1024
"""How many shards' buckets are kept in memory, two bytes a sample. Where windows lie in more, tables are read again."""
SizesOf = Callable[[Shard], Ints]
"""Gives the sizes of a shard's pictures, `(N, 2)`: height and width, in key order."""


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
    table = release.rows(shard, ["sha256", *CAPTIONS])
    if table is None:
        samples = read_samples(release, shard)
        return Names(sha256s=samples.sha256s, captions=samples.captions, several=samples.several)
    captions = tuple(table["caption"].to_pylist())
    several: tuple[Mapping[str, float], ...] = ()
    if "captions" in table.column_names:
        rows = zip(captions, table["captions"].to_pylist(), table["caption_weights"].to_pylist(), strict=True)
        several = tuple(starmap(_weights, rows))
    return Names(sha256s=tuple(table["sha256"].to_pylist()), captions=captions, several=several)


def _weights(caption: str, captions: list[str], weights: list[float]) -> Mapping[str, float]:
    """Return the captions of a sample with their weights; what two captioners wrote alike has both weights."""
    weight_of: dict[str, float] = {}
    for text, weight in zip(captions, weights, strict=True):
        weight_of[text] = weight_of.get(text, 0.0) + weight
    return weight_of or {caption: 1.0}


def read_sizes(release: Release, shard: Shard) -> Ints:
    """Return height and width of a shard's pictures, `(N, 2)`, in key order; none is decoded.

    The table beside the shard says them; without one, the heads of the pictures do. Raises `BylineError` when what is
    read is damaged.
    """
    table = release.rows(shard, ["sha256", "height", "width"])
    if table is not None:
        return sizes_in(table, shard.name)
    return np.array([_size(picture) for picture in read_samples(release, shard).pictures], np.int64).reshape(-1, 2)


def sizes_in(table: pa.Table, shard: str) -> Ints:
    """Return height and width, `(N, 2)`, of the rows of a shard's table. Raises `CorpusError` where a row has none."""
    sizes = np.stack([pc.fill_null(table[name], 0).to_numpy() for name in ("height", "width")], axis=1)
    if (sizes < 1).any():
        raise CorpusError(f"the table of {shard} has a picture of no size; delete it and build again")
    return sizes.astype(np.int64)


def _size(picture: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(picture)) as image:
        return image.height, image.width


def read_samples(release: Release, shard: Shard) -> Samples:
    """Read a shard whole. Raises `CorpusError` when its bytes are not what the manifest says."""
    tar = release.read_shard(shard)
    if sha256_hex(tar) != shard.sha256:
        raise CorpusError(f"{release.store.url(release.shard_path(shard))} is damaged; delete it and build again")
    samples = sorted(
        ((json.loads(sample["json"]), sample["txt"].decode(), sample["jpg"]) for sample in release.samples(shard, tar)),
        key=lambda sample: sample[0]["sha256"],
    )
    return Samples(
        sha256s=tuple(fields["sha256"] for fields, _, _ in samples),
        captions=tuple(caption for _, caption, _ in samples),
        pictures=tuple(picture for _, _, picture in samples),
        several=tuple(
            _weights(caption, fields["captions"], fields["caption_weights"])
            for fields, caption, _ in samples
            if "captions" in fields
        ),
    )


def shards_of(release: Release, split: Split) -> list[Shard]:
    """Return a split's shards by name. Raises `CorpusError` when there are none."""
    shards = _by_name(release.manifest, split)
    if not shards:
        raise CorpusError(f"release {release.name} has no {split} samples; build it with more images")
    return shards


def order_of(manifest: Manifest, config: Mapping[str, Any], sizes_of: SizesOf) -> Order:
    """Return the order in which a run of this config sees the training samples of a release.

    Sizes are asked for where the config has buckets, and only those of shards that the order is asked about.
    """
    shards = _by_name(manifest, "train")
    return Order(
        shard_sizes=tuple(shard.num_samples for shard in shards),
        streams=config["streams"],
        window_samples=config["shuffle_samples"],
        seed=config["seed"],
        runs=_runs(shards, config, sizes_of) if config.get("buckets") else None,
    )


def _runs(shards: list[Shard], config: Mapping[str, Any], sizes_of: SizesOf) -> Runs:
    buckets = buckets_of(BucketsConfig.model_validate(config["buckets"]), config["resolution_px"])

    @lru_cache(maxsize=SHARDS_REMEMBERED)
    def bucket_of(shard: int) -> Ints:
        return buckets.nearest(sizes_of(shards[shard])).astype(np.int16)

    return Runs(bucket_of=bucket_of, length=config["batch_size"] // config["streams"])


def times_seen(release: Release, info: CheckpointInfo) -> dict[str, int]:
    """Return for each training image (by SHA-256) how often a checkpoint has seen it, with what it started from.

    Raises `CorpusError` when neither the checkpoint nor an ancestor of it was trained on this release.
    """
    parts = [part for part in info.lineage if part.release_digest == release.manifest.digest]
    if not parts:
        require_trained_on(info, release)
    orders = [order_of(release.manifest, part.config, partial(read_sizes, release)) for part in parts]
    counts_of_parts = [order.times_seen(part.images_seen) for order, part in zip(orders, parts, strict=True)]
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
