"""What a file of a model is by its bytes, whatever it is called: safetensors and JSON run no code when read."""

import json
from pathlib import Path
from typing import Literal

from byline.catalog.configs.model_folders import starts_like_code

MAX_HEADER_BYTES = 100_000_000
"""The largest header of a safetensors file, as its library has it."""
MAX_JSON_BYTES = 64 << 20
LOADABLE = frozenset(
    ".bin .ckpt .gguf .h5 .joblib .json .model .msgpack .npy .npz .onnx .pickle .pkl .pt .pth .py .safetensors "
    ".so".split()
)
"""Endings of what some loader of models looks for."""
LOADABLE_NAMES = frozenset({"vocab.txt", "merges.txt"})
_HEADER_SIZE_BYTES = 8


def kind_of(path: Path) -> Literal["safetensors", "json"] | None:
    """Return what a file is, None for anything else: a pickle, an archive, a pipe, a link to nothing, an empty file."""
    if not path.is_file():
        return None
    return "safetensors" if _is_safetensors(path) else "json" if _is_json(path) else None


def could_be_loaded(path: Path) -> bool:
    """Tell whether something that loads a model could take a file that lies in its folder, by its name or its bytes.

    A note, a picture or a log cannot. What is no plain file (a pipe, a link to nothing) is taken to be loadable.
    """
    if not path.is_file() or path.suffix.lower() in LOADABLE or path.name in LOADABLE_NAMES:
        return True
    return starts_like_code(path) or kind_of(path) is not None


def _is_safetensors(path: Path) -> bool:
    size = path.stat().st_size
    with path.open("rb") as file:
        header_size = int.from_bytes(file.read(_HEADER_SIZE_BYTES), "little")
        if not 2 <= header_size <= min(MAX_HEADER_BYTES, size - _HEADER_SIZE_BYTES):
            return False
        return isinstance(_parsed(file.read(header_size)), dict)


def _is_json(path: Path) -> bool:
    return path.stat().st_size <= MAX_JSON_BYTES and isinstance(_parsed(path.read_bytes()), dict | list)


def _parsed(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
