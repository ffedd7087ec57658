"""Which files may hold what is removed, and their digests: before and after tell what a takedown changed."""

from collections.abc import Collection, Iterator

from byline.catalog.corpora.facts import PAIRS
from byline.catalog.digests import sha256_of_file
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store

Footprint = dict[str, str]
"""The files of a corpus: path -> SHA-256."""


def footprint(store: Store, packs: Collection[str]) -> Footprint:
    """Return the files of these packs, of the records of their sources, and of the pairs of all pictures."""
    return {path: _digest(store, path) for path in sorted(_paths(store, packs))}


def changed(before: Footprint, after: Footprint) -> list[dict[str, str | None]]:
    """Return each file that is not as it was: path, and SHA-256 before and after; none for where it was not there."""
    paths = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return [{"path": path, "before_sha256": before.get(path), "after_sha256": after.get(path)} for path in paths]


def _paths(store: Store, packs: Collection[str]) -> Iterator[str]:
    for source in {pack.rsplit("-", 1)[0] for pack in packs}:
        yield from (f"{layout.records_of(source)}/{name}" for name in store.files(layout.records_of(source)))
    measures = [layout.facts_of(measure) for measure in store.folders(layout.FACTS)]
    instruments = [f"{measure}/{name}" for measure in measures for name in store.folders(measure)]
    rechecks = [layout.rechecks_of(name) for name in store.folders(layout.RECHECKS)]
    pairs = tuple(f"{layout.facts_of(measure)}/" for measure in sorted(PAIRS))
    for folder in (layout.PACKS, *instruments, *rechecks):
        for name in store.files(folder):
            if folder.startswith(pairs) or folder in rechecks or name.partition(".")[0] in packs:
                yield f"{folder}/{name}"


def _digest(store: Store, path: str) -> str:
    with store.open(path) as file:
        return sha256_of_file(file)
