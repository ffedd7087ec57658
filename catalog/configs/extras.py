"""Libraries that come with an extra, such as `byline[train]`, and so may be missing."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from byline.catalog.errors import ConfigError
from byline.catalog.imports import collector_paused

DISTRIBUTION = "byline"
_REQUIREMENT = re.compile(r"""([\w.-]+).*extra\s*==\s*['"]([\w.-]+)['"]""")


@contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Raise `ConfigError`, which says what to install, for a library that the block imports and that is not here.

    `what` needs it: a verb, or a table of a config. Our own modules are no libraries: that one is missing is a bug.
    """
    try:
        with collector_paused():
            yield
    except ModuleNotFoundError as error:
        library = (error.name or "").split(".")[0]
        if library in ("", DISTRIBUTION):
            raise
        raise missing(extra, what, library) from error


def require(extra: str, what: str, *libraries: str, otherwise: str = "") -> None:
    """Raise `ConfigError` unless these libraries, by the names that they are imported by, are here. Loads none.

    `otherwise` says how to do without.
    """
    absent = [name for name in libraries if find_spec(name) is None]
    if absent:
        raise missing(extra, what, *absent, otherwise=otherwise)


def missing(extra: str, what: str, *libraries: str, otherwise: str = "") -> ConfigError:
    """Return the error that says which extra to install."""
    are, install = ("is" if len(libraries) == 1 else "are"), f"pip install 'byline[{extra}]'"
    without = f", or {otherwise}" if otherwise else ""
    return ConfigError(f"{what} needs {' and '.join(libraries)}, which {are} not installed: {install}{without}")


def extras() -> dict[str, list[str]]:
    """Return the extras of the installed byline, in its order, each with the distributions that it names.

    Read from the metadata of the distribution: empty where byline is not installed.
    """
    try:
        byline_distribution = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return {}
    named: dict[str, list[str]] = {extra: [] for extra in byline_distribution.metadata.get_all("Provides-Extra") or ()}
    for requirement in byline_distribution.requires or ():
        if match := _REQUIREMENT.match(requirement):
            named.setdefault(match[2], []).append(match[1])
    return named


def extra_with(name: str) -> str | None:
    """Return the first extra that brings a distribution; none when no extra does."""
    key = _key(name)
    return next((extra for extra, names in extras().items() if key in map(_key, names)), None)


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
