"""Draw pictures for many prompts into a folder. Any number of processes fill it together, and a killed one goes on.

Process r of n draws every n-th batch and leaves a batch that is there; none waits for another. A picture depends on its
prompt, its place and its batch: whoever draws it, on machines that compute alike the folder has the same bytes.
`datasets.load_dataset("imagefolder", data_dir=folder)` reads it, with each picture's prompt as `text`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from torch import Tensor

from byline.catalog.digests import canonical_json
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError
from byline.diffusion.configs import SamplingConfig
from byline.diffusion.grid import picture_png

ABOUT = "drawn.json"
METADATA = "metadata.jsonl"


class Model(Protocol):
    """What draws; `TextToImage` does."""

    def sample(self, prompts: list[str], config: SamplingConfig) -> Tensor: ...


class DrawnFolder:
    """The pictures of some prompts in a folder or under a URL: what is there, and what is to be drawn still."""

    def __init__(self, root: str, prompts: Sequence[str], config: SamplingConfig, about: Mapping[str, str]) -> None:
        """Begin it, or go on with it. `about` says what draws: the checkpoint, the device and so on.

        Raises `ConfigError`, one line, when something else is there.
        """
        self._store, self._config, self._notes = Store(root), config, dict(about)
        self._store.remove_partial(with_own=True)
        self._texts = [prompt for prompt in prompts for _ in range(config.images_per_prompt)]
        about_all = {"by": self._notes, "config": config.model_dump(mode="json"), "num_pictures": len(self._texts)}
        rows = [
            canonical_json({"file_name": name_of(number), "text": text, "seed": config.seed + number}) + b"\n"
            for number, text in enumerate(self._texts)
        ]
        self._begin(METADATA, b"".join(rows))
        self._begin(ABOUT, canonical_json(about_all) + b"\n")
        self._there = frozenset(self._store.files("", suffix=".png"))

    @property
    def num_pictures(self) -> int:
        """How many there are in all, drawn or not."""
        return len(self._texts)

    def _begin(self, name: str, content: bytes) -> None:
        if not self._store.write_new(name, content):
            raise ConfigError(
                f"{self._store.url(name)} tells of other prompts, settings or another checkpoint; name a new folder"
            )

    def left(self, rank: int = 0, size: int = 1) -> list[range]:
        """Return what process `rank` of `size` has still to draw: numbers of pictures, batch by batch."""
        step, end = self._config.batch_size, len(self._texts)
        batches = [range(start, min(start + step, end)) for start in range(0, end, step)]
        return [batch for batch in batches[rank::size] if not self._there.issuperset(map(name_of, batch))]

    def draw(self, model: Model, batches: Sequence[range], advance: Callable[[int], None] = lambda _: None) -> None:
        """Draw batches. `advance` is told of pictures as they are there."""
        for batch in batches:
            config = self._config.model_copy(update={"seed": self._config.seed + batch.start, "images_per_prompt": 1})
            texts = self._texts[batch.start : batch.stop]
            for number, text, picture in zip(batch, texts, model.sample(texts, config).numpy(), strict=True):
                self._store.write_bytes(name_of(number), picture_png(picture, {**self._notes, "prompt": text}))
            advance(len(batch))
        self._store.remove_partial(with_own=True)


def name_of(number: int) -> str:
    """Return the file of a picture."""
    return f"{number:07d}.png"
