"""Places that a config names. Paths count from the folder of the config, so a command can run from any folder.

A URL, an absolute path and one that begins with `~` stay as they are. A policy and a DeepSpeed config may be named by
a bare word (no `/`, no `.`): one that comes with byline. A model may be a folder, a hub id or a package: it is a path
when it begins with `.` or `/`, has two `/` or more, or is a folder beside the config; everything else is a name.
"""

import os
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def context_of(config: str | Path) -> Mapping[str, Any]:
    """Return what places need to know while a config file is checked: the folder that they count from."""
    return {"folder": Path(config).parent.resolve()}


def _made(value: str, info: ValidationInfo) -> str:
    """Return where something is made, from the config's folder; as it is where there is no config file."""
    _refuse_no_place(value)
    folder = _folder(info)
    if folder is None or value.startswith(("/", "~")) or "://" in value:
        return value
    return os.path.normpath(folder / value)


def _read(value: str, info: ValidationInfo) -> str:
    """Return where something is read. Raises `ValueError` where it lies in the current folder and not where it says."""
    place = _made(value, info)
    if place != value and not os.path.lexists(place) and os.path.lexists(value):
        raise _from_elsewhere(value, place, _folder(info))
    return place


def _model(value: str, info: ValidationInfo) -> str:
    """Return the folder of a model, or its name as it is."""
    _refuse_no_place(value)
    folder = _folder(info)
    if folder is None:
        return value
    if value.startswith((".", "/", "~")) or value.count("/") > 1 or (folder / value).is_dir():
        return _read(value, info)
    if Path(value).is_dir():  # what loads it would take that one
        raise _from_elsewhere(value, str(folder / value), folder)
    return value


def _refuse_no_place(value: str) -> None:
    """Raise `ValueError` for what can name no file and no folder: nothing, or what has a zero byte."""
    if not value.strip():
        raise ValueError("names nothing; name a file or a folder, . for the folder of the config")
    if "\0" in value:
        raise ValueError("has a zero byte, which no path has; write it without")


def _from_elsewhere(value: str, place: str, folder: Path | None) -> ValueError:
    # As a config from before byline counted paths from it.
    wanted = os.path.relpath(value, folder)
    return ValueError(f"nothing at {place}: paths count from the folder of the config, so write '{wanted}'")


def _folder(info: ValidationInfo) -> Path | None:
    folder: Path | None = (info.context or {}).get("folder")
    return folder


def shipped(value: str, kind: str, suffix: str) -> str:
    """Return the file of `configs/<kind>/` that a bare word names; anything else as it is.

    Raises `ValueError`, which lists what there is, for a word that names none.
    """
    if not _BARE.fullmatch(value):
        return value
    folder = Path(str(files("byline"))) / "configs" / kind
    file = folder / f"{value}{suffix}"
    if not file.is_file():
        names = ", ".join(sorted(path.stem for path in folder.glob(f"*{suffix}")))
        raise ValueError(f"none of this name comes with byline, which has {names}; or name a file, with its ending")
    return str(file)


def shipped_policy(value: str) -> str:
    """Return the file of a policy, which may be a bare word such as `commercial`."""
    return shipped(value, "policies", ".toml")


def _policy(value: str, info: ValidationInfo) -> str:
    place = shipped_policy(value)
    return _read(value, info) if place == value else place


def _deepspeed(value: str, info: ValidationInfo) -> str:
    place = shipped(value, "deepspeed", ".json")
    return _read(value, info) if place == value else place


OutputPlace = Annotated[str, AfterValidator(_made)]
"""A place where something is made."""
InputPlace = Annotated[str, AfterValidator(_read)]
"""A place where something is read."""
ModelPlace = Annotated[str, AfterValidator(_model)]
"""A folder of weights, a hub id or a package."""
PolicyPlace = Annotated[str, AfterValidator(_policy)]
"""A policy file, or the bare name of a policy that comes with byline."""
DeepSpeedPlace = Annotated[str, AfterValidator(_deepspeed)]
"""A DeepSpeed file, or the bare name of one that comes with byline."""
