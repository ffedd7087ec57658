"""Weights on disk: safetensors only. A file that could run code when it is opened is refused."""

import hashlib
from pathlib import Path
from typing import Any, TypeVar

import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from byline.catalog.configs.model_folders import starts_like_code
from byline.catalog.errors import CheckpointError
from byline.diffusion.sources import ModelSource

ModelT = TypeVar("ModelT")
UNUSED = "pooler."
"""Weights of text models that token vectors do not need; some checkpoints come without them, and they are zero."""
PICKLES = frozenset({".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"})


def refuse_pickles(folder: Path) -> None:
    """Raise `CheckpointError` if the folder holds, at any depth, a file that is or may be a pickle."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICKLES or starts_like_code(path):
            raise CheckpointError(
                f"{path} may be a pickle, which can run code; byline reads safetensors only: delete it"
            )


def load_pretrained(kind: type[ModelT], source: str | ModelSource) -> ModelT:
    """Load a diffusers or transformers model, from a folder or by its name on the hub, in float32.

    Only safetensors are read and no code that comes with them is run. Raises `CheckpointError`, one line, when that is
    not possible and when weights are missing, which the library would make up at random.
    """
    model_source = _found(source)
    try:
        model, info = kind.from_pretrained(  # type: ignore[attr-defined]
            model_source.name, output_loading_info=True, **_options(kind), **model_source.options()
        )
    except (OSError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
        reason = str(error).strip().split("\n")[0]
        raise CheckpointError(f"cannot load {kind.__name__} from {source}: {reason}") from error
    missing = sorted(info["missing_keys"])
    if missing and all(name.startswith(UNUSED) for name in missing):
        for name in missing:
            model.get_parameter(name).data.zero_()
    elif missing:
        raise CheckpointError(f"{source} lacks weights of {kind.__name__}, such as {missing[0]}; get a whole copy")
    return model  # type: ignore[no-any-return]


def load_config(kind: Any, source: ModelSource) -> dict[str, Any]:
    """Return the config of a diffusers model as it is written. Raises `CheckpointError` when there is none."""
    model_source = _found(source)
    try:
        config: dict[str, Any] = kind.load_config(model_source.name, **model_source.options())
    except (OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise CheckpointError(f"cannot load {kind.__name__} from {source}: {reason}") from error
    return config


def _found(source: str | ModelSource) -> ModelSource:
    model_source = ModelSource(name=source) if isinstance(source, str) else source
    if model_source.folder is None:
        return model_source
    if not model_source.folder.is_dir():
        raise CheckpointError(f"no folder {model_source}; name a folder that holds a model")
    refuse_pickles(model_source.folder)
    return model_source


def _options(kind: type) -> dict[str, Any]:
    if kind.__module__.startswith("diffusers."):
        return {"use_safetensors": True, "torch_dtype": torch.float32, "low_cpu_mem_usage": False}
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()  # of a CLIP the text part alone is meant: the rest is no news
    return {"use_safetensors": True, "dtype": torch.float32, "trust_remote_code": False}


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file. Raises `CheckpointError` when it is missing or not whole."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file ({error})") from error


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file; equal tensors give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path)


def weights_digest(model: nn.Module) -> str:
    """Return the SHA-256 over names, types, shapes and values of the weights, in order of name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
