"""Find, pin and load checkpoints of transformers: safetensors only, no remote code, whole, the picture surely read."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from byline.catalog.configs.extras import needs, require
from byline.catalog.configs.model_folders import safetensors_folder
from byline.catalog.errors import CheckpointError

BLIP2 = "blip-2"
"""The name of BLIP-2's architecture in a config."""
_DECIDES = (".safetensors", ".json", ".txt", ".model", ".jinja")


def check_transformers(captioner: str) -> None:
    """Raise `ConfigError` where what loads a checkpoint is not installed. Loads nothing."""
    require("caption", f"the captioner {captioner}", "torch", "transformers")


def pinned_revision(model: str, revision: str) -> str:
    """Return what pins the weights: the hub's commit, or `sha256:` and the digest of a local folder's files.

    Reads a local folder whole, once. Raises `CheckpointError` when the folder is missing or has no safetensors, and for
    a hub id without a commit.
    """
    folder = safetensors_folder(model, revision, what="a checkpoint of a captioner")
    if folder is None:
        return revision
    return f"sha256:{_folder_digest(folder)}"


def load_processor(model: str, revision: str) -> Any:
    """Return what makes a model's inputs of a picture and a prompt.

    Raises `CheckpointError` when transformers cannot load it, and when a BLIP-2's would not put the picture's tokens
    into a prompt: BLIP-2 then captions without looking, and says nothing.
    """
    with needs("caption", "a captioner of transformers"):
        from transformers import AutoConfig, AutoProcessor
    with _refusing(model):
        config = AutoConfig.from_pretrained(model, trust_remote_code=False, **_where(model, revision))
        processor = AutoProcessor.from_pretrained(model, trust_remote_code=False, **_where(model, revision))
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise CheckpointError(f"{model} takes no picture with a text ({type(processor).__name__}); name another model")
    if config.model_type == BLIP2:
        _join(processor, config, model)
    return processor


def load_network(model: str, revision: str, *, dtype: str, device: str, architecture: str = "") -> Any:
    """Return the network in evaluation mode on `device`.

    Raises `CheckpointError` when transformers cannot load it, when weights are missing (it would make them up), and
    when it is not of this architecture (if one is named).
    """
    with needs("caption", "a captioner of transformers"):
        import torch
        from transformers import AutoConfig, AutoModelForImageTextToText
    with _refusing(model):
        config = AutoConfig.from_pretrained(model, trust_remote_code=False, **_where(model, revision))
        if architecture and config.model_type != architecture:
            raise ValueError(f"it is of the architecture {config.model_type}, not {architecture}")
        network, loading_info = AutoModelForImageTextToText.from_pretrained(
            model,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=getattr(torch, dtype),
            output_loading_info=True,
            **_where(model, revision),
        )
        if missing := sorted(loading_info["missing_keys"]):
            raise ValueError(f"{len(missing)} weights are missing, {missing[0]} among them")
    return network.to(device).eval()


def _where(model: str, revision: str) -> dict[str, Any]:
    return {"local_files_only": True} if Path(model).is_dir() else {"revision": revision}


@contextmanager
def _refusing(model: str) -> Iterator[None]:
    """Tell in one line what a library says of a checkpoint."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{model} is not a checkpoint that this captioner loads: {reason}") from error


def _join(processor: Any, config: Any, model: str) -> None:
    """Make the processor put into a prompt the very picture tokens that the model replaces."""
    processor.num_query_tokens = config.num_query_tokens
    token = str(processor.image_token)
    token_id = processor.tokenizer.convert_tokens_to_ids(token)
    if config.image_token_index is None or config.image_token_index != token_id:
        raise CheckpointError(
            f"{model}: image_token_index is {config.image_token_index} in config.json, but the "
            f"tokenizer's {token} is {token_id}; set image_token_index to {token_id}"
        )


def _folder_digest(folder: Path) -> str:
    """Digest every file that decides a caption: weights, configs, tokenizer, chat template."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in _DECIDES:
            digest.update(f"{path.name}\n{path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()
