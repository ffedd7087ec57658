"""What is left of a version that a takedown withdrew: its manifest, by which checkpoints are asked, and a note."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from pydantic import ValidationError

from byline.catalog.corpora.manifest import Manifest
from byline.catalog.disk import layout
from byline.catalog.disk.json_files import read_json, write_json
from byline.catalog.disk.mending import how_to_mend
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError


@dataclass(frozen=True, kw_only=True)
class Note:
    """Why a version was withdrawn."""

    takedown: str
    successor: str | None
    """The version that took its place; none when nothing was left of it."""


def note_path(version: str) -> str:
    """Return where the note lies in the folder of a version."""
    return f"{version}/{layout.WITHDRAWN}"


def is_withdrawn(store: Store, version: str) -> bool:
    """Tell whether the version with this folder was withdrawn."""
    return store.exists(note_path(version))


def withdrawn_versions(store: Store) -> Iterator[str]:
    """Yield the folders of all versions that were withdrawn."""
    for folder in (layout.versions_of(name) for name in store.folders(layout.RELEASES)):
        paths = (f"{folder}/{version}" for version in store.folders(folder))
        yield from (path for path in paths if is_withdrawn(store, path))


def write_note(store: Store, version: str, note: Note) -> None:
    """Withdraw a version."""
    write_json(store, note_path(version), asdict(note))


def read_note(store: Store, version: str) -> Note:
    """Return why a version was withdrawn. Raises a `BylineError` when the note is damaged."""
    path = note_path(version)
    try:
        return Note(**read_json(store, path))
    except TypeError as error:
        raise CorpusError(f"{store.url(path)} is damaged: it is no such note; {how_to_mend(path)}") from error


def read_withdrawn_manifest(store: Store, version: str) -> Manifest:
    """Return the manifest of a version that was withdrawn, whose digest the folder is named after.

    Raises `CorpusError` when it is damaged.
    """
    path = f"{version}/{layout.MANIFEST}"
    mend = "it tells which checkpoints saw what was taken down; restore it, or delete the folder of that version"
    try:
        manifest = Manifest.model_validate_json(store.read_bytes(path))
    except ValidationError as error:
        raise CorpusError(f"{store.url(path)} is damaged: {error.errors()[0]['msg']}; {mend}") from error
    if (digest := manifest.digest[:16]) != version.rpartition("/")[2]:
        raise CorpusError(f"{store.url(path)} is damaged: its digest begins with {digest}; {mend}")
    return manifest
