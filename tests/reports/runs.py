"""Runs as their folders tell them, small and without training."""

from pathlib import Path
from typing import Any

from PIL import Image

from byline.catalog.digests import canonical_json
from byline.diffusion.checkpoint import CheckpointInfo
from byline.training.log import LOG, VALIDATION, LogEntry, ValidationEntry, append_log
from byline.training.run_file import RunFile


def an_entry(images_seen: int, **overrides: Any) -> LogEntry:
    """Return an entry of a log."""
    fields = {"loss": 0.5, "lr": 1e-3, "images_per_s": 10.0, "grad_norm": 0.3, "wait_ms": 2.0, "wait_max_ms": 9.0}
    waits = {"waits": (1, 2, 1, 0, 0, 0, 0, 0), "memory_bytes": 2 << 30}
    return LogEntry(images_seen=images_seen, **{**fields, **waits, **overrides})


def a_validation(images_seen: int, levels: tuple[float, ...] = (0.9, 0.2), of: str = "a" * 64) -> ValidationEntry:
    """Return an entry of what is held out."""
    mean = sum(levels) / len(levels)
    return ValidationEntry(images_seen=images_seen, of=of, num_images=3, loss=mean, levels=levels)


def an_about(**overrides: Any) -> RunFile:
    """Return what a run says of itself."""
    config = {"kind": "diffusion", "run": "elsewhere", "images": 96, "seed": 0, "optimizer": {"learning_rate": 1e-3}}
    release = {"release_name": "tiny", "release_version": "v1", "release_digest": "f" * 64}
    counts = {"num_train": 16, "num_heldout": 3, "num_ranks": 2, "device": "cpu"}
    return RunFile(**{"config": {**config, **overrides.pop("config", {})}, **release, **counts, **overrides})


def a_run(folder: Path, *, losses: tuple[float, ...] = (1.0, 0.5, 0.25), about: RunFile | None = None) -> str:
    """Write a run that logged these losses, measured twice and drew once; return its folder."""
    (about or an_about()).write(folder)
    for number, loss in enumerate(losses, 1):
        append_log(folder / LOG, an_entry(32 * number, loss=loss))
    for images_seen in (32, 64):
        append_log(folder / VALIDATION, a_validation(images_seen, (0.9, 32 / images_seen)))
    (folder / "samples").mkdir()
    Image.new("RGB", (40, 30), "red").save(folder / "samples/0000000064.png")
    return str(folder)


def a_checkpoint(folder: Path, images_seen: int = 96) -> CheckpointInfo:
    """Write the description of a checkpoint, and nothing else of it."""
    info = CheckpointInfo(
        kind="diffusion",
        images_seen=images_seen,
        config={"seed": 0, "images": 96},
        release_digest="f" * 64,
        provenance={},
        files={},
    )
    place = folder / "checkpoints" / f"{images_seen:010d}"
    place.mkdir(parents=True)
    (place / "byline.json").write_bytes(canonical_json(info.model_dump(mode="json")))
    return info
