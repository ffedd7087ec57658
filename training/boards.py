"""Where a run is shown beside its log: files of TensorBoard always, Weights & Biases if asked."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from byline.catalog.configs.extras import needs
from byline.catalog.digests import digest_of
from byline.catalog.errors import ConfigError
from byline.catalog.text import one_line
from byline.training.config import TrainConfig
from byline.training.places import working_folder
from byline.training.watch_config import WandbConfig

TENSORBOARD = "tensorboard"


class Board(Protocol):
    """What is told of a run. Steps are images seen."""

    def numbers(self, values: dict[str, float], images_seen: int) -> None:
        """Show numbers by name."""
        ...

    def picture(self, name: str, path: Path, images_seen: int) -> None:
        """Show the picture at a path."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


def boards_of(config: TrainConfig, images_seen: int) -> list[Board]:
    """Return the boards of a run that goes on from `images_seen`. Raises `ConfigError` for a missing library."""
    boards: list[Board] = [TensorBoard(working_folder(config.run) / TENSORBOARD, images_seen)]
    if config.watch.wandb is not None:
        boards.append(Wandb(config.watch.wandb, config))
    return boards


class TensorBoard:
    """Files that TensorBoard shows. It hides what an earlier process wrote of later images than this one began at."""

    def __init__(self, folder: Path, images_seen: int) -> None:
        """Open a new file of events in `folder`."""
        with needs("train", "byline train"):
            from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder), purge_step=images_seen + 1)

    def numbers(self, values: dict[str, float], images_seen: int) -> None:
        """Write a scalar for each."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, images_seen)
        self._writer.flush()

    def picture(self, name: str, path: Path, images_seen: int) -> None:
        """Write the picture."""
        with Image.open(path) as image:
            self._writer.add_image(name, np.asarray(image.convert("RGB")), images_seen, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


class Wandb:
    """A run at Weights & Biases. Only the run's folder and config decide its id, so a resumed run is the same one."""

    def __init__(self, config: WandbConfig, run: TrainConfig) -> None:
        """Begin it or go on. Raises `ConfigError` when the library is missing, or does not know who asks."""
        with needs("wandb", "watch.wandb"):
            import wandb

        folder = working_folder(run.run)
        self._image: Any = wandb.Image
        try:
            self._run: Any = wandb.init(
                project=config.project,
                entity=config.entity,
                id=digest_of([run.run, run.identity()])[:16],
                name=run.run.rstrip("/").rpartition("/")[2],
                dir=str(folder),
                resume="allow",
                config=run.identity(),
                settings=wandb.Settings(silent=True, console="off"),
            )
        except wandb.errors.Error as error:
            why = one_line(str(error)).rstrip(".")
            raise ConfigError(f"watch.wandb: {why}; or set WANDB_MODE=offline, or remove the table") from error
        self._run.define_metric("*", step_metric="images_seen")

    def numbers(self, values: dict[str, float], images_seen: int) -> None:
        """Send them."""
        self._run.log({**values, "images_seen": images_seen})

    def picture(self, name: str, path: Path, images_seen: int) -> None:
        """Send the picture."""
        self._run.log({name: self._image(str(path)), "images_seen": images_seen})

    def close(self) -> None:
        """Send what is left."""
        self._run.finish()
