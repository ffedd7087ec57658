"""Latents and token vectors of a release's training samples: measured once, kept as facts of their pack.

    facts/latents/<autoencoder, size>/<pack>.NNN.parquet      by the SHA-256 of the image
    facts/text/<text encoder>/<pack>.NNN.parquet              by the SHA-256 of the caption

Both hold little-endian float16. A release that shares images or captions with an earlier one measures only the others.
"""

# Shapes: N samples, C latent channels, H and W latent height and width, L tokens, D width of a token.

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby, islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from byline.catalog.corpora.facts import FactTable, Key, instrument_name
from byline.catalog.corpora.manifest import Release, Shard
from byline.catalog.digests import sha256_hex
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.diffusion.autoencoder import autocast
from byline.diffusion.configs import Precision
from byline.diffusion.pixel_space import PixelSpace
from byline.diffusion.pixels import RULE, SHAPED_RULE, to_network
from byline.diffusion.text import TextEncoder
from byline.diffusion.weights import weights_digest
from byline.training.buckets import Buckets, Shape
from byline.training.decoded import Bytes, decode
from byline.training.ranks import Ranks
from byline.training.read_ahead import ReadAhead
from byline.training.samples import read_names, read_samples, read_sizes, shards_of

BATCH = 64
ROWS_PER_SEGMENT = 2048
DECODED_BYTES = 2**28
"""The most that pictures take that are decoded and not encoded yet."""
LATENTS = pa.schema([("sha256", pa.string()), ("shape", pa.list_(pa.int32(), 3))])
"""Columns of latents that are there always; each part of each view of a picture has a column of bytes beside them."""
TEXT = pa.schema([("caption_sha256", pa.string()), ("num_tokens", pa.int32()), ("tokens", pa.binary())])


@dataclass(frozen=True, kw_only=True)
class Views:
    """What is kept of the latents of a picture."""

    spread: bool = False
    """Their standard deviation too, so that each epoch can sample."""
    mirrored: bool = False
    """Those of the mirrored picture too."""

    @property
    def columns(self) -> list[list[str]]:
        """The columns of each view: its mean, and its spread if that is kept."""
        views = ["", "mirrored_"] if self.mirrored else [""]
        return [[f"{view}latents", f"{view}spread"] if self.spread else [f"{view}latents"] for view in views]


def latent_facts(
    store: Store,
    autoencoder: AutoencoderKL,
    *,
    side_px: int,
    precision: Precision,
    views: Views,
    buckets: Buckets | None = None,
) -> FactTable:
    """Return the table of latents by this autoencoder at this size, or in these shapes around it."""
    settings: dict[str, object] = {
        "weights": weights_digest(autoencoder),
        "side_px": side_px,
        "square": RULE,
        "precision": precision,
    }
    if buckets is not None:
        del settings["square"]
        settings |= {"shaped": SHAPED_RULE, "shapes_px": buckets.shapes_px}
    columns = [column for view in views.columns for column in view]
    if len(columns) > 1:
        settings["columns"] = columns
    return FactTable(
        store=store,
        measure="latents",
        instrument=instrument_name("autoencoder-kl", str(side_px), settings),
        schema=pa.schema([*LATENTS, *((column, pa.binary()) for column in columns)]),
    )


def text_facts(store: Store, text_encoder: TextEncoder) -> FactTable:
    """Return the table of token vectors by this text encoder."""
    settings = {"weights": text_encoder.digest, "max_tokens": text_encoder.config.max_tokens, "padding": "encoded"}
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

    autoencoder: AutoencoderKL | PixelSpace
    text_encoder: TextEncoder
    latents: FactTable | None
    """None of a model of pixels: they are decoded where they are read."""
    text: FactTable
    views: Views
    side_px: int
    precision: Precision
    buckets: Buckets | None = None
    """The shapes of pictures; None where all are squares."""

    def measure_missing(self, release: Release, ranks: Ranks, advance: Callable[[int], None]) -> int:
        """Encode what the training samples of a release still lack; return how many pictures that were.

        Each rank takes every n-th pack. `advance` is told about samples as they are done. Raises `CorpusError` when
        latents are not finite.
        """
        own_shards = shards_of_rank(release, ranks)
        return sum(self._measure_shard(release, shard, ranks.device, advance) for shard in own_shards)

    def _measure_shard(
        self, release: Release, shard: Shard, device: torch.device, advance: Callable[[int], None]
    ) -> int:
        names = read_names(release, shard)
        captions = {sha256_hex(caption.encode()): caption for of_sample in names.weighted for caption in of_sample}
        for keys in _segments(self.text.lacking(shard.pack, captions)):
            vectors = self.text_encoder.encode([captions[key] for key in keys])
            self.text.append(shard.pack, list(map(_text_row, keys, vectors)))
        lacking = [] if self.latents is None else self.latents.lacking(shard.pack, names.sha256s)
        advance(len(names.sha256s) - len(lacking))
        if lacking:
            samples = read_samples(release, shard)
            pictures = dict(zip(samples.sha256s, samples.pictures, strict=True))
            shapes = self._shapes(release, shard, samples.sha256s)
            for keys in _segments(lacking):
                by_shape: dict[Shape, dict[str, bytes]] = {}
                for key in keys:
                    by_shape.setdefault(shapes[key], {})[key] = pictures[key]
                self._measure_pictures(shard.pack, by_shape, device, advance)
        return len(lacking)

    def _shapes(self, release: Release, shard: Shard, sha256s: tuple[str, ...]) -> dict[str, Shape]:
        """Return what each picture is cropped to."""
        if self.buckets is None:
            return dict.fromkeys(sha256s, (self.side_px, self.side_px))
        nearest = self.buckets.nearest(read_sizes(release, shard)).tolist()
        return {sha256: self.buckets.shapes_px[bucket] for sha256, bucket in zip(sha256s, nearest, strict=True)}

    def _measure_pictures(
        self,
        pack: str,
        by_shape: dict[Shape, dict[str, bytes]],
        device: torch.device,
        advance: Callable[[int], None],
    ) -> None:
        assert self.latents is not None
        rows: list[dict[str, object]] = []
        decoded = ReadAhead(_batches(by_shape), size=_num_bytes, max_bytes=DECODED_BYTES)
        with closing(decoded):
            for sha256s, pixels_NCHW in decoded:
                rows += self._latent_rows(sha256s, pixels_NCHW, device)
                advance(len(sha256s))
        self.latents.append(pack, rows)

    def _latent_rows(self, sha256s: list[str], pixels_NCHW: Bytes, device: torch.device) -> list[dict[str, object]]:
        """Encode in a batch of fixed shape, so that equal pictures give equal bits whatever is beside them."""
        columns: dict[str, npt.NDArray[np.float16]] = {}
        pixels = torch.from_numpy(pixels_NCHW).to(device)
        for view, names in zip((pixels, pixels.flip(-1)), self.views.columns, strict=False):
            with torch.no_grad(), autocast(device, self.precision):
                posterior = self.autoencoder.encode(to_network(view)).latent_dist
            parts = (posterior.mean, posterior.std)
            columns |= {name: part.half().cpu().numpy() for name, part in zip(names, parts, strict=False)}
        rows: list[dict[str, object]] = []
        for number, sha256 in enumerate(sha256s):
            of_row = {name: column[number] for name, column in columns.items()}
            if not all(np.isfinite(part).all() for part in of_row.values()):
                raise CorpusError(
                    f"the latents of image {sha256} are not finite; the autoencoder is damaged, or "
                    "overflows in float16: use another one"
                )
            shape = next(iter(of_row.values())).shape
            rows.append({"sha256": sha256, "shape": shape, **{name: part.tobytes() for name, part in of_row.items()}})
        return rows


def _num_bytes(batch: tuple[list[str], Bytes]) -> int:
    return batch[1].nbytes


def _batches(by_shape: dict[Shape, dict[str, bytes]]) -> Generator[tuple[list[str], Bytes], None, None]:
    """Yield pictures by their digests, decoded, in batches of one shape; the last one of each ends with black."""
    for shape_px, pictures in by_shape.items():
        pixels, keys = decode(tuple(pictures.values()), shape_px), iter(pictures)
        while sha256s := list(islice(keys, BATCH)):
            pixels_NCHW = np.zeros((BATCH, 3, *shape_px), np.uint8)
            for row, picture in enumerate(islice(pixels, len(sha256s))):
                pixels_NCHW[row] = picture
            yield sha256s, pixels_NCHW


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
