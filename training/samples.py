"""The training samples of a release, shard by shard, as arrays."""

import json
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from byline.catalog.corpora.manifest import Release, Shard, Split
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import CorpusError
from byline.diffusion.checkpoint import CheckpointInfo, require_trained_on
from byline.diffusion.pixels import square
from byline.training.order import Order


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The samples of one shard, in key order. `captions[i]` belongs to `sha256s[i]`."""

    sha256s: tuple[str, ...]
    captions: tuple[str, ...]
    pictures: tuple[bytes, ...]
    """As the release ships them, not decoded."""

    def pixels(self, side_px: int) -> npt.NDArray[np.uint8]:
        """Decode all pictures to `(N, 3, side_px, side_px)`."""
        return np.stack([square(picture, side_px) for picture in self.pictures])


def read_samples(release: Release, shard: Shard) -> Samples:
    """Read a shard whole. Raises `CorpusError` when its bytes are not what the manifest says."""
    tar = release.read_shard(shard)
    if sha256_hex(tar) != shard.sha256:
        raise CorpusError(f"{release.store.url(release.shard_path(shard))} is damaged; delete it and build again")
    found = sorted(
        (json.loads(sample["json"])["sha256"], sample["txt"].decode(), sample["jpg"])
        for sample in release.samples(shard, tar)
    )
    return Samples(
        sha256s=tuple(sha256 for sha256, _, _ in found),
        captions=tuple(caption for _, caption, _ in found),
        pictures=tuple(picture for _, _, picture in found),
    )


def shards_of(release: Release, split: Split) -> list[Shard]:
    """Return a split's shards by name. Raises `CorpusError` when there are none."""
    shards = sorted(release.shards(split), key=lambda shard: shard.name)
    if not shards:
        raise CorpusError(f"release {release.name} has no {split} samples; build it with more images")
    return shards


def order_of(release: Release, *, shuffle_shards: int, seed: int) -> Order:
    """Return the order in which a run sees the training samples of a release."""
    sizes = tuple(shard.num_samples for shard in shards_of(release, "train"))
    return Order(shard_sizes=sizes, window_shards=shuffle_shards, seed=seed)


def images_at(release: Release, order: Order, positions: range) -> list[str]:
    """Return the SHA-256 of the images that are seen at these positions."""
    shards = shards_of(release, "train")
    places = [order.at(position) for position in positions]
    keys = {shard: read_samples(release, shards[shard]).sha256s for shard in {shard for shard, _ in places}}
    return [keys[shard][row] for shard, row in places]


def times_seen(release: Release, info: CheckpointInfo) -> dict[str, int]:
    """Return for each training image (by SHA-256) how often a checkpoint has seen it.

    Raises `CorpusError` when the checkpoint was trained on another release.
    """
    require_trained_on(info, release)
    order = order_of(release, shuffle_shards=info.config["shuffle_shards"], seed=info.config["seed"])
    return {
        sha256: int(count)
        for shard, counts in zip(shards_of(release, "train"), order.times_seen(info.images_seen), strict=True)
        for sha256, count in zip(read_samples(release, shard).sha256s, counts, strict=True)
    }


class PixelShards:
    """Decoded training pictures of the shards that are in use."""

    def __init__(self, release: Release, *, side_px: int, shards_in_memory: int) -> None:
        self._release, self._side_px = release, side_px
        self._shards = shards_of(release, "train")
        self.shard = lru_cache(maxsize=shards_in_memory)(self._read)

    def _read(self, index: int) -> npt.NDArray[np.uint8]:
        return read_samples(self._release, self._shards[index]).pixels(self._side_px)
