"""A release whose samples are random latents and texts, as facts on disk, and as tars of the same bytes."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa

from byline.catalog.corpora.facts import FactTable, Key
from byline.catalog.corpora.manifest import Manifest, Release, Shard, manifest_bytes, shard_table_path
from byline.catalog.digests import sha256_hex
from byline.catalog.disk.storage import Store
from byline.catalog.disk.tars import write_tar
from byline.training.encoding import LATENTS, ROWS_PER_SEGMENT, TEXT


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
            store.write_table(f"{facts_of(store)[0].folder}/{segment}", pa.table(columns))
            lengths = pa.array([kind.tokens] * len(part), pa.int32())
            texts = {"caption_sha256": pa.array(part), "num_tokens": lengths, "tokens": tokens}
            store.write_table(f"{facts_of(store)[1].folder}/{segment}", pa.table(texts))
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
    write_tar(
        tar,
        [
            member
            for key, latent_bytes, token_bytes in parts
            for member in ((f"{key}.latents", latent_bytes), (f"{key}.tokens", token_bytes))
        ],
    )
    path.write_bytes(tar.getvalue())


def facts_of(store: Store) -> tuple[FactTable, FactTable]:
    schema = pa.schema([*LATENTS, ("latents", pa.binary())])
    return (
        FactTable(store=store, measure="latents", instrument="made", schema=schema),
        FactTable(store=store, measure="text", instrument="made", schema=TEXT, key=Key.CAPTION),
    )
