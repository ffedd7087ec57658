"""What people add to byline without editing it: entry points of the distributions that are installed beside it.

There are four groups (`GROUPS`). An extension is known by its name, and imported only when a config or a policy names
it. Distribution and version are part of every digest of what it makes, so another version measures, captions, reads
and judges again.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from traceback import extract_tb
from typing import Any, TypeVar

from pydantic import BaseModel

from byline.catalog.configs.loading import parse_config
from byline.catalog.errors import ConfigError, ExtensionError
from byline.catalog.text import one_line

SOURCES, CAPTIONERS, METRICS, RULES = "byline.sources", "byline.captioners", "byline.metrics", "byline.rules"
GROUPS = {SOURCES: "reader", CAPTIONERS: "captioner", METRICS: "metric", RULES: "rule"}
"""Group of entry points -> what each of them is."""
ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Extension:
    """An entry point, not imported yet."""

    group: str
    name: str
    distribution: str
    version: str
    entry: EntryPoint

    @property
    def made_by(self) -> str:
        """Distribution and version: what digests know it by."""
        return f"{self.distribution}-{self.version}"

    @property
    def plain_version(self) -> str:
        """The version as part of the name of a folder."""
        return re.sub(r"[^0-9A-Za-z.]", ".", self.version)

    def __str__(self) -> str:
        return f"{GROUPS[self.group]} {self.name} ({self.distribution} {self.version})"

    def load(self) -> Any:
        """Import it. Raises `ExtensionError`, one line with the distribution and what went wrong."""
        try:
            return self.entry.load()
        except (Exception, SystemExit) as error:
            why = in_a_line(error)
            raise ExtensionError(
                f"{self} does not load from {self.entry.value}: {why}; mend or uninstall {self.distribution}"
            ) from error

    def load_model(self, kind: type[ModelT]) -> type[ModelT]:
        """Import it, and check that it is a class of this kind. Raises `ExtensionError`."""
        model = self.load()
        if not (isinstance(model, type) and issubclass(model, kind)):
            raise ExtensionError(f"{self}: {self.entry.value} is not a subclass of {kind.__module__}.{kind.__name__}")
        return model

    def configured(self, kind: type[ModelT], table: Mapping[str, Any], where: str) -> ModelT:
        """Import it and make one with the settings of this table. Raises `ConfigError` for settings not its own."""
        return parse_config(dict(table), self.load_model(kind), where=where)


@cache
def _installed() -> tuple[Extension, ...]:
    """Return the extensions of all groups, by group and name. Nothing is imported."""
    extensions = [
        Extension(group=group, name=entry.name, distribution=entry.dist.name, version=entry.dist.version, entry=entry)
        for group in GROUPS
        for entry in entry_points(group=group)
        if entry.dist is not None
    ]
    return tuple(sorted(extensions, key=lambda ext: (ext.group, ext.name, ext.distribution)))


def installed(group: str) -> tuple[Extension, ...]:
    """Return the extensions of a group, by name. Nothing is imported."""
    return tuple(ext for ext in _installed() if ext.group == group)


def names_of(group: str, ours: Collection[str] = ()) -> list[str]:
    """Return, sorted, the names that a config may use: ours and those of extensions."""
    return sorted({*ours, *(ext.name for ext in installed(group))})


def extension(group: str, name: str, ours: Collection[str] = ()) -> Extension:
    """Return the extension of this name. Raises `ConfigError` when there is none, or more than one thing of that name.

    `ours` are names that byline itself has, or that mean something else in it.
    """
    extensions = [ext for ext in installed(group) if ext.name == name]
    if not extensions:
        usable = ours if group in (SOURCES, CAPTIONERS) else ()
        known = ", ".join(names_of(group, usable)) or "none"
        raise ConfigError(
            f"no {GROUPS[group]} {name!r}; known: {known}. Others are installed as distributions with entry points of "
            f"the group {group}"
        )
    if problem := clash(extensions[0], ours):
        raise ConfigError(problem)
    return extensions[0]


def check_plain(extension: Extension) -> None:
    """Raise `ExtensionError` unless the name can be a folder and the first word of a reason."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", extension.name):
        raise ExtensionError(
            f"{extension}: its name becomes a folder and a reason; small letters, digits and hyphens only"
        )


def clash(extension: Extension, ours: Collection[str]) -> str | None:
    """Say whose name an extension has; None when it is its own."""
    if extension.name in ours:
        return f"{extension} has a name of byline's own; rename it in {extension.distribution}, or uninstall that"
    others = [other.distribution for other in installed(extension.group) if other.name == extension.name]
    if len(others) > 1:
        return f"{' and '.join(others)} both have a {GROUPS[extension.group]} {extension.name!r}; uninstall one"
    return None


def refuse_shadowed(group: str, name: str) -> None:
    """Raise `ConfigError` when an extension has this name of ours too: nobody could tell which is meant."""
    for ext in installed(group):
        if ext.name == name:
            raise ConfigError(str(clash(ext, [name])))


def in_a_line(error: BaseException) -> str:
    """Return what an extension raised, with its kind and where, as one line."""
    message = f"{type(error).__name__}: {one_line(str(error))[:300]}".removesuffix(": ")
    frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    return f"{message} ({Path(frames[-1].filename).name} line {frames[-1].lineno})" if frames else message
