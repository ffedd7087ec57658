"""Latents and token vectors of a release's training samples: measured once, kept as facts of their pack.

    facts/latents/<autoencoder, size>/<pack>.NNN.parquet      by the SHA-256 of the image
    facts/text/<text encoder>/<pack>.NNN.parquet              by the SHA-256 of the caption

Both hold little-endian float16. A release that shares images or captions with an earlier one measures only the others.
"""

# Shapes: N samples, C latent channels, H and W latent height and width, L tokens, D width of a token.

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import numpy as np
import pyarrow as pa
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from byline.catalog.corpora.facts import FactTable, Key, instrument_name
from byline.catalog.corpora.manifest import Release, Shard
from byline.catalog.digests import sha256_hex
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.diffusion.autoencoder import encode
from byline.diffusion.configs import Precision
from byline.diffusion.pixels import RULE, square, to_network
from byline.diffusion.text import TextEncoder
from byline.diffusion.weights import weights_digest
from byline.training.ranks import Ranks
from byline.training.samples import read_samples, shards_of

BATCH = 64
ROWS_PER_SEGMENT = 2048
LATENTS = pa.schema(
    [
        ("sha256", pa.string()),
        ("shape", pa.list_(pa.int32(), 3)),
        ("latents", pa.binary()),
    ]
)
TEXT = pa.schema([("caption_sha256", pa.string()), ("num_tokens", pa.int32()), ("tokens", pa.binary())])


def latent_facts(store: Store, autoencoder: AutoencoderKL, *, side_px: int, precision: Precision) -> FactTable:
    """Return the table of latents by this autoencoder at this size."""
    settings = {
        "weights": weights_digest(autoencoder),
        "side_px": side_px,
        "square": RULE,
        "precision": precision,
    }
    return FactTable(
        store=store,
        measure="latents",
        instrument=instrument_name("autoencoder-kl", str(side_px), settings),
        schema=LATENTS,
    )


def text_facts(store: Store, text_encoder: TextEncoder) -> FactTable:
    """Return the table of token vectors by this text encoder."""
    settings = {"weights": text_encoder.digest, "max_tokens": text_encoder.config.max_tokens}
    return FactTable(
        store=store,
        measure="text",
        instrument=instrument_name("tokens", str(text_encoder.config.max_tokens), settings),
        schema=TEXT,
        key=Key.CAPTION,
    )


@dataclass(frozen=True, kw_only=True)
class Encoders:
    """The two frozen networks and the tables that keep what they give."""

    autoencoder: AutoencoderKL
    text_encoder: TextEncoder
    latents: FactTable
    text: FactTable
    side_px: int
    precision: Precision

    def measure_missing(self, release: Release, ranks: Ranks, advance: Callable[[int], None]) -> int:
        """Encode what the training samples of a release still lack; return how many pictures that were.

        Each rank takes every n-th pack. `advance` is told about samples as they are done. Raises `CorpusError` when
        latents are not finite.
        """
        mine = shards_of_rank(release, ranks)
        return sum(self._measure_shard(release, shard, ranks.device, advance) for shard in mine)

    def _measure_shard(
        self, release: Release, shard: Shard, device: torch.device, advance: Callable[[int], None]
    ) -> int:
        samples = read_samples(release, shard)
        pictures = dict(zip(samples.sha256s, samples.pictures, strict=True))
        captions = {sha256_hex(caption.encode()): caption for caption in samples.captions}
        for keys in _segments(self.text.lacking(shard.pack, captions)):
            vectors = self.text_encoder.encode([captions[key] for key in keys])
            self.text.append(shard.pack, list(map(_text_row, keys, vectors)))
        lacking = self.latents.lacking(shard.pack, pictures)
        advance(len(pictures) - len(lacking))
        for keys in _segments(lacking):
            rows = []
            for start in range(0, len(keys), BATCH):
                batch = keys[start : start + BATCH]
                rows += self._latent_rows(batch, [pictures[key] for key in batch], device)
                advance(len(batch))
            self.latents.append(shard.pack, rows)
        return len(lacking)

    def _latent_rows(self, sha256s: list[str], pictures: list[bytes], device: torch.device) -> list[dict[str, object]]:
        """Encode in a batch of fixed shape, so that equal pictures give equal bits whatever is beside them."""
        pixels_NCHW = np.zeros((BATCH, 3, self.side_px, self.side_px), np.uint8)
        for index, picture in enumerate(pictures):
            pixels_NCHW[index] = square(picture, self.side_px)
        inputs_NCHW = to_network(torch.from_numpy(pixels_NCHW).to(device))
        latents_NCHW = encode(self.autoencoder, inputs_NCHW, self.precision).half().cpu().numpy()
        rows: list[dict[str, object]] = []
        for sha256, latents_CHW in zip(sha256s, latents_NCHW, strict=False):
            if not np.isfinite(latents_CHW).all():
                raise CorpusError(
                    f"the latents of image {sha256} are not finite; the autoencoder is damaged, or "
                    "overflows in float16: use another one"
                )
            rows.append({"sha256": sha256, "shape": latents_CHW.shape, "latents": latents_CHW.tobytes()})
        return rows


@dataclass(frozen=True, kw_only=True)
class EncodedShard:
    """One shard's samples as the network reads them, in key order."""

    latents: Tensor
    """`(N, C, H, W)` float16, as the autoencoder gives them, not scaled."""
    texts: list[Tensor]
    """`(L, D)` float16 each."""


class EncodedShards:
    """Encoded training samples, a few shards at a time."""

    def __init__(self, release: Release, encoders: Encoders, *, shards_in_memory: int) -> None:
        self._release, self._encoders = release, encoders
        self._shards = shards_of(release, "train")
        self.shard = lru_cache(maxsize=shards_in_memory)(self._read)

    def _read(self, index: int) -> EncodedShard:
        shard = self._shards[index]
        samples = read_samples(self._release, shard)
        latents = {
            row["sha256"]: np.frombuffer(row["latents"], "<f2").reshape(row["shape"])
            for row in self._encoders.latents.read(shard.pack).to_pylist()
        }
        texts = {
            row["caption_sha256"]: torch.from_numpy(
                np.frombuffer(row["tokens"], "<f2").reshape(row["num_tokens"], -1).copy()
            )
            for row in self._encoders.text.read(shard.pack).to_pylist()
        }
        return EncodedShard(
            latents=torch.from_numpy(np.stack([latents[key] for key in samples.sha256s])),
            texts=[texts[sha256_hex(caption.encode())] for caption in samples.captions],
        )


def shards_of_rank(release: Release, ranks: Ranks) -> list[Shard]:
    """Return the training shards that a rank encodes: those of every n-th pack, so that each pack has one writer."""
    packs = groupby(shards_of(release, "train"), key=lambda shard: shard.pack)
    return [shard for index, (_, shards) in enumerate(packs) if index % ranks.size == ranks.rank for shard in shards]


def _text_row(key: str, text_LD: Tensor) -> dict[str, object]:
    tokens = text_LD.half().numpy()
    return {"caption_sha256": key, "num_tokens": len(tokens), "tokens": tokens.tobytes()}


def _segments(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), ROWS_PER_SEGMENT):
        yield keys[start : start + ROWS_PER_SEGMENT]
