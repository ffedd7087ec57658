"""Tables of hardware and prices: data that comes with byline under `configs/hardware/`, and that a file can replace."""

from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from byline.catalog.configs.loading import parse_config, read_toml
from byline.catalog.errors import ConfigError

ModelT = TypeVar("ModelT", bound=BaseModel)
GPUS, CAPTIONS, CLUSTER = "gpus.toml", "captions.toml", "cluster.toml"


def shipped_table(name: str) -> Path:
    """Return where a table lies that comes with byline."""
    return Path(str(files("byline"))) / "configs" / "hardware" / name


def read_row(path: Path, name: str, model: type[ModelT], *, unknown: str, more: str = "") -> ModelT:
    """Return one row of a table. For a name that it lacks, `ConfigError` begins with `unknown`, lists the names that it
    has, and ends with `more`."""
    table = read_toml(path)
    if name not in table:
        raise ConfigError(f"{unknown}; known: {', '.join(table)}{more}")
    return parse_config(table[name], model, where=f"{path} [{name}]")
