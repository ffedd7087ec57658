"""Files that people have on an object store, named by URLs. Below a root of our own, see `catalog.disk.files`."""

import re
from collections.abc import Mapping
from glob import has_magic

from byline.catalog.disk.files import Files

SCHEMES = ("s3", "gs", "gcs", "az", "abfs", "abfss")
_FAR = re.compile(rf"({'|'.join(SCHEMES)})://[^/]+/?.*", re.DOTALL)


def is_far(path: str) -> bool:
    """Tell whether a path is on an object store."""
    return _FAR.fullmatch(path) is not None


def far_file(url: str) -> tuple[Files, str]:
    """Return the folder that a file is in, and its name there."""
    folder, _, name = url.rpartition("/")
    return Files(folder), name


def folder_of(path: str) -> str:
    """Return the folder of a source's path, below which all of its files are: of a pattern, what is before it."""
    if not has_magic(path):
        return path.rstrip("/")
    before = path[: next(index for index, letter in enumerate(path) if letter in "*?[")]
    return before.rpartition("/")[0]


def far_states(path: str) -> Mapping[str, str]:
    """Return the URLs that a path names, sorted, each with a word that changes when its bytes do.

    A path is a file, a folder with all that is below it, or a pattern; hidden files are not among them. Raises
    `StorageError` for a store that does not answer.
    """
    folder = folder_of(path)
    states = Files(folder).find(path.removeprefix(folder).lstrip("/") if has_magic(path) else "")
    urls = {f"{folder}/{name}" if name else folder: state for name, state in states.items()}
    return {url: urls[url] for url in sorted(urls)}
