"""What a corpus on disk says of itself in `corpus.toml`, and who may write in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tomli_w

from byline.catalog.configs.loading import parse_toml
from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.json_files import DIGEST
from byline.catalog.disk.locks import take_lock
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError, CorpusError

FORMAT = 2
"""Version of the format of a corpus' files."""
TAKEDOWNS = "takedowns"
"""Key of the settings: ids of the denylist files that must be there."""
DENYLISTS = "denylists"
"""Key of the settings: release -> roots of the other corpora whose takedowns its last build held it to."""


def read_settings(store: Store) -> dict[str, Any]:
    """Return `corpus.toml`, empty for a new corpus. Raises a `BylineError` when it is damaged or of another format."""
    return read_sealed_settings(store)[0]


def read_sealed_settings(store: Store) -> tuple[dict[str, Any], bool]:
    """The same, and whether they carry a digest, which those that an older byline wrote do not."""
    if not store.exists(layout.CORPUS_FILE):
        return {}, False
    where, data = store.url(layout.CORPUS_FILE), store.read_bytes(layout.CORPUS_FILE)
    try:
        settings = parse_toml(data, where=where)
    except ConfigError as error:
        raise CorpusError(f"{error}: it is damaged; restore it, it says how packs were made") from error
    if settings.get("format") != FORMAT:
        raise ConfigError(f"{where} is of another version of byline; name a new root")
    digest = settings.pop(DIGEST, None)
    if digest not in (None, _digest(data.partition(b"\n")[2])):
        raise CorpusError(
            f"{where} is damaged: it says something else than was written there; restore it, or, if you changed it "
            f"yourself, delete its first line, which begins with {DIGEST}"
        )
    return settings, digest is not None


def write_settings(store: Store, settings: dict[str, Any]) -> None:
    """Write `corpus.toml`, whose first line is a digest of all others."""
    lines = tomli_w.dumps({"format": FORMAT, **settings}).encode()
    store.write_bytes(layout.CORPUS_FILE, tomli_w.dumps({DIGEST: _digest(lines)}).encode() + lines)


def _digest(lines: bytes) -> str:
    return sha256_hex(lines)[:16]


@contextmanager
def owned(store: Store) -> Iterator[None]:
    """Keep other writers of this machine out of a local corpus, and clear what a killed one left half written.

    Raises `CorpusError` when another build or takedown is at work.
    """
    if not store.is_local:
        yield
        return
    lock = store.local_path(layout.LOCK)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    except OSError as error:
        raise CorpusError(f"cannot make a corpus at {store.root}: {error}") from error
    with file:
        if not take_lock(file):
            raise CorpusError(f"another build or takedown is at work in {store.root}; wait for it to end")
        store.remove_partial(with_own=True)
        yield
