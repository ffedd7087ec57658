"""What byline wrote about a corpus outside of it (pages, exports, runs): where, so that a takedown can name it.

`written/<digest of the place>.json`, one for each place. Only the place, the verb and the digest of a page are kept.
"""

import os
from dataclasses import asdict, dataclass

from byline.catalog.digests import sha256_hex, sha256_of_file
from byline.catalog.disk import layout
from byline.catalog.disk.folders import absolute, is_file
from byline.catalog.disk.json_files import read_json, write_json
from byline.catalog.disk.mending import how_to_mend
from byline.catalog.disk.storage import Store
from byline.catalog.errors import StorageError

RUN_FILE = "run.json"
"""What a training run says of itself, in its folder; its `release_version` is what it trains on."""

BY_TRAINING = "byline train"


@dataclass(frozen=True, kw_only=True)
class Written:
    """A page, an export or a training run."""

    path: str
    """Whole path on this machine, or a URL."""
    by: str
    """The verb that wrote it."""
    sha256: str = ""
    """Digest of a page as it was written; empty of a folder and of a URL, and in what an older byline noted."""
    version: str = ""
    """Release whose pictures a page shows in other bytes than theirs; empty where the bytes tell what it shows."""

    @property
    def is_as_written(self) -> bool:
        """Whether a page is there and has the very bytes that byline wrote: only then may byline delete it."""
        return bool(self.sha256) and _digest_of(self.path) == self.sha256


def note_written(store: Store, path: str, by: str, *, version: str = "") -> None:
    """Note that a verb wrote this. A corpus that cannot be written to, or an export, keeps no note."""
    whole = path if "://" in path else absolute(path)
    output = Written(path=whole, by=by, sha256=_digest_of(whole), version=version)
    try:
        if store.exists(layout.CORPUS_FILE):
            write_json(store, _note(output.path), asdict(output))
    except StorageError:
        return


def forget_written(store: Store, path: str) -> None:
    """Forget what is there no longer."""
    store.remove(_note(path))


def read_written(store: Store) -> tuple[list[Written], dict[str, str]]:
    """Return what was noted, by path; and of each damaged note, which may speak of anything, what is wrong with it."""
    outputs, damaged = [], {}
    for name in store.files(layout.WRITTEN, suffix=".json"):
        path = layout.written_file(name)
        try:
            outputs.append(Written(**read_json(store, path)))
        except StorageError as error:
            damaged[store.url(path)] = str(error).removeprefix(f"{store.url(path)} ")
        except TypeError as error:
            damaged[store.url(path)] = f"it is no note ({error}); {how_to_mend(path)}"
    return sorted(outputs, key=lambda output: output.path), damaged


def noted_page(store: Store, path: str) -> Written | None:
    """Return what was noted of the page at a whole path; None where nothing was, or the note is damaged."""
    try:
        return Written(**read_json(store, _note(path))) if store.exists(_note(path)) else None
    except (StorageError, TypeError):
        return None


def _digest_of(path: str) -> str:
    if not is_file(path):
        return ""
    with open(path, "rb") as file:
        return sha256_of_file(file)


def _note(path: str) -> str:
    return layout.written_file(f"{sha256_hex(os.fsencode(path))[:16]}.json")
