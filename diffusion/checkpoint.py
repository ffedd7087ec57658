"""A trained model on disk, and how to open one.

<run>/checkpoints/<images_seen, 10 digits>/
  byline.json                  what it is and where it comes from; SHA-256 of every other file
  unet/ unet_ema/ vae/         diffusers' layout, safetensors
  scheduler/                   diffusers' layout, JSON
  optimizer.safetensors        for resuming
"""

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from byline.catalog.corpora.manifest import Release
from byline.catalog.digests import digest_of, sha256_of_file
from byline.catalog.errors import CheckpointError, CorpusError
from byline.diffusion.file_kinds import kind_of

INFO = "byline.json"
FOLDER = "checkpoints"
NAME = re.compile(r"[0-9]{10}")
STRAY = re.compile(r"\.DS_Store|\._.*|Thumbs\.db|desktop\.ini")
"""What file managers leave in folders that they showed, and nothing loads."""


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
    one with a file too many, and for one that holds anything but safetensors and JSON, by its bytes.
    """
    folder = Path(path)
    if not (folder / INFO).exists():
        names = checkpoint_names(folder)
        if not names:
            raise CheckpointError(f"no checkpoint in {folder}; make one with: byline train CONFIG")
        folder = folder / FOLDER / names[-1]
    try:
        info = _checked(folder)
    except OSError as error:
        raise CheckpointError(f"cannot read {error.filename or folder}: {error.strerror or error}") from error
    return folder, info


def _checked(folder: Path) -> CheckpointInfo:
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    there = {name for name in there if not STRAY.fullmatch(name.rpartition("/")[2])}
    try:
        info = CheckpointInfo.model_validate_json((folder / INFO).read_bytes())
    except ValidationError as error:
        raise CheckpointError(f"{folder / INFO} is damaged; delete {folder}") from error
    for name in sorted((there - {INFO}) | set(info.files)):
        is_listed, is_other = name in info.files, f"{folder / name} is not what {INFO} says; delete {folder}"
        if is_listed and (name not in there or file_digest(folder / name) != info.files[name]):
            raise CheckpointError(is_other)
        if kind_of(folder / name) is None:
            raise CheckpointError(
                f"{folder / name} is neither safetensors nor JSON by its bytes, and may run code when it is loaded; "
                "delete it"
            )
        if not is_listed:
            raise CheckpointError(is_other)
    return info


def require_trained_on(info: CheckpointInfo, release: Release) -> None:
    """Raise `CorpusError` when a checkpoint was trained on another release than this one."""
    if info.release_digest != release.manifest.digest:
        raise CorpusError(
            f"the checkpoint was trained on release {info.release_digest[:16]}, not on {release.version}; "
            "name that version of the release"
        )


def checkpoint_names(run: Path) -> list[str]:
    """Return the names of a run's complete checkpoints, oldest first."""
    names = (path.parent.name for path in run.glob(f"{FOLDER}/[0-9]*/{INFO}"))
    return sorted(name for name in names if NAME.fullmatch(name))


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return sha256_of_file(file)
