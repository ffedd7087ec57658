"""Load a TOML file into a frozen pydantic model, with errors that a person can act on."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from byline.catalog.configs.places import context_of
from byline.catalog.errors import ConfigError

ModelT = TypeVar("ModelT", bound=BaseModel)
MAX_BYTES = 1 << 21
"""Largest TOML file: tomllib needs seconds for one of this size that is all dotted keys."""
MAX_DEPTH = 50
_KEY_PART = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"(?<![\w-]){_KEY_PART}(?:\s*\.\s*{_KEY_PART}){{{MAX_DEPTH}}}")
"""A key with more dots than tables may be nested: tomllib takes the square of their number."""


def load_config(path: str | Path, model: type[ModelT]) -> ModelT:
    """Read `path` as TOML and check it against `model`.

    Paths in it count from its folder (`catalog.configs.places`). Raises `ConfigError`, one line, for a missing file,
    for bad TOML, and for every key that is unknown (the known ones are listed) or has a value of the wrong kind.
    """
    return parse_config(read_toml(path), model, where=str(path), file=path)


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file. Raises `ConfigError` when it is missing, is not TOML, or is no file that a person wrote."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigError(
            f"no config file at {path}; byline init writes one for pictures or a table, and configs/ holds examples"
        ) from error
    except IsADirectoryError as error:
        raise ConfigError(f"{path} is a folder; name a TOML file") from error
    except (OSError, ValueError) as error:  # a name with a zero byte is a `ValueError`
        raise ConfigError(f"cannot read {str(path)!r}: {getattr(error, 'strerror', None) or error}") from error
    return parse_toml(data, where=str(path))


def parse_toml(data: bytes, *, where: str) -> dict[str, Any]:
    """Parse TOML. Raises `ConfigError`, which names `where`, for what is none, or is nothing that a person wrote."""
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{where} has more than {MAX_BYTES:,} bytes, as no config has; name a TOML file")
    try:
        text = data.decode()
        if _LONG_KEY.search(text):
            raise RecursionError
        table = tomllib.loads(text)
        refuse_deep(table)
    except RecursionError as error:
        raise ConfigError(f"{where} is nested too deep; at most {MAX_DEPTH} tables and lists in each other") from error
    except ValueError as error:  # of a number with thousands of digits too
        raise ConfigError(f"{where} is not TOML: {str(error).splitlines()[0]:.200}") from error
    return table


def refuse_deep(value: Any) -> None:
    """Raise `RecursionError` for tables and lists in each other beyond `MAX_DEPTH`; recurses nowhere itself."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [item for held in inner for item in held]
        if not level:
            return
    raise RecursionError


def parse_config(table: dict[str, Any], model: type[ModelT], *, where: str, file: str | Path | None = None) -> ModelT:
    """Check a table that is already read. `where` names it in errors; `file` is the one whose folder paths count from,
    where there is one."""
    try:
        return model.model_validate(table, context=None if file is None else context_of(file))
    except ValidationError as error:
        raise ConfigError(f"{where}: {explained(error, model)}") from error


def explained(error: ValidationError, model: type[BaseModel], *, inside: tuple[str, ...] = ()) -> str:
    """Say in one line what is wrong with a table that `model` refused; `inside` are the tables that it lies in.

    Each part names the key, what is allowed and the value, which is left out where it is a table.
    """
    details = error.errors(include_url=False)
    locs = [detail["loc"] for detail in details]
    # That a list is too short says nothing new where an entry of it is refused, and so does not count.
    innermost_details = [d for d in details if not any(d["loc"] == loc[: len(d["loc"])] != loc for loc in locs)]
    return "; ".join(_explain(model, detail, inside) for detail in innermost_details)


def _explain(model: type[BaseModel], detail: ErrorDetails, inside: tuple[str, ...]) -> str:
    kind, *keys = detail["type"], *inside, *_keys(model, detail["loc"])
    table = ".".join(keys[:-1])
    at = f" in [{table}]" if table else ""
    if kind == "extra_forbidden":
        return f"unknown key '{keys[-1]}'{at}; known keys: {', '.join(sorted(_fields_at(model, detail['loc'][:-1])))}"
    if kind == "missing":
        return f"missing key '{keys[-1]}'{at}"
    context = detail.get("ctx", {})
    if kind.startswith("union_tag"):
        key = context["discriminator"].strip("'")
        wanted = ", ".join(sorted(_tags_at(model, detail["loc"], key)))
        if kind == "union_tag_not_found":
            return f"missing key '{key}' in [{'.'.join(keys)}]; it can be {wanted}"
        return f"{'.'.join(keys)}.{key} can be {wanted}, got {context['tag']!r}"
    if detail["loc"] and detail["loc"][-1] == "[key]":
        return f"unknown key '{keys[-1]}'{at}; known keys: {context.get('expected', 'see the documentation')}"
    message = detail["msg"].removeprefix("Value error, ")
    for of_python, of_toml in _WORDS.items():
        message = message.replace(of_python, of_toml)
    where = f"{'.'.join(keys)}: " if keys else ""
    return f"{where}{message}{_got(detail['input'])}"


_WORDS = {
    "a valid tuple": "a list",
    "a valid frozenset": "a list",
    "a valid list": "a list",
    "a valid dictionary": "a table",
    " or instance of": ", not",
    "Tuple should": "List should",
    " after validation": "",
}
"""What pydantic calls things -> what they are in TOML."""


def _got(value: object) -> str:
    holds_tables = isinstance(value, list | tuple) and any(isinstance(entry, dict) for entry in value)
    return "" if isinstance(value, dict | BaseModel) or holds_tables else f", got {value!r:.80}"


def _keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that lead to a place, as the file has them: without the tags of unions, which pydantic adds."""
    keys = []
    for number, part in enumerate(location):
        if part == "[key]":
            continue
        known = _models_at(model, location[:number])
        is_key = isinstance(part, int) or not known or any(part in m.model_fields for m in known)
        if is_key or len(known) < 2:  # of several, by a tag
            keys.append(str(part))
    return keys


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> set[str]:
    """Return the keys that the table at `location` knows, following nested models, lists and unions."""
    return {key for m in _models_at(model, location) for key in m.model_fields}


def _models_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[type[BaseModel]]:
    models = [model]
    for part in location:
        if isinstance(part, int):
            continue
        fields = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        inner = [nested for annotation in fields for nested in _models_in(annotation)]
        models = inner or _tagged(models, part) or models
    return models


def _tagged(models: list[type[BaseModel]], tag: str) -> list[type[BaseModel]]:
    """Return the models of a union that a tag chooses; none where there is no choice."""
    if len(models) < 2:
        return []
    return [m for m in models if any(tag in get_args(field.annotation) for field in m.model_fields.values())]


def _tags_at(model: type[BaseModel], location: tuple[int | str, ...], key: str) -> set[str]:
    fields = [m.model_fields[key].annotation for m in _models_at(model, location) if key in m.model_fields]
    return {str(tag) for annotation in fields for tag in get_args(annotation)}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)
