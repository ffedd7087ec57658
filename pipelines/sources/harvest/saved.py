"""The file of a harvest: one whole answer a line, in order. What a kill tore off is cut, nothing is written twice."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import SEEK_END
from typing import IO, Any

from byline.catalog.digests import sha256_hex
from byline.catalog.disk.locks import take_lock
from byline.catalog.errors import ConfigError, SourceError
from byline.catalog.json_text import parse_json
from byline.pipelines.sources.harvest.asking import Answered

_BEGINNING = b'{"request": "'
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class SavedLine:
    """What a harvest needs to know of an answer that it saved before."""

    request: str
    answer: dict[str, Any]
    pictures: int
    """Pictures in all answers up to and including this one."""


class SavedFile:
    """A file of answers that is open to write, by one process at a time."""

    def __init__(self, path: str, file: IO[bytes]) -> None:
        self.path = path
        self.file = file
        self.first_request: str | None = None
        self.last: SavedLine | None = None
        self._take_up()

    def append(self, answered: Answered, pictures: int) -> None:
        """Save an answer; when this returns it is on the disk. `pictures` counts those of all answers so far."""
        line = {
            "request": answered.request,
            "retrieved_at": answered.retrieved_at,
            "sha256": answered.sha256,
            "pictures": pictures,
            "body": answered.body,
        }
        self.file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        self.file.flush()
        os.fsync(self.file.fileno())
        self.last = SavedLine(request=answered.request, answer=answered.answer, pictures=pictures)

    def _take_up(self) -> None:
        """Cut what comes after the last whole line, and read the first line and the last."""
        self.file.seek(0)
        start = self.file.read(len(_BEGINNING))
        if not _BEGINNING.startswith(start):
            raise ConfigError(f"{self.path} was not written by byline harvest; give another file as --out")
        end = self._end_of_lines()
        self.file.truncate(end)
        if end == 0:
            return
        self.file.seek(0)
        self.first_request = self._line(self.file.readline()).request
        self.file.seek(self._last_newline_before(end - 1))
        self.last = self._line(self.file.readline())
        self.file.seek(0, SEEK_END)

    def _end_of_lines(self) -> int:
        return self._last_newline_before(self.file.seek(0, SEEK_END))

    def _last_newline_before(self, end: int) -> int:
        """Return the place after the last newline in the bytes before `end`, 0 when there is none."""
        while end > 0:
            start = max(0, end - _BLOCK_BYTES)
            self.file.seek(start)
            offset = self.file.read(end - start).rfind(b"\n")
            if offset >= 0:
                return start + offset + 1
            end = start
        return 0

    def _line(self, line: bytes) -> SavedLine:
        try:
            saved = parse_json(line)
            if sha256_hex(saved["body"].encode()) != saved["sha256"]:
                raise ValueError("the body is not what its sha256 says")
            answer = parse_json(saved["body"])
            if not (isinstance(answer, dict) and isinstance(saved["pictures"], int)):
                raise TypeError("the body is no object")
            return SavedLine(request=str(saved["request"]), answer=answer, pictures=saved["pictures"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(
                f"{self.path} is damaged ({str(error).splitlines()[0]:.120}), so this harvest cannot go on; "
                "give another file as --out"
            ) from error


@contextmanager
def open_saved(path: str) -> Iterator[SavedFile]:
    """Open the file of a harvest, to begin it or to go on. Raises `ConfigError` for a file that is something else."""
    if not path.endswith(".jsonl"):
        raise ConfigError(f"--out must end in .jsonl, got {path!r}: that is how readers know it (pack it afterwards)")
    try:
        file = open(path, "a+b")  # noqa: SIM115 - closed below
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; give another file as --out") from error
    with file:
        if not take_lock(file):
            raise ConfigError(f"another byline harvest writes {path}; wait for it, or give another --out")
        yield SavedFile(path, file)
