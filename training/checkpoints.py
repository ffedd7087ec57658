"""Write a checkpoint whole or not at all, and go on from one. `diffusion.checkpoint` says what is in it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from byline.catalog.digests import canonical_json
from byline.catalog.errors import CheckpointError
from byline.diffusion.checkpoint import (
    FOLDER,
    INFO,
    CheckpointInfo,
    checkpoint_names,
    file_digest,
    open_checkpoint,
)
from byline.diffusion.weights import load_tensors, save_tensors
from byline.training.config import TrainConfig
from byline.training.ema import WeightAverage
from byline.training.engine import Engine
from byline.training.ranks import Ranks
from byline.training.state import optimizer_state, restore_optimizer, weights_of
from byline.training.task import Task

WEIGHTS = "diffusion_pytorch_model.safetensors"
OPTIMIZER = "optimizer.safetensors"
PARTIAL = ".partial-"


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The checkpoints of one run. Every rank makes one and calls every method."""

    config: TrainConfig
    release_digest: str
    task: Task
    ranks: Ranks

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return Path(self.config.run) / FOLDER

    def remove_partial(self) -> None:
        """Delete what a killed run left half written."""
        if self.ranks.is_first:
            for path in self.folder.glob(f"{PARTIAL}*"):
                shutil.rmtree(path, ignore_errors=True)
        self.ranks.barrier()

    def restore_weights(self) -> int:
        """Load the newest checkpoint's weights; return its `images_seen`, 0 when there is none.

        Call it before the engine takes the network. Raises `CheckpointError` when the run was another one.
        """
        info = resumable(self.config, self.release_digest, self.task.provenance)
        if info is None:
            return 0
        folder = self.folder / _name(info.images_seen)
        for name in self.task.trained_models():
            _load_weights(getattr(self.task.network, name), folder / name / WEIGHTS)
        return info.images_seen

    def restore_state(self, engine: Engine, average: WeightAverage, images_seen: int) -> None:
        """Load optimizer state and average of the checkpoint that `restore_weights` took."""
        if images_seen:
            folder = self.folder / _name(images_seen)
            restore_optimizer(engine, load_tensors(folder / OPTIMIZER), folder / OPTIMIZER)
            averages = {name: load_tensors(folder / f"{name}_ema" / WEIGHTS) for name in self.task.trained_models()}
            average.restore({f"{name}.{key}": t for name, tensors in averages.items() for key, t in tensors.items()})

    def save(self, engine: Engine, average: WeightAverage, images_seen: int) -> None:
        """Write a checkpoint under a temporary name, rename it, and delete the oldest beyond `keep_checkpoints`."""
        weights, averages, optimizer = weights_of(engine), average.full(), optimizer_state(engine)
        if self.ranks.is_first:
            partial = self.folder / f"{PARTIAL}{_name(images_seen)}"
            partial.mkdir(parents=True, exist_ok=True)
            save_tensors(partial / OPTIMIZER, optimizer)
            self._save_models(partial, weights, averages)
            self._describe(partial, images_seen)
            place = self.folder / _name(images_seen)
            if place.exists():  # without its description, or it would have been resumed
                shutil.rmtree(place)
            partial.rename(place)
            self._prune()
        self.ranks.barrier()

    def _save_models(self, folder: Path, weights: dict[str, Tensor], averages: dict[str, Tensor]) -> None:
        for suffix, tensors in (("", weights), ("_ema", averages)):
            models = {name: _whole(model, name, tensors) for name, model in self.task.trained_models().items()}
            self.task.finish(models)
            for name, model in models.items():
                model.save_pretrained(folder / f"{name}{suffix}", safe_serialization=True)
        for name, model in self.task.frozen_models().items():
            model.save_pretrained(folder / name, safe_serialization=True)

    def _describe(self, folder: Path, images_seen: int) -> None:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        for path in files:
            path.chmod(0o644)  # safetensors makes them readable by the owner only
        info = CheckpointInfo(
            kind=self.task.kind,
            images_seen=images_seen,
            config=self.config.identity(),
            release_digest=self.release_digest,
            provenance=self.task.provenance,
            files={path.relative_to(folder).as_posix(): file_digest(path) for path in files},
        )
        (folder / INFO).write_bytes(canonical_json(info.model_dump(mode="json")) + b"\n")

    def _prune(self) -> None:
        names = checkpoint_names(Path(self.config.run))
        for name in names[: -self.config.machine.keep_checkpoints]:
            doomed = self.folder / f"{PARTIAL}{name}"
            (self.folder / name).rename(doomed)
            shutil.rmtree(doomed)


def resumable(
    config: TrainConfig, release_digest: str, provenance: dict[str, str] | None = None
) -> CheckpointInfo | None:
    """Return the newest checkpoint of the run that `config` describes, checked; None when there is none yet.

    Raises `CheckpointError`, one line naming what changed, when it was made by another config, release or component.
    """
    if not checkpoint_names(Path(config.run)):
        return None
    folder, info = open_checkpoint(config.run)
    changes = [*_changes(info.config, config.identity())]
    changes += _changes({"release": info.release_digest}, {"release": release_digest})
    if provenance is not None:
        changes += _changes(info.provenance, provenance)
    if changes:
        raise CheckpointError(
            f"{folder} was made by another run: {'; '.join(changes)}; undo this, or name a new folder as 'run'"
        )
    return info


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


def _load_weights(model: Any, path: Path) -> None:
    tensors: dict[str, Tensor] = load_tensors(path)
    load: Callable[[dict[str, Tensor]], object] = model.load_state_dict
    try:
        load(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit the network: {error}".split("\n")[0]) from error


def _whole(model: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Return a copy of a trained model with the tensors of that name: under ZeRO 3 the model itself is empty."""
    prefix = f"{name}."
    with torch.random.fork_rng(devices=[]):
        copy = type(model).from_config(model.config)
    copy.load_state_dict({key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)})
    return copy


def _name(images_seen: int) -> str:
    return f"{images_seen:010d}"
