"""What a run goes on from, or starts from, and whether that is what its config says. Loads no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byline.catalog.digests import digest_of
from byline.catalog.errors import CheckpointError
from byline.diffusion.checkpoint import (
    FOLDER,
    INFO,
    CheckpointInfo,
    Segment,
    checkpoint_names,
    newest_info,
    open_checkpoint,
    read_info,
)
from byline.training.config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Start:
    """The checkpoint whose weights a new run starts from."""

    checkpoint: str
    info: CheckpointInfo
    suffix: str
    """What follows the names of its models: `_ema` for averaged weights."""

    def folder(self) -> Path:
        """Return where its files lie on this machine, checked; from a URL they are fetched."""
        return open_checkpoint(self.checkpoint)[0]


def start_of(config: TrainConfig, kind: str) -> Start | None:
    """Return what `init_from` names; None where the config has none. Raises `CheckpointError` for another kind."""
    if config.init_from is None:
        return None
    checkpoint = config.init_from.checkpoint
    names = checkpoint_names(checkpoint)
    checkpoint = f"{checkpoint}/{FOLDER}/{names[-1]}" if names else checkpoint
    info = read_info(checkpoint)
    if info.kind != kind:
        raise CheckpointError(
            f"init_from: {checkpoint} is of kind {info.kind!r}, and this run of kind {kind!r}; name another one"
        )
    return Start(checkpoint=checkpoint, info=info, suffix="_ema" if config.init_from.weights == "averaged" else "")


def resumable(
    config: TrainConfig, release_digest: str, provenance: dict[str, str] | None = None
) -> CheckpointInfo | None:
    """Return what the newest checkpoint of the run that `config` describes says of itself; None when there is none yet.

    Raises `CheckpointError`, one line naming what changed, when it was made by another config, release or component.
    More `images` than it was to see are no other run: it is extended. Nor are phases that have not begun.
    """
    info = newest_info(config.run)
    if info is None:
        return None
    old, new = (_begun(identity, info.images_seen) for identity in (info.config, config.identity()))
    if new["images"] > old["images"]:
        new["images"] = old["images"]
    changes = _changes(old, new)
    changes += _changes({"release": info.release_digest}, {"release": release_digest})
    if provenance is not None:
        changes += _changes(info.provenance, provenance)
    if changes:
        checkpoint = f"{config.run}/{FOLDER}/{info.images_seen:010d}"
        raise CheckpointError(
            f"{checkpoint} was made by another run: {'; '.join(changes)}; undo this, or name a new folder as 'run'"
        )
    return info


def _begun(identity: dict[str, Any], images_seen: int) -> dict[str, Any]:
    """Return what decided the weights so far: no phase that begins later."""
    phases = [phase for phase in identity.get("phases", []) if phase["from_images"] < images_seen]
    return {**identity, "phases": phases}


def segment_of(config: TrainConfig, info: CheckpointInfo | None) -> tuple[Segment, ...]:
    """Return what the run was so far, and is from now on: another entry where its config changed."""
    before = () if info is None else info.segments
    now = Segment(
        from_images=0 if info is None else info.images_seen,
        images=config.images,
        config_digest=digest_of(config.identity()),
    )
    return before if before and before[-1].config_digest == now.config_digest else (*before, now)


def extension(config: TrainConfig, info: CheckpointInfo | None) -> str:
    """Return one line on what it means that a run goes on beyond what it was to see; nothing when it does not."""
    if info is None or info.config["images"] >= config.images:
        return ""
    return (
        f"{config.run} was to see {info.config['images']} images and is extended to {config.images}: from image "
        f"{info.images_seen} on the learning rate is that of a run of {config.images} images ({INFO} keeps both)"
    )


def _changes(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    changes = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            changes += _changes(before, after, f"{prefix}{key}.")
        elif before != after:
            changes.append(f"{prefix}{key} was {_short(before)}, now {_short(after)}")
    return changes


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
