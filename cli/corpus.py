"""The corpus that a verb is about, and pyarrow without pandas for verbs that must be quick."""

import sys
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from pathlib import Path

from byline.catalog.configs.loading import read_toml
from byline.catalog.corpora.corpus import FORMAT
from byline.catalog.disk import layout
from byline.catalog.disk.folders import folders_in
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError

LEVELS = 2
"""How many levels of folders below the current one are searched for a corpus."""


def find_corpus(path: str | None) -> Store:
    """Return the corpus at `path` (a folder or an fsspec URL), or the only one in or below the current folder.

    Raises `ConfigError` when there is none, or when there are several, which it names.
    """
    if path is not None:
        store = Store(path)
        if not (store.exists(layout.CORPUS_FILE) or store.folders(layout.RECORDS)):
            raise ConfigError(
                f"no corpus at {path}: it has no {layout.CORPUS_FILE}; make one with: byline build CONFIG"
            )
        return store
    corpora = list(_corpora(Path(), LEVELS))
    if not corpora:
        raise ConfigError(f"no corpus in the current folder or {LEVELS} levels below; name one with --corpus")
    if len(corpora) > 1:
        raise ConfigError(f"{len(corpora)} corpora here: {', '.join(map(str, corpora))}; name one with --corpus")
    return Store(str(corpora[0]))


def _corpora(folder: Path, levels: int) -> Iterator[Path]:
    """Yield the folders with the settings of a corpus, sorted; a config of that name in another place is none."""
    if _is_corpus(folder / layout.CORPUS_FILE):
        yield folder
    elif levels:
        for below in folders_in(folder):
            yield from _corpora(below, levels - 1)


def _is_corpus(settings: Path) -> bool:
    try:
        return read_toml(settings).get("format") == FORMAT
    except ConfigError:
        return False


class _NoPandas(MetaPathFinder):
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def leave_pandas_out() -> None:
    """Make pyarrow go without pandas, which it would import with its first value: 0.35 s for nothing.

    Others can import pandas afterwards; Arrow tables can then be made from its columns as from any sequence.
    """
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.scalar(0)  # looks for pandas, once and for all
    finally:
        sys.meta_path.remove(finder)
