"""What a takedown cannot reach: what lies near by is looked into, and what still has the pictures is told."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from byline.catalog.corpora.manifest import EXPORT
from byline.catalog.corpora.written import RUN_FILE, Written
from byline.catalog.disk.folders import folders_in, is_there
from byline.catalog.disk.storage import Store
from byline.catalog.text import one_line
from byline.pipelines.rights.takedown.beyond import Beyond, delete_pages

LEVELS = 3
"""How many levels of folders below the current one are searched for pages, exports and runs."""


def near_by(store: Store) -> Iterator[Written]:
    """Yield the pages, the exports and the runs in and below the current folder, but for those inside the corpus."""
    corpus = store.local_path("").resolve() if store.is_local else None
    for folder in _folders(Path(), LEVELS, corpus):
        is_whole = any((folder / name).is_file() for name in (EXPORT, RUN_FILE))
        for path in [folder] if is_whole else sorted(folder.glob("*.html")):
            yield Written(path=str(path.resolve()), by="found here")


def _folders(folder: Path, levels: int, corpus: Path | None) -> Iterator[Path]:
    if folder.resolve() == corpus:
        return
    yield folder
    for below in folders_in(folder) if levels else ():
        yield from _folders(below, levels - 1, corpus)


def told_beyond(store: Store, noted: Sequence[dict[str, Any]], *, deletes: bool) -> Iterator[str]:
    """Delete the pages that byline wrote, if that is asked; yield a line for each place that still has what went."""
    places = [Beyond(**fields) for fields in noted]
    deleted = set(delete_pages(store, places)) if deletes else set()
    yield from (one_line(f"deleted: {path}") for path in sorted(deleted))
    left = [remnant for remnant in places if "://" in remnant.path or is_there(remnant.path)]
    for remnant in left:
        hint = "; --pages deletes it" if remnant.is_ours and not deletes else ""
        yield one_line(f"not reached: {remnant.kind} {remnant.path}: {remnant.told}{hint}")
