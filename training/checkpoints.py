"""Save a run without holding it up, and go on from what was saved. `diffusion.checkpoint` says what a checkpoint is.

The step is stopped for a copy to host memory; a thread of the first rank does the rest. A checkpoint is there whole or
not at all: a folder is renamed into place, and under a URL its description is written last.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils import SAFE_WEIGHTS_NAME

from byline.catalog.errors import CheckpointError
from byline.diffusion.checkpoint import OPTIMIZER, Ancestor, CheckpointInfo, Segment, open_checkpoint
from byline.diffusion.weights import load_tensors
from byline.training.agreement import agree, fingerprint
from byline.training.config import TrainConfig
from byline.training.ema import WeightAverage
from byline.training.engine import Engine
from byline.training.ranks import Ranks
from byline.training.resuming import resumable, segment_of, start_of
from byline.training.saving import State, remove_partial, save_checkpoint
from byline.training.state import optimizer_state, restore_optimizer, weights_of
from byline.training.task import Task

WEIGHTS = "diffusion_pytorch_model.safetensors"
"""What diffusers calls the weights in a model's folder; transformers has a name of its own."""


class Checkpoints:
    """The checkpoints of one run. Every rank makes one and calls every method, in the same order."""

    def __init__(self, *, config: TrainConfig, release_digest: str, task: Task, ranks: Ranks) -> None:
        """Make it before the engine takes the task's network."""
        self._config, self._release_digest = config, release_digest
        self._task, self._ranks = task, ranks
        self._shells = {name: _shell(model) for name, model in task.trained_models().items()}
        self._folder: Path | None = None
        self._provenance = dict(task.provenance)
        self._segments: tuple[Segment, ...] = ()
        self._ancestors: tuple[Ancestor, ...] = ()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="save")
        self._writing: Future[None] | None = None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is being written. Where it could not be, all ranks end, unless there is an error already."""
        self._thread.shutdown(wait=True)
        if error is None:
            agree(self._ranks, self._written)

    def remove_partial(self) -> None:
        """Delete what a killed run left half written."""
        if self._ranks.is_first:
            remove_partial(self._config.run)
        self._ranks.barrier()

    def restore_weights(self) -> int:
        """Load the weights that the run goes on from, or starts from; return the images that it has seen, 0 at a start.

        Call it before the engine takes the network. Ranks that do not have the same afterwards end, and so do all when
        one cannot load them (`training.agreement`).
        """
        images_seen = 0

        def load() -> dict[str, Any]:
            nonlocal images_seen
            images_seen = self._load()
            weights = fingerprint(self._task.network.named_parameters())
            return {"images_seen": images_seen, "provenance": self._provenance, "weights": weights}

        agree(self._ranks, load)
        return images_seen

    def _load(self) -> int:
        start = start_of(self._config, self._task.kind)
        if start is not None:
            self._provenance["init_from"] = start.info.digest
            self._ancestors = start.info.lineage
        info = resumable(self._config, self._release_digest, self._provenance)
        images_seen = 0 if info is None else info.images_seen
        self._segments = segment_of(self._config, info)
        if info is not None:
            self._folder, _ = open_checkpoint(self._config.run, for_resuming=True)
            self._load_weights(self._folder, "")
        elif start is not None:
            self._load_weights(start.folder(), start.suffix)
        return images_seen

    def _load_weights(self, folder: Path, suffix: str) -> None:
        for name, model in self._task.trained_models().items():
            _load_weights(getattr(self._task.network, name), folder / f"{name}{suffix}" / _weights_file(model))

    def restore_state(self, engine: Engine, average: WeightAverage) -> None:
        """Load optimizer state and average of the checkpoint that `restore_weights` took, if it took one."""
        if self._folder is None:
            return
        path = self._folder / OPTIMIZER
        restore_optimizer(engine, load_tensors(path), path)
        averages = {
            name: load_tensors(self._folder / f"{name}_ema" / _weights_file(model))
            for name, model in self._task.trained_models().items()
        }
        average.restore({f"{name}.{key}": t for name, tensors in averages.items() for key, t in tensors.items()})

    def save(self, engine: Engine, average: WeightAverage, images_seen: int) -> None:
        """Copy the state to host memory and begin to write it; the write before is waited for.

        Ranks whose weights are not alike end, and nothing is written.
        """

        def facts() -> dict[str, Any]:
            own = {**self._written(), "images_seen": images_seen}
            if self._ranks.size > 1:
                own["weights"] = fingerprint(self._task.network.named_parameters())
            return own

        agree(self._ranks, facts)
        weights, averages, optimizer = weights_of(engine), average.full(), optimizer_state(engine)
        if self._ranks.is_first:
            self._writing = self._thread.submit(self._write, images_seen, weights, averages, optimizer)

    def end_if_failed(self) -> None:
        """End all ranks with one line when it is known that a checkpoint could not be written."""
        is_known = self._writing is not None and self._writing.done()
        agree(self._ranks, self._written if is_known else dict)

    def wait(self) -> None:
        """Return when nothing is being written any longer. Raises why a checkpoint could not be, on the first rank."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _written(self) -> dict[str, Any]:
        self.wait()
        return {}

    def _write(
        self, images_seen: int, weights: dict[str, Tensor], averages: dict[str, Tensor], optimizer: dict[str, Tensor]
    ) -> None:
        state = State(
            trained=self._shells,
            frozen=self._task.frozen_models(),
            weights=weights,
            averages=averages,
            optimizer=optimizer,
            finish=self._task.finish,
        )
        info = CheckpointInfo(
            kind=self._task.kind,
            images_seen=images_seen,
            config=self._config.identity(),
            release_digest=self._release_digest,
            provenance=self._provenance,
            files={},
            segments=self._segments,
            ancestors=self._ancestors,
        )
        save_checkpoint(self._config.run, state, info, keep=self._config.machine.keep_checkpoints)


def _shell(model: Any) -> Any:
    """Return a model of the same config without weights and without memory for them."""
    with torch.device("meta"):
        if isinstance(model, PreTrainedModel):
            return type(model)(model.config)
        return type(model).from_config(model.config)


def _weights_file(model: Any) -> str:
    return SAFE_WEIGHTS_NAME if isinstance(model, PreTrainedModel) else WEIGHTS


def _load_weights(model: Any, path: Path) -> None:
    try:
        model.load_state_dict(load_tensors(path))
    except RuntimeError as error:
        why = "; ".join(line.strip() for line in str(error).splitlines()[1:2]) or str(error)
        raise CheckpointError(f"{path} does not fit the network of this config: {why:.200}") from error
