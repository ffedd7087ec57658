"""Find, pin and load a BLIP-2 checkpoint: safetensors only, no remote code, the picture surely read."""

import hashlib
from pathlib import Path
from typing import Any

from byline.catalog.configs.extras import needs, require
from byline.catalog.configs.model_folders import safetensors_folder
from byline.catalog.errors import CheckpointError

WHAT = "the captioner blip2"


def check_transformers() -> None:
    """Raise `ConfigError` where what loads a checkpoint is not installed. Loads nothing."""
    require("caption", WHAT, "torch", "transformers")


def pinned_revision(model: str, revision: str) -> str:
    """Return what pins the weights: the hub's commit, or `sha256:` and the digest of a local folder's files.

    Reads a local folder whole, once. Raises `CheckpointError` when the folder is missing or has no safetensors, and for
    a hub id without a commit.
    """
    folder = safetensors_folder(model, revision, what="a BLIP-2 checkpoint")
    if folder is None:
        return revision
    return f"sha256:{_folder_digest(folder)}"


def load_blip2(model: str, revision: str, *, dtype: str, device: str) -> tuple[Any, Any]:
    """Return the processor and the model, in evaluation mode on `device` ("auto": the GPU when there is one).

    Raises `CheckpointError` when transformers cannot load it, and when its processor would not put the picture's tokens
    into a prompt: BLIP-2 then captions without looking, and says nothing.
    """
    with needs("caption", WHAT):
        import torch
        from transformers import Blip2ForConditionalGeneration, Blip2Processor

    is_local = Path(model).is_dir()
    options = {"local_files_only": True} if is_local else {"revision": revision}
    place = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        processor = Blip2Processor.from_pretrained(model, trust_remote_code=False, **options)
        network: Any = Blip2ForConditionalGeneration.from_pretrained(
            model, trust_remote_code=False, use_safetensors=True, dtype=getattr(torch, dtype), **options
        )
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{model} is not a BLIP-2 checkpoint that loads: {reason}") from error
    _join(processor, network.config, model)
    return processor, network.to(place).eval()


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
    """Digest every file that decides a caption: weights, configs, tokenizer."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".safetensors", ".json", ".txt", ".model"):
            digest.update(f"{path.name}\n{path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()
