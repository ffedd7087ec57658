"""Small releases, autoencoders and configs to train on in a second."""

import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from byline.catalog.corpora.manifest import Manifest, Shard, Split, manifest_bytes
from byline.catalog.digests import sha256_hex
from byline.catalog.disk.storage import Store
from byline.catalog.disk.tars import write_tar
from byline.diffusion.autoencoder import build_autoencoder
from byline.diffusion.configs import AutoencoderConfig
from byline.training.config import AutoencoderRun, DiffusionRun
from byline.training.text_encoder_config import TextEncoderRun

SIDE_PX = 16


def a_picture(seed: int, sizes: Sequence[tuple[int, int]] = ((SIDE_PX, SIDE_PX),)) -> bytes:
    """Return a JPEG of smooth colors; the sizes, width and height, take turns."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(coarse).resize(sizes[seed % len(sizes)]).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def a_release(
    corpus: Path,
    *,
    packs: int = 2,
    train: int = 6,
    heldout: int = 2,
    name: str = "tiny",
    sizes: Sequence[tuple[int, int]] = ((SIDE_PX, SIDE_PX),),
) -> str:
    """Write a release of `packs` packs, each with so many samples of each split; return its URL."""
    store, shards = Store(str(corpus)), []
    for pack in range(packs):
        splits: list[tuple[Split, int]] = [("train", train), ("heldout", heldout)]
        for split, size in splits:
            seeds = [1000 * pack + (500 if split == "heldout" else 0) + index for index in range(size)]
            shards.append(_write_shard(store, f"tiny-{pack:05d}", split, seeds, sizes))
    manifest = Manifest(
        name=name,
        policy_digest="0" * 64,
        instruments={},
        shards=tuple(shards),
        counts={},
        reasons={},
        licenses={},
        records={},
        papers={},
    )
    store.write_bytes(f"releases/{name}/v1/manifest.json", manifest_bytes(manifest))
    store.write_bytes(f"releases/{name}/LATEST", b"v1\n")
    return f"{corpus}/releases/{name}"


def _write_shard(store: Store, pack: str, split: Split, seeds: list[int], sizes: Sequence[tuple[int, int]]) -> Shard:
    samples = sorted((sha256_hex(a_picture(seed, sizes)), seed) for seed in seeds)
    members = []
    for sha256, seed in samples:
        facts = {"sha256": sha256, "record_id": f"tiny:{seed}", "title": f"picture {seed}", "creator": "nobody"}
        members += [
            (f"{sha256}.jpg", a_picture(seed, sizes)),
            (f"{sha256}.json", json.dumps(facts).encode()),
            (f"{sha256}.txt", f"picture {seed}".encode()),
        ]
    tar = BytesIO()
    write_tar(tar, members)
    digest = sha256_hex(tar.getvalue())
    name = f"{pack}-{split}-{digest[:16]}.tar"
    store.write_bytes(f"shards/{name}", tar.getvalue())
    size = len(tar.getvalue())
    return Shard(
        name=name, pack=pack, split=split, sha256=digest, table_sha256="", num_samples=len(seeds), num_bytes=size
    )


def an_autoencoder(folder: Path, **overrides: Any) -> str:
    """Save an autoencoder with random weights that halves the side; return its folder."""
    torch.manual_seed(0)
    config = {"block_out_channels": (8, 8), "latent_channels": 4, "norm_num_groups": 4}
    build_autoencoder(AutoencoderConfig(**{**config, **overrides}), side_px=SIDE_PX).save_pretrained(folder)
    return str(folder)


def _shared(release: str, run: Path, **overrides: Any) -> dict[str, Any]:
    machine = {"log_every_images": 4, "save_every_images": 8, **overrides.pop("machine", {})}
    settings = {
        "release": release,
        "run": str(run),
        "resolution_px": SIDE_PX,
        "images": 24,
        "batch_size": 4,
        "streams": 4,
        "ema_half_life_images": 8,
        "optimizer": {"learning_rate": 1e-3},
    }
    return {**settings, **overrides, "machine": machine}


def an_autoencoder_run(release: str, run: Path, **overrides: Any) -> AutoencoderRun:
    """Return a config that trains for six steps."""
    autoencoder = {"block_out_channels": [8, 8], "latent_channels": 4, "norm_num_groups": 4}
    settings = {"kind": "autoencoder", "autoencoder": autoencoder, **_shared(release, run, **overrides)}
    return AutoencoderRun.model_validate(settings)


def a_diffusion_run(release: str, run: Path, autoencoder: str | None, **overrides: Any) -> DiffusionRun:
    """Return a config that trains for six steps."""
    settings = {
        "kind": "diffusion",
        "autoencoder": autoencoder,
        "unet": {"block_out_channels": [8, 8], "norm_num_groups": 4, "attention_head_dim": 2},
        "noise": {},
        **_shared(release, run, **overrides),
    }
    return DiffusionRun.model_validate(settings)


def a_text_encoder_run(release: str, run: Path, **overrides: Any) -> TextEncoderRun:
    """Return a config that trains for six steps."""
    tower = {"hidden_size": 16, "num_layers": 1, "num_attention_heads": 2}
    settings = {
        "kind": "text_encoder",
        "text": {**tower, "max_tokens": 8, "vocab_size": 300},
        "vision": {**tower, "patch_size": 4},
        "projection_dim": 8,
        **_shared(release, run, **overrides),
    }
    return TextEncoderRun.model_validate(settings)
