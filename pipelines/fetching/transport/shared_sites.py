"""What hosts said of all that they have, kept for the processes of one run: each host is asked for it once.

One file for each slot of the table of hosts, so that what they fill does not grow with the number of hosts. Who reads
or writes a file holds its lock, which the system frees when a process dies, however it dies.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from byline.catalog.digests import canonical_json
from byline.catalog.disk.locks import take_lock
from byline.pipelines.fetching.transport.host_table import place_of, seconds_since_boot

MAX_AGE_S = 86_400.0
"""Age at which a host's files are asked for again: RFC 9309, 2.4."""
MAX_SHARED_BYTES = 1 << 16
"""Largest file that is shared; each process reads a larger one itself."""
TURN_S = 0.05
"""Time between two looks at whether another process has done with a file."""


@dataclass(frozen=True, kw_only=True)
class SaidOfAll:
    """What an origin answered to the requests for its two files."""

    robots_status: int
    robots: bytes
    tdmrep_status: int | None
    """HTTP status of the answer for tdmrep.json; None where there was no answer."""
    tdmrep: bytes


class Turn:
    """The right to read and write what one origin said."""

    def __init__(self, file: IO[bytes], origin: str) -> None:
        self.file, self.origin = file, origin

    def read(self) -> SaidOfAll | None:
        """Return what is kept of the origin, none where that is nothing, too old, another's, or torn by a kill."""
        try:
            kept = json.loads(self.file.read())
            age_s = seconds_since_boot() - kept["at_s"]
            if kept["origin"] != self.origin or not 0 <= age_s < MAX_AGE_S:
                return None
            return SaidOfAll(
                robots_status=kept["robots_status"],
                robots=_bytes(kept["robots"]),
                tdmrep_status=kept["tdmrep_status"],
                tdmrep=_bytes(kept["tdmrep"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, files: SaidOfAll) -> None:
        """Keep what the origin said just now, in place of what was kept in its slot."""
        if len(files.robots) + len(files.tdmrep) > MAX_SHARED_BYTES:
            return
        kept = {
            "origin": self.origin,
            "at_s": seconds_since_boot(),
            "robots_status": files.robots_status,
            "robots": _text(files.robots),
            "tdmrep_status": files.tdmrep_status,
            "tdmrep": _text(files.tdmrep),
        }
        self.file.seek(0)
        self.file.truncate()
        self.file.write(canonical_json(kept))


class SharedSites:
    """Files in a folder that the processes of one run have, and nobody else may write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @asynccontextmanager
    async def turn(self, origin: str) -> AsyncIterator[Turn]:
        """Give the turn of an origin, once no other process or task has it."""
        while True:
            with self._locked(origin) as file:
                if file is not None:
                    yield Turn(file, origin)
                    return
            await asyncio.sleep(TURN_S)

    @contextmanager
    def _locked(self, origin: str) -> Iterator[IO[bytes] | None]:
        with (self.folder / f"{place_of(origin)[0]}.json").open("a+b") as file:
            if not take_lock(file):
                yield None
                return
            file.seek(0)
            yield file


def _text(data: bytes) -> str:
    return data.decode("latin-1")


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")
