"""Two kinds of network that make vectors: this package's own, and any vision model of transformers.

Safetensors only; no code that comes with a model is run. Importing this file loads neither torch nor transformers.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from byline.catalog.configs.extras import needs, require
from byline.catalog.configs.model_folders import safetensors_folder
from byline.catalog.errors import CheckpointError
from byline.catalog.json_text import parse_json

if TYPE_CHECKING:
    from byline.dedup.embedding.network import CopyNet

OWN_ARCHITECTURE = "byline-copy-detector"
CONFIG_NAME = "config.json"
WHAT = "[embedding]"


class Encoder(Protocol):
    """Makes the vector of one opaque RGB picture, float32, of any length but zero."""

    def encode(self, image: Image.Image) -> NDArray[np.float32]: ...


def check_torch() -> None:
    """Raise `ConfigError` where what a model is run with is not installed. Loads nothing."""
    require("embedding", WHAT, "torch", "safetensors", otherwise="leave the table out")


def pinned_weights(model: str, revision: str) -> str:
    """Return what pins a model: the hub's commit, or `sha256:` and the digest of a folder's weights and configs.

    Reads a folder whole, once. Raises `CheckpointError` for a folder without safetensors and a hub id without a commit.
    """
    folder = safetensors_folder(model, revision, what="an embedding model")
    if folder is None:
        return revision
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".safetensors", ".json"):
            digest.update(f"{path.name}\n{path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def is_own(model: str) -> bool:
    """Return whether a folder's `config.json` names this package's architecture."""
    try:
        config = parse_json((Path(model) / CONFIG_NAME).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("architecture") == OWN_ARCHITECTURE


def load_encoder(model: str, revision: str) -> Encoder:
    """Load a model for use on the CPU. Raises `CheckpointError`, one line, when that fails."""
    return _OwnEncoder(Path(model)) if is_own(model) else _TransformersEncoder(model, revision)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread, whose sums have one order; workers of a build use the other cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _OwnEncoder:
    """The sum of the unit vectors of a picture and of its mirror image, so both have the same vector."""

    def __init__(self, folder: Path) -> None:
        with needs("embedding", WHAT):
            from byline.dedup.embedding.network import load_network

        self._net: CopyNet = load_network(folder)

    def encode(self, image: Image.Image) -> NDArray[np.float32]:
        import torch

        side_px = self._net.config.side_px
        small = image.resize((side_px, side_px), Image.Resampling.BILINEAR, reducing_gap=3.0)
        pixels_CHW = torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1).float() / 255
        with torch.inference_mode():
            vectors = [self._net(view_CHW[None])[0] for view_CHW in (pixels_CHW, pixels_CHW.flip(2))]
        # Each alone: in a batch of two, the mirror image's vector could differ from the picture's in its last bits.
        return np.asarray(vectors[0].numpy() + vectors[1].numpy(), np.float32)


class _TransformersEncoder:
    """The pooled output of a vision model, or where it has none, the first token of its last layer."""

    def __init__(self, model: str, revision: str) -> None:
        with needs("embedding", WHAT):
            import torch
            from safetensors import SafetensorError
            from transformers import AutoImageProcessor, AutoModel

        options = {"local_files_only": True} if Path(model).is_dir() else {"revision": revision}
        try:
            self._processor: Any = AutoImageProcessor.from_pretrained(model, trust_remote_code=False, **options)
            network: Any = AutoModel.from_pretrained(
                model, trust_remote_code=False, use_safetensors=True, dtype=torch.float32, **options
            )
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            raise CheckpointError(f"{model} is no vision model that loads: {_one_line(error)}") from error
        self._network = getattr(network, "vision_model", network).eval()
        self._model = model

    def encode(self, image: Image.Image) -> NDArray[np.float32]:
        import torch

        inputs = self._processor(images=image, return_tensors="pt")
        try:
            with torch.inference_mode():
                output = self._network(pixel_values=inputs["pixel_values"])
        except (TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"{self._model} takes no pictures: {_one_line(error)}; name a vision model"
            ) from error
        pooled = getattr(output, "pooler_output", None)
        vector = output.last_hidden_state[:, 0] if pooled is None else pooled
        return np.asarray(vector.flatten().float().numpy(), np.float32)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
