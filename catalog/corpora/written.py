"""What byline wrote about a corpus outside of it (pages, exports): where, so that a takedown can name it.

`written/<digest of the place>.json`, one for each place. Only the place and the verb are kept.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from byline.catalog.digests import canonical_json, sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.folders import absolute
from byline.catalog.disk.storage import Store
from byline.catalog.errors import StorageError


@dataclass(frozen=True, kw_only=True)
class Written:
    """A page or an export."""

    path: str
    """Whole path on this machine, or a URL."""
    by: str
    """The verb that wrote it."""


def note_written(store: Store, path: str, by: str) -> None:
    """Note that a verb wrote this. A corpus that cannot be written to, or an export, keeps no note."""
    place = Written(path=path if "://" in path else absolute(path), by=by)
    try:
        if store.exists(layout.CORPUS_FILE):
            store.write_bytes(_note(place.path), canonical_json(asdict(place)) + b"\n")
    except StorageError:
        return


def forget_written(store: Store, path: str) -> None:
    """Forget what is there no longer."""
    store.remove(_note(path))


def read_written(store: Store) -> Iterator[Written]:
    """Yield what was noted, by place. A damaged note says nothing."""
    found = []
    for name in store.files(layout.WRITTEN, suffix=".json"):
        try:
            found.append(Written(**json.loads(store.read_bytes(layout.written_file(name)))))
        except (ValueError, TypeError):
            continue
    yield from sorted(found, key=lambda one: one.path)


def _note(path: str) -> str:
    return layout.written_file(f"{sha256_hex(os.fsencode(path))[:16]}.json")
