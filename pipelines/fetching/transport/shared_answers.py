"""What was found out for all, kept for the processes of one run: each of them asks for it only if no other has.

One file for each slot of the table of hosts, which keeps the youngest answers of that slot up to a size, so that what
they fill does not grow with the number of hosts. Who reads or writes a file holds its lock, which the system frees when
a process dies, however it dies.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from byline.catalog.digests import canonical_json
from byline.catalog.disk.locks import take_lock
from byline.pipelines.fetching.transport.host_table import place_of, seconds_since_boot

TURN_S = 0.05
"""Time between two looks at whether another process has done with a file."""
MAX_OLDER_BYTES = 1 << 15
"""Most that the answers of a slot fill beside its youngest."""
Found = dict[str, Any]
"""What was found out: plain data."""


class Turn(Protocol):
    """The right to find something out, for all others."""

    kept: Found | None
    """What another has found out, and is young enough; none where it is to be found out now."""

    def keep(self, answers: Found) -> None:
        """Keep what was found out, for all who come later."""


class TurnAlone:
    """The turn of one who shares nothing."""

    kept: Found | None = None

    def keep(self, answers: Found) -> None:
        """Keep nothing."""


class FileTurn:
    """The turn of one who holds the lock of a file."""

    def __init__(self, file: IO[bytes], key: str, max_age_s: float) -> None:
        self._file, self._key = file, key
        self._lines = file.read().splitlines(keepends=True)
        """A line for each key of the slot that was found out, the youngest last."""
        self.kept = next((kept for line in reversed(self._lines) if (kept := self._read(line, max_age_s))), None)

    def keep(self, answers: Found) -> None:
        """Keep what was found out just now, in place of what was kept of it."""
        youngest = canonical_json({"key": self._key, "at_s": seconds_since_boot(), "found": answers}) + b"\n"
        others = [line for line in self._lines if _as_kept(line).get("key", self._key) != self._key]
        while sum(map(len, others)) > MAX_OLDER_BYTES:
            del others[0]
        self._file.seek(0)
        self._file.truncate()
        self._file.write(b"".join([*others, youngest]))

    def _read(self, line: bytes, max_age_s: float) -> Found | None:
        """Return what a line keeps, none where that is nothing, too old, of another key, or torn by a kill."""
        kept = _as_kept(line)
        try:
            age_s = seconds_since_boot() - kept["at_s"]
            is_mine = kept["key"] == self._key and 0 <= age_s < max_age_s and isinstance(kept["found"], dict)
            return kept["found"] if is_mine else None
        except (KeyError, TypeError):
            return None


def _as_kept(line: bytes) -> Found:
    try:
        kept = json.loads(line)
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}


class SharedAnswers:
    """Files in a folder that the processes of one run have, and nobody else may write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @asynccontextmanager
    async def turn(self, key: str, *, max_age_s: float) -> AsyncIterator[FileTurn]:
        """Give the turn of a key, once no other process or task has it. What is older than `max_age_s` is not kept."""
        while True:
            with self._locked(key) as file:
                if file is not None:
                    yield FileTurn(file, key, max_age_s)
                    return
            await asyncio.sleep(TURN_S)

    @contextmanager
    def _locked(self, key: str) -> Iterator[IO[bytes] | None]:
        with (self.folder / f"{place_of(key)[0]}.json").open("a+b") as file:
            if not take_lock(file):
                yield None
                return
            file.seek(0)
            yield file
