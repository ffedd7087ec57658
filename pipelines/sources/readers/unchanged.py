"""The digest of a source's files, remembered for as long as the file system tells of no change to any of them.

Sources of pictures are as large as what they hold: to read them whole at every build would take hours. A file counts as
unchanged when path, size, inode, and the times of change of its bytes (mtime) and of its entry (ctime) are the same.
Programs set the mtime back at will, the ctime they cannot: only a clock that was set back hides a change of equal size.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from byline.catalog.digests import canonical_json
from byline.catalog.disk import layout
from byline.catalog.disk.far import is_far
from byline.catalog.disk.json_files import read_json, write_json
from byline.catalog.disk.storage import Store
from byline.catalog.errors import SourceError, StorageError, UnreachableError
from byline.pipelines.sources.readers.files import states_of

SETTLED_S = 3.0
"""Least age of a touch: what was touched later than that before it is read could change within one tick of a clock, and
is not remembered."""


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """The files of a source."""

    name: str
    """Name of the source."""
    path: str
    """Path of the source, as its config says."""
    files: Sequence[str]
    """The files that the path names, in order."""


def remembered(
    source: SourceFiles, read: Callable[[], str], store: Store, *, keep: bool, settled_s: float = SETTLED_S
) -> str:
    """Return what `read` gives, the digest of these files, without reading them where none was touched since.

    With `keep` it is remembered for the next time. Kept is nothing that tells of one file.
    """
    path, began_s = f"{layout.SOURCES}/{source.name}.json", time.time()
    state, touched_s = _state_of(source)
    if state in (kept := _kept(store, path)):
        return kept[state]
    digest = read()
    if keep and touched_s < began_s - settled_s and _state_of(source)[0] == state:
        write_json(store, path, {state: digest}, is_scratch=True)
    return digest


def _kept(store: Store, path: str) -> dict[str, str]:
    if not store.exists(path):
        return {}
    try:
        return read_json(store, path)
    except UnreachableError:
        raise
    except StorageError:  # scratch, which a power cut may tear
        return {}


def _state_of(source: SourceFiles) -> tuple[str, float]:
    """Return a digest of what the file system says of the files, and when the last of them was touched.

    What an object store says of a file changes with every write, so there it is not to settle first.
    """
    state, touched_ns = sha256(os.fsencode(source.path) + b"\0"), 0
    if is_far(source.path):
        state.update(canonical_json(dict(states_of(source.path, source=source.name))))
        return state.hexdigest(), 0.0
    for file in source.files:
        try:
            status = Path(file).stat()
        except OSError as error:
            raise SourceError(f"cannot read {file}: {error.strerror}; check `path` in the corpus config") from error
        numbers = [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]
        state.update(os.fsencode(Path(file).absolute()) + b"\0" + canonical_json(numbers))
        touched_ns = max(touched_ns, status.st_mtime_ns, status.st_ctime_ns)
    return state.hexdigest(), touched_ns / 1e9
