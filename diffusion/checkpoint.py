"""A trained model on disk, and how to open one.

<run>/checkpoints/<images_seen, 10 digits>/
  byline.json                  what it is and where it comes from; SHA-256 of every other file
  unet/ unet_ema/ vae/         diffusers' layout, safetensors
  scheduler/                   diffusers' layout, JSON
  optimizer/                   safetensors, for resuming
"""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from byline.catalog.corpora.manifest import Release
from byline.catalog.digests import digest_of
from byline.catalog.errors import CheckpointError, CorpusError

INFO = "byline.json"
FOLDER = "checkpoints"


class CheckpointInfo(BaseModel, frozen=True, extra="forbid"):
    """What `byline.json` says. Its digest names the checkpoint."""

    kind: Literal["autoencoder", "diffusion"]
    images_seen: int = Field(ge=0)
    config: dict[str, Any]
    """What the run was asked to do, without what cannot change the weights."""
    release_digest: str
    """Of the manifest of the release whose samples it saw."""
    provenance: dict[str, str]
    """Component -> SHA-256 of its weights: what was used and not trained here."""
    files: dict[str, str]
    """Path in the checkpoint -> SHA-256."""

    @property
    def digest(self) -> str:
        """SHA-256 over all of the above, and so over every byte of the checkpoint."""
        return digest_of(self)


def open_checkpoint(path: str | Path) -> tuple[Path, CheckpointInfo]:
    """Return the folder and the description of a checkpoint, or of the newest one of a run folder.

    Every file is checked against its SHA-256. Raises `CheckpointError` for a missing, damaged or incomplete one, for
    one with a file too many, and for one that holds a pickle.
    """
    from byline.diffusion.weights import refuse_pickles  # loads torch, which descriptions do not need

    folder = Path(path)
    if not (folder / INFO).exists():
        names = checkpoint_names(folder)
        if not names:
            raise CheckpointError(f"no checkpoint in {folder}; make one with: byline train CONFIG")
        folder = folder / FOLDER / names[-1]
    refuse_pickles(folder)
    try:
        info = CheckpointInfo.model_validate_json((folder / INFO).read_bytes())
    except (OSError, ValidationError) as error:
        raise CheckpointError(f"{folder / INFO} is damaged; delete {folder}") from error
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()} - {INFO}
    for name in sorted(there | set(info.files)):
        if name not in there or file_digest(folder / name) != info.files.get(name):
            raise CheckpointError(f"{folder / name} is not what {INFO} says; delete {folder}")
    return folder, info


def require_trained_on(info: CheckpointInfo, release: Release) -> None:
    """Raise `CorpusError` when a checkpoint was trained on another release than this one."""
    if info.release_digest != release.manifest.digest:
        raise CorpusError(
            f"the checkpoint was trained on release {info.release_digest[:16]}, not on {release.version}; "
            "name that version of the release"
        )


def checkpoint_names(run: Path) -> list[str]:
    """Return the names of a run's complete checkpoints, oldest first."""
    return sorted(path.parent.name for path in run.glob(f"{FOLDER}/[0-9]*/{INFO}"))


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
