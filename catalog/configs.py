"""Load a TOML file into a frozen pydantic model, with errors that a person can act on."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from byline.catalog.errors import ConfigError
from byline.catalog.places import context_of

ModelT = TypeVar("ModelT", bound=BaseModel)


def load_config(path: str | Path, model: type[ModelT]) -> ModelT:
    """Read `path` as TOML and check it against `model`.

    Paths in it count from its folder (`catalog.places`). Raises `ConfigError`, one line, for a missing file, for bad
    TOML, and for every key that is unknown (the known ones are listed) or that has a value of the wrong kind.
    """
    return parse_config(read_toml(path), model, where=str(path), file=path)


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file. Raises `ConfigError` when it is missing or is not TOML."""
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except FileNotFoundError as error:
        raise ConfigError(f"no config file at {path}; configs/ holds examples") from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path} is a folder; name a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


def parse_config(table: dict[str, Any], model: type[ModelT], *, where: str, file: str | Path | None = None) -> ModelT:
    """Check a table that is already read. `where` names it in errors; `file` is the one whose folder paths count from,
    where there is one."""
    try:
        return model.model_validate(table, context=None if file is None else context_of(file))
    except ValidationError as error:
        details = "; ".join(_explain(model, detail) for detail in error.errors())
        raise ConfigError(f"{where}: {details}") from error


def _explain(model: type[BaseModel], detail: ErrorDetails) -> str:
    place = [str(part) for part in detail["loc"]]
    table = ".".join(place[:-1])
    inside = f" in [{table}]" if table else ""
    if detail["type"] == "extra_forbidden":
        known = ", ".join(sorted(_fields_at(model, detail["loc"][:-1])))
        return f"unknown key '{place[-1]}'{inside}; known keys: {known}"
    if detail["type"] == "missing":
        return f"missing key '{place[-1]}'{inside}"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{'.'.join(place) or 'config'}: {message}, got {detail['input']!r:.80}"


def _fields_at(model: type[BaseModel], place: tuple[int | str, ...]) -> set[str]:
    """Return the keys that the table at `place` knows, following nested models, lists and unions."""
    models = [model]
    for part in place:
        if isinstance(part, int):
            continue
        fields = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        inner = [nested for annotation in fields for nested in _models_in(annotation)]
        models = inner or models
    return {key for m in models for key in m.model_fields}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)
