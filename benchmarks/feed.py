"""The feed of training, beside webdataset's reader: python -m benchmarks.feed [ROUNDS]

Latents and texts of made samples lie on disk as facts; the feed maps what it makes of them. webdataset reads the same
bytes from tars, and decodes nothing.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from byline.catalog.corpora.facts import FactTable, Key
from byline.catalog.corpora.manifest import Manifest, Release, Shard, manifest_bytes, shard_table_path
from byline.catalog.digests import sha256_hex
from byline.catalog.disk.storage import Store
from byline.catalog.disk.tars import write_tar
from byline.diffusion.autoencoder import build_autoencoder
from byline.diffusion.configs import AutoencoderConfig
from byline.training.encoded import NUM_UNIFORM, Encoded
from byline.training.encoded_shards import make_encoded
from byline.training.encoding import LATENTS, ROWS_PER_SEGMENT, TEXT
from byline.training.feed import Batches, Share, Source, read_batches
from byline.training.feed_cache import FeedCache
from byline.training.order import Order
from byline.training.ranks import Ranks
from byline.training.samples import shards_of

BATCH = 256
STREAMS = 8
COLUMNS = [["latents"]]
BASE = ["shape", "latents"]
HELD_OUT_OF_WINDOW = 2
ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Samples of one size."""

    name: str
    latents: tuple[int, int, int]
    tokens: int
    width: int
    target: int

    @property
    def sample_bytes(self) -> int:
        """What a sample has."""
        return 2 * (int(np.prod(self.latents)) + self.tokens * self.width)


KINDS = (
    Kind(name="12 tokens of 384, latents 8x8x8", latents=(8, 8, 8), tokens=12, width=384, target=20_000),
    Kind(name="12 tokens of 384, latents 4x32x32", latents=(4, 32, 32), tokens=12, width=384, target=20_000),
    Kind(name="77 tokens of 1,024, latents 4x32x32", latents=(4, 32, 32), tokens=77, width=1024, target=5_000),
)


def make_release(folder: Path, kind: Kind, *, num_shards: int, per_shard: int, tars: bool) -> Release:
    """Write a release whose samples are names, the facts of their latents and texts, and tars of the same bytes."""
    store, shards, random = Store(str(folder)), [], np.random.default_rng(0)
    for number in range(num_shards):
        pack = f"made-{number:05d}"
        captions = [f"caption {number} {row}" for row in range(per_shard)]
        keys = sorted(sha256_hex(caption.encode()) for caption in captions)
        store.write_table(
            shard_table_path(f"{pack}.tar"), pa.table({"sha256": keys, "caption": captions}, pa.schema(_NAMES))
        )
        for start in range(0, per_shard, ROWS_PER_SEGMENT):
            part = keys[start : start + ROWS_PER_SEGMENT]
            latents = _bytes(random, len(part), 2 * int(np.prod(kind.latents)))
            tokens = _bytes(random, len(part), 2 * kind.tokens * kind.width)
            shapes = pa.array([list(kind.latents)] * len(part), pa.list_(pa.int32(), 3))
            segment = f"{pack}.{start // ROWS_PER_SEGMENT:03d}.parquet"
            columns = {"sha256": pa.array(part), "shape": shapes, "latents": latents}
            store.write_table(f"{_facts(store)[0].folder}/{segment}", pa.table(columns))
            lengths = pa.array([kind.tokens] * len(part), pa.int32())
            texts = {"caption_sha256": pa.array(part), "num_tokens": lengths, "tokens": tokens}
            store.write_table(f"{_facts(store)[1].folder}/{segment}", pa.table(texts))
            if tars:
                _write_tar(folder / f"{segment}.tar", part, latents, tokens)
        shards.append(
            Shard(
                name=f"{pack}.tar",
                pack=pack,
                split="train",
                sha256="",
                table_sha256="",
                num_samples=per_shard,
                num_bytes=0,
            )
        )
    manifest = Manifest(
        name="made", policy_digest="", instruments={}, shards=tuple(shards), counts={}, reasons={}, licenses={},
        records={}, papers={},
    )  # fmt: skip
    store.write_bytes("releases/made/v1/manifest.json", manifest_bytes(manifest))
    return Release(f"{folder}/releases/made/v1")


_NAMES = [("sha256", pa.string()), ("caption", pa.string())]


def _bytes(random: np.random.Generator, number: int, size: int) -> pa.Array:
    halves = random.standard_normal((number, size // 2), np.float32).astype(np.float16)
    return pa.array([row.tobytes() for row in halves], pa.binary())


def _write_tar(path: Path, keys: list[str], latents: pa.Array, tokens: pa.Array) -> None:
    tar = BytesIO()
    parts = zip(keys, latents.to_pylist(), tokens.to_pylist(), strict=True)
    write_tar(tar, [member for key, one, two in parts for member in ((f"{key}.latents", one), (f"{key}.tokens", two))])
    path.write_bytes(tar.getvalue())


def _facts(store: Store) -> tuple[FactTable, FactTable]:
    schema = pa.schema([*LATENTS, ("latents", pa.binary())])
    return (
        FactTable(store=store, measure="latents", instrument="made", schema=schema),
        FactTable(store=store, measure="text", instrument="made", schema=TEXT, key=Key.CAPTION),
    )


def open_feed(release: Release, kind: Kind, cache: Path, *, max_bytes: float, window: int) -> Batches:
    """Return the batches of one rank of one."""
    shards, (latents, text) = shards_of(release, "train"), _facts(release.store)
    order = Order(
        shard_sizes=tuple(shard.num_samples for shard in shards), streams=STREAMS, window_samples=window, seed=0
    )
    channels, side, _ = kind.latents
    encoded = Encoded(
        autoencoder=build_autoencoder(
            AutoencoderConfig(block_out_channels=(8,), latent_channels=channels), side_px=side
        ),
        no_text=np.zeros((2, kind.width), np.float16),
        caption_drop_prob=0.1,
        flip_prob=0.0,
        max_tokens=77,
        num_train_timesteps=1000,
        device=torch.device("cpu"),
    )
    source = Source(
        cache=FeedCache(
            cache,
            max_bytes=max_bytes,
            names=[shard.pack for shard in shards],
            make=lambda shard, new: make_encoded(release, shards[shard], latents, text, COLUMNS, new),
        ),
        gather=encoded.gather,
        sample_bytes=kind.sample_bytes,
        num_uniform=NUM_UNIFORM,
        normal_shape=(1, *kind.latents),
    )
    ranks = Ranks(rank=0, size=1, device=torch.device("cpu"))
    return read_batches(Share(order=order, batch_size=BATCH, ranks=ranks), source, 0, 1)
