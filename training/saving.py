"""Write one checkpoint, whole or not at all, to a folder or under a URL."""

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from byline.catalog.digests import canonical_json
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CheckpointError, StorageError
from byline.diffusion.checkpoint import (
    FOLDER,
    INFO,
    OPTIMIZER,
    CheckpointInfo,
    checkpoint_names,
    file_digest,
    read_info,
)
from byline.diffusion.weights import save_tensors
from byline.training.places import working_folder

PARTIAL = ".partial-"
LOGS = "*.jsonl"
OWNER = "owner"
"""A word that the process that began last has left under the run's URL, and in its folder on its machine."""
SHOWN = ("run.json", "samples/*.png")
"""What of a run's folder goes to a URL with a checkpoint, beside the logs; no run reads it."""


@dataclass(frozen=True, kw_only=True)
class State:
    """What is saved: copies in host memory, which nothing changes any longer."""

    trained: Mapping[str, Any]
    """Models without weights, by name; they are given theirs one after the other."""
    frozen: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    averages: Mapping[str, Tensor]
    optimizer: dict[str, Tensor]
    finish: Callable[[dict[str, Any]], None]
    """`Task.finish`."""


def take_over(run: str) -> None:
    """Begin a run. A folder is locked, and a URL cannot be: there whoever began before ends at its next save."""
    store = Store(run)
    if not store.is_local:
        word = secrets.token_hex(16)
        folder = working_folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / OWNER).write_text(word)
        store.write_bytes(OWNER, word.encode())


def _require_ours(run: str) -> None:
    store = Store(run)
    if not store.is_local and store.read_bytes(OWNER).decode() != (working_folder(run) / OWNER).read_text():
        raise CheckpointError(
            f"{run} was begun by another process since, which goes on with it; this one ends, and writes nothing more"
        )


def save_checkpoint(run: str, state: State, info: CheckpointInfo, *, keep: int) -> None:
    """Write a checkpoint, whose description is `info` and its files, and delete the oldest beyond `keep`.

    Raises `CheckpointError`, one line, when it cannot be written; what was there before is there still.
    """
    name = f"{info.images_seen:010d}"
    partial = working_folder(run) / FOLDER / f"{PARTIAL}{name}"
    try:
        _require_ours(run)
        partial.mkdir(parents=True, exist_ok=True)
        _save_models(partial, state)
        save_tensors(partial / OPTIMIZER, state.optimizer)
        _describe(partial, info)
        store = Store(run)
        if store.is_local:
            _rename(partial, partial.parent / name)
        else:
            _upload(store, partial, name)
        _prune(run, keep)
    except (OSError, SafetensorError, StorageError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        kept = checkpoint_names(run) if Store(run).is_local else []
        last = f"; {run}/{FOLDER}/{kept[-1]} is the last one" if kept else ""
        raise CheckpointError(
            f"cannot write the checkpoint of {info.images_seen} images: {_why(error)}{last}; "
            "make room and run the same command to go on"
        ) from error


def _why(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return reason or str(error).splitlines()[0]


def _save_models(folder: Path, state: State) -> None:
    for suffix, tensors in (("", state.weights), ("_ema", state.averages)):
        for name, model in state.trained.items():
            prefix = f"{name}."
            own = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
            model.load_state_dict(own, assign=True)
        state.finish(dict(state.trained))
        for name, model in state.trained.items():
            model.save_pretrained(folder / f"{name}{suffix}", safe_serialization=True)
    for name, model in state.frozen.items():
        model.save_pretrained(folder / name, safe_serialization=True)


def _describe(folder: Path, info: CheckpointInfo) -> None:
    """Add the description, and make sure that all is on the disk."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != INFO)
    digests = {path.relative_to(folder).as_posix(): file_digest(path) for path in files}
    described = info.model_copy(update={"files": digests})
    (folder / INFO).write_bytes(canonical_json(described.model_dump(mode="json")) + b"\n")
    for path in (*files, folder / INFO):
        path.chmod(0o644)  # safetensors makes them readable by the owner only
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _rename(partial: Path, folder: Path) -> None:
    if folder.exists():  # without its description, or it would have been resumed
        shutil.rmtree(folder)
    partial.rename(folder)


def _upload(store: Store, partial: Path, name: str) -> None:
    folder = partial.parents[1]
    for file in sorted(file for pattern in (LOGS, *SHOWN) for file in folder.glob(pattern)):
        store.upload(file, file.relative_to(folder).as_posix())
    files = sorted(path for path in partial.rglob("*") if path.is_file() and path != partial / INFO)
    for path in (*files, partial / INFO):  # the description last: with it the checkpoint is there
        store.upload(path, f"{FOLDER}/{name}/{path.relative_to(partial).as_posix()}")
    shutil.rmtree(partial)


def _prune(run: str, keep: int) -> None:
    store = Store(run)
    for name in checkpoint_names(run)[:-keep]:
        if store.is_local:
            folder = Path(run) / FOLDER / name
            doomed = folder.with_name(f"{PARTIAL}{name}")
            folder.rename(doomed)
            shutil.rmtree(doomed)
        else:
            info = read_info(f"{run}/{FOLDER}/{name}")
            for file in (INFO, *info.files):  # the description first: without it there is no checkpoint
                store.remove(f"{FOLDER}/{name}/{file}")


def remove_partial(run: str) -> None:
    """Delete what a killed run left half written on this machine."""
    for path in (working_folder(run) / FOLDER).glob(f"{PARTIAL}*"):
        shutil.rmtree(path, ignore_errors=True)


def fetch_logs(run: str) -> None:
    """Bring the logs of a run under a URL to its folder on this machine, as they were saved last."""
    store, folder = Store(run), working_folder(run)
    if store.is_local:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(LOGS):
        stale.unlink()
    for name in store.files("", suffix=LOGS[1:]):
        with suppress(FileNotFoundError):
            store.download(name, folder / name)
