"""A trained model on a disk or an object store, and how to open one.

<run>/checkpoints/<images_seen, 10 digits>/
  byline.json                  what it is and where it comes from; SHA-256 of every other file
  unet/ unet_ema/ vae/         diffusers' layout, safetensors
  scheduler/                   diffusers' layout, JSON
  text_encoder/ tokenizer/     transformers' layout: of a text encoder that byline trained
  parts/                       whose the models are that it uses and did not train
  optimizer.safetensors        for resuming, by any number of ranks
"""

import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator

from byline.catalog.corpora.manifest import Release
from byline.catalog.digests import digest_of, sha256_of_file
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CheckpointError, CorpusError, StorageError
from byline.diffusion.fetched import fetched
from byline.diffusion.file_kinds import could_be_loaded, kind_of

INFO = "byline.json"
FOLDER = "checkpoints"
OPTIMIZER = "optimizer.safetensors"
Kind = Literal["autoencoder", "diffusion", "text_encoder"]
"""What a run can train."""
NAME = re.compile(r"[0-9]{10}")
STRAY = re.compile(r"\.DS_Store|\._.*|Thumbs\.db|desktop\.ini")
"""What file managers leave in folders that they showed, and nothing loads."""


class Ancestor(BaseModel, frozen=True, extra="forbid"):
    """A checkpoint that a run started from: what it had seen counts for the run too."""

    digest: str
    images_seen: int = Field(ge=0)
    config: dict[str, Any]
    release_digest: str


class Segment(BaseModel, frozen=True, extra="forbid"):
    """A part of a run that was trained by one config."""

    from_images: int = Field(ge=0)
    images: int = Field(ge=1)
    """How far the run was to go then."""
    config_digest: str


class CheckpointInfo(BaseModel, frozen=True, extra="forbid"):
    """What `byline.json` says. Its digest names the checkpoint."""

    kind: Kind
    images_seen: int = Field(ge=0)
    config: dict[str, Any]
    """What the run was asked to do, without what cannot change the weights."""
    release_digest: str
    """The digest of the manifest of the release whose samples it saw."""
    provenance: dict[str, str]
    """Component -> SHA-256 of its weights: what was used and not trained here."""
    files: dict[str, str]
    """Path in the checkpoint -> SHA-256."""
    segments: tuple[Segment, ...] = ()
    """What the run was, oldest first; more than one when it was extended."""
    ancestors: tuple[Ancestor, ...] = ()
    """What it started from, oldest first."""

    @field_validator("files")
    @classmethod
    def _inside(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise ValueError(f"{name!r} lies outside of the checkpoint")
        return files

    @property
    def resolution_px(self) -> int:
        """The side of the pictures that it was trained on last, in pixels."""
        begun = [phase for phase in self.config.get("phases", []) if phase["from_images"] < self.images_seen]
        sides = [phase["resolution_px"] for phase in begun if phase["resolution_px"] is not None]
        return int([self.config["resolution_px"], *sides][-1])

    @property
    def digest(self) -> str:
        """SHA-256 over all of the above, and so over every byte of the checkpoint."""
        return digest_of(self)

    @property
    def lineage(self) -> tuple[Ancestor, ...]:
        """Everything that the weights have seen, oldest first: the ancestors, and this run."""
        seen = Ancestor(
            digest=self.digest,
            images_seen=self.images_seen,
            config=self.config,
            release_digest=self.release_digest,
        )
        return (*self.ancestors, seen)


class DamagedCheckpointError(CheckpointError):
    """A checkpoint lacks what it should have, or has other bytes; the message does not say yet what to do."""


def open_checkpoint(path: str | Path, *, for_resuming: bool = False) -> tuple[Path, CheckpointInfo]:
    """Return the folder and the description of a checkpoint, or of the newest one of a run, both a folder or a URL.

    Every file is checked against its SHA-256; from a URL they are fetched first, without the optimizer's unless it is
    `for_resuming`. Raises `CheckpointError` for a missing, damaged or incomplete one, which names an older one that is
    whole, and for one that holds anything but safetensors and JSON, by its bytes. A file too many is refused if it
    could be loaded in place of ours; any other one is named on standard error, and left.
    """
    root = str(path).rstrip("/")
    if Store(root).exists(INFO):
        try:
            return _opened(root, "", for_resuming=for_resuming)
        except DamagedCheckpointError as error:
            raise CheckpointError(f"{error}; use another one") from error
    names = checkpoint_names(root)
    if not names:
        raise CheckpointError(f"no checkpoint in {root}; make one with: byline train CONFIG")
    _refuse_undescribed(root, names)
    try:
        return _opened(root, f"{FOLDER}/{names[-1]}", for_resuming=for_resuming)
    except DamagedCheckpointError as error:
        raise CheckpointError(f"{error}; {_way_back(root, names)}") from error


def _opened(root: str, name: str, *, for_resuming: bool) -> tuple[Path, CheckpointInfo]:
    info, store = read_info(f"{root}/{name}" if name else root), Store(root)
    if store.is_local:
        folder, wanted = Path(root) / name, dict(info.files)
    else:
        wanted = {file: sha256 for file, sha256 in info.files.items() if for_resuming or file != OPTIMIZER}
        folder = fetched(store, name, info.digest, wanted)
    try:
        _check(folder, wanted, info)
    except OSError as error:
        raise CheckpointError(f"cannot read {error.filename or folder}: {error.strerror or error}") from error
    return folder, info


def read_info(checkpoint: str) -> CheckpointInfo:
    """Return what a checkpoint, a folder or a URL, says of itself. None of its other files is looked at."""
    try:
        return CheckpointInfo.model_validate_json(Store(checkpoint).read_bytes(INFO))
    except ValidationError as error:
        raise DamagedCheckpointError(f"{checkpoint}/{INFO} is damaged") from error
    except StorageError as error:
        raise CheckpointError(str(error)) from error


def newest_info(run: str) -> CheckpointInfo | None:
    """Return what the newest checkpoint of a run says of itself; None when there is none."""
    names = checkpoint_names(run)
    try:
        return read_info(f"{run}/{FOLDER}/{names[-1]}") if names else None
    except DamagedCheckpointError as error:
        raise CheckpointError(f"{error}; {_way_back(run, names)}") from error


def _check(folder: Path, wanted: dict[str, str], info: CheckpointInfo) -> None:
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    there = {name for name in there if not STRAY.fullmatch(name.rpartition("/")[2])}
    for name, sha256 in sorted(wanted.items()):
        if name not in there or file_digest(folder / name) != sha256:
            raise DamagedCheckpointError(f"{folder / name} is not what {INFO} says")
        if kind_of(folder / name) is None:
            raise CheckpointError(
                f"{folder / name} is neither safetensors nor JSON by its bytes, and may run code when it is loaded; "
                f"do not use {folder}"
            )
    for name in sorted(there - {INFO} - set(info.files)):
        if could_be_loaded(folder / name):
            raise CheckpointError(
                f"{folder / name} is no part of the checkpoint, and could be loaded in place of what is: "
                "move that file elsewhere; the checkpoint is whole"
            )
        print(f"byline: {folder / name} is no part of the checkpoint, and is left as it is", file=sys.stderr)


def _refuse_undescribed(root: str, names: list[str]) -> None:
    """Raise `CheckpointError` for a folder newer than all checkpoints that has lost its description.

    On an object store that is what a killed upload leaves, and says nothing.
    """
    store = Store(root)
    newest = max((name for name in store.folders(FOLDER) if NAME.fullmatch(name)), default="")
    if store.is_local and newest > names[-1]:
        raise CheckpointError(f"{root}/{FOLDER}/{newest} has no {INFO}; {_way_back(root, [*names, newest])}")


def _way_back(root: str, names: list[str]) -> str:
    """Return what to do about the last of these checkpoints, which is damaged."""
    damaged = f"{root}/{FOLDER}/{names[-1]}"
    for name in reversed(names[:-1]):
        try:
            _, info = _opened(root, f"{FOLDER}/{name}", for_resuming=True)
        except CheckpointError:
            continue
        whole = f"{root}/{FOLDER}/{name}, which is whole, with {info.images_seen} images"
        return f"to go back to {whole}, move {damaged} elsewhere"
    return f"no older one is whole; to start again, move {damaged} elsewhere"


def require_trained_on(info: CheckpointInfo, release: Release) -> None:
    """Raise `CorpusError` when a checkpoint was trained on another release than this one."""
    if info.release_digest != release.manifest.digest:
        raise CorpusError(
            f"the checkpoint was trained on release {info.release_digest[:16]}, not on {release.version}; "
            "name that version of the release"
        )


def checkpoint_names(run: str | Path) -> list[str]:
    """Return the names of the complete checkpoints of a run, a folder or a URL, oldest first."""
    store = Store(str(run).rstrip("/"))
    names = (name for name in store.folders(FOLDER) if NAME.fullmatch(name))
    return sorted(name for name in names if store.exists(f"{FOLDER}/{name}/{INFO}"))


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return sha256_of_file(file)
