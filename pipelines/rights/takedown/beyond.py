"""What a takedown cannot reach, outside of the corpus: sources, pages, exports, runs. Found before it begins."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from html import unescape
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.manifest import Manifest
from byline.catalog.corpora.written import BY_TRAINING, RUN_FILE, Written, forget_written, noted_page, read_written
from byline.catalog.disk import layout
from byline.catalog.disk.far import is_far
from byline.catalog.disk.folders import absolute, is_file, is_there
from byline.catalog.disk.storage import Store
from byline.catalog.errors import BylineError
from byline.catalog.json_text import parse_json
from byline.pipelines.rights.takedown.scan import scan_file
from byline.pipelines.rights.takedown.windows import Matcher
from byline.pipelines.rights.traces.scanning import all_parts

NAMED = 5
"""Files of a folder that are named; of further ones the number is told."""
MAX_PAGE_BYTES = 1 << 30
HAD: dict[str, str] = {
    "page": "it shows pictures of version {}, which had it",
    "export": "an export of version {}, which had it; delete it and export the release again",
    "run": "a run trained on version {}, which had it: its feed may hold it encoded, and its checkpoints saw it; "
    "delete its folder 'feed' (or machine.cache), and train on the new version",
}
_BETWEEN_WORDS = re.compile(r"[\s\"'<>,()]+")


@dataclass(frozen=True, kw_only=True)
class Beyond:
    """A place outside of the corpus that still has what goes."""

    kind: Literal["pictures", "source", "page", "export", "run", "note"]
    path: str
    told: str
    """What this place still has, in words."""
    is_ours: bool = False
    """A page with the very bytes that byline noted to have written: it can be deleted when that is asked."""


def beyond(
    store: Store,
    record_ids: Collection[str],
    matcher: Matcher | None,
    versions: Collection[str],
    near: Iterable[Written] = (),
) -> list[dict[str, Any]]:
    """Return every `Beyond`, as JSON has it: where the sources have the records, and which pages, exports, runs do.

    Looked at are what byline noted to have written about this corpus, and `near`, what lies near by. `versions` are the
    releases that are made again: an export of one of them still has what goes, and so has a run trained on it.
    """
    records = _records(store, record_ids)
    words = {word for row in records for word in (row["record_id"], row["url"], row["landing_url"]) if word}
    remnants = [*_held(records), *_sources(records)]
    written, damaged = read_written(store)
    remnants += [Beyond(kind="note", path=path, told=damage) for path, damage in damaged.items()]
    ours = {note.path: note for note in written}
    for path, note in sorted({**{note.path: note for note in near}, **ours}.items()):
        if (seen := _written(note, matcher, words, versions)) is not None:
            remnants.append(Beyond(**{**asdict(seen), "is_ours": path in ours and ours[path].is_as_written}))
    return [asdict(remnant) for remnant in remnants]


def delete_pages(store: Store, places: Iterable[Beyond]) -> Iterator[str]:
    """Delete the pages that byline wrote and that are still as it wrote them, and yield their paths."""
    for remnant in places:
        if remnant.is_ours and (noted := noted_page(store, remnant.path)) is not None and noted.is_as_written:
            Path(remnant.path).unlink()
            forget_written(store, remnant.path)
            yield remnant.path


def _records(store: Store, record_ids: Collection[str]) -> list[dict[str, Any]]:
    wanted, records = pa.array(sorted(record_ids), pa.string()), []
    columns = ["record_id", "url", "landing_url", "held", "evidence_file", "evidence_place"]
    for part in all_parts(store) if len(wanted) else ():
        rows = part.read_records(store, columns)
        records += rows.filter(pc.is_in(rows["record_id"], wanted)).to_pylist()
    return records


def _held(records: Iterable[dict[str, Any]]) -> Iterator[Beyond]:
    """Yield each folder of the own pictures that are still there; of an object store, what may be."""
    names = defaultdict(set)
    for row in records:
        path = (row["held"] or "").rsplit("#", 1)
        held_path = row["held"] if is_file(row["held"] or "") else path[0]
        if held_path and is_far(held_path):
            names[held_path.rpartition("/")[0]].add(held_path.rpartition("/")[2])
        elif held_path and is_file(held_path):
            names[str(Path(held_path).parent)].add(Path(held_path).name)
    for folder, held in sorted(names.items()):
        yield Beyond(kind="pictures", path=folder, told=_listed(held, "file", "that the pictures were read from"))


def _sources(records: Iterable[dict[str, Any]]) -> Iterator[Beyond]:
    """Yield each file, on this machine or an object store, whose rows the records were read from."""
    places = defaultdict(set)
    for row in records:
        if is_far(row["evidence_file"]):
            places[row["evidence_file"]].add(row["evidence_place"])
        elif is_there(row["evidence_file"]):
            places[absolute(row["evidence_file"])].add(row["evidence_place"])
    for path, rows in sorted(places.items()):
        yield Beyond(kind="source", path=path, told=_listed(rows, "row", "that the records were read from"))


def _listed(names: Collection[str], what: str, which: str) -> str:
    first = ", ".join(sorted(names)[:NAMED])
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"{len(names):,} {what}{'' if len(names) == 1 else 's'} {which}: {first}{more}"


def _written(
    written: Written, matcher: Matcher | None, words: Collection[str], versions: Collection[str]
) -> Beyond | None:
    """Return what of a page, an export or a run still has what goes; none for what is gone or has nothing of it."""
    if is_file(written.path):
        detail = _page(Path(written.path), matcher, words)
        if detail is None and written.version in versions:
            detail = HAD["page"].format(written.version)
        return Beyond(kind="page", path=written.path, told=f"{detail}; by {written.by}") if detail else None
    kind: Literal["export", "run"] = "run" if written.by == BY_TRAINING else "export"
    try:
        store = Store(written.path)
        if store.exists(RUN_FILE):
            kind, version = "run", str(parse_json(store.read_bytes(RUN_FILE))["release_version"])
        elif store.exists(layout.MANIFEST):
            version = Manifest.model_validate_json(store.read_bytes(layout.MANIFEST)).digest[:16]
        else:
            return None
    except (BylineError, ValueError, KeyError, TypeError) as error:
        detail = f"cannot be looked into ({str(error).splitlines()[0]})"
        return Beyond(kind=kind, path=written.path, told=detail) if kind == "run" or "://" in written.path else None
    return Beyond(kind=kind, path=written.path, told=HAD[kind].format(version)) if version in versions else None


def _page(path: Path, matcher: Matcher | None, words: Collection[str]) -> str | None:
    try:
        if path.stat().st_size > MAX_PAGE_BYTES:
            return "too large to be looked into"
        if matcher is not None and any(scan_file(Store(str(path.parent)), path.name, matcher)):
            return "it shows the picture"
        page_words = set(_BETWEEN_WORDS.split(unescape(path.read_text(encoding="utf-8", errors="replace"))))
    except (OSError, BylineError) as error:
        return f"cannot be looked into ({error})"
    return "it names the record" if page_words.intersection(words) else None


def matcher_of(prints: np.ndarray[Any, np.dtype[np.uint64]], key: bytes) -> Matcher | None:
    """Return what finds the pictures that go in other files; none when nothing of them can be recognized."""
    return Matcher(prints, key) if len(prints) else None
