"""Training configs as TOML files."""

import json
from pathlib import Path
from typing import Any

from byline.training.config import TrainConfig


def write_toml(path: Path, config: TrainConfig) -> Path:
    """Write a config as a TOML file, whose inline tables are JSON with other separators; return `path`."""
    table = config.model_dump(mode="json", exclude_none=True)
    path.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in table.items()))
    return path


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
