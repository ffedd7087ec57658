"""The logs of a run: one JSON object a line, consistent with the checkpoint that a run goes on from."""

import json
import os
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from byline.catalog.errors import CheckpointError

LOG = "log.jsonl"
VALIDATION = "validation.jsonl"
SAMPLES = "samples"
"""Folder of drawn grids, by images seen."""
WAITS_MS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
"""Where the classes of `LogEntry.waits` end; the last class has no end."""


class Entry(BaseModel, frozen=True, extra="forbid", ser_json_inf_nan="strings"):
    """A line of a log."""

    images_seen: int


class LogEntry(Entry, frozen=True, extra="forbid"):
    """What happened since the entry before. What an older byline did not write is None."""

    loss: float
    """Mean over the images since the entry before, over all ranks."""
    lr: float
    """The learning rate of the last step."""
    images_per_s: float
    grad_norm: float | None = None
    """Mean over steps of the norm of all gradients, before they are clipped."""
    grad_norm_max: float | None = None
    wait_ms: float | None = None
    """How long a step waited for its data: mean over steps and ranks."""
    wait_max_ms: float | None = None
    waits: tuple[int, ...] | None = None
    """How many steps waited how long, all ranks counted: classes that end at `WAITS_MS`."""
    memory_bytes: int | None = None
    """The most that any rank held at once since it started: of its GPU, or else of the machine."""


class ValidationEntry(Entry, frozen=True, extra="forbid"):
    """How far the averaged weights are from pictures that are held out."""

    of: str
    """Digest of what was measured on: pictures, levels, frozen networks. Entries of one digest compare, across runs."""
    num_images: int
    loss: float
    """Mean over the levels."""
    levels: tuple[float, ...]
    """The loss by noise level, the least noise first."""


EntryT = TypeVar("EntryT", bound=Entry)


def read_log(path: Path) -> list[LogEntry]:
    """Return the entries of a log. A last line that a killed run left half written is left out."""
    return read_entries(path, LogEntry)


def read_entries(path: Path, kind: type[EntryT]) -> list[EntryT]:
    """Return the entries of a log of any kind. Raises `CheckpointError`, one line, for one that cannot be read."""
    entries = []
    for number, line in enumerate(_whole_lines(path), 1):
        try:
            entries.append(kind.model_validate_json(line))
        except ValidationError as error:
            raise CheckpointError(f"{path} is damaged: line {number} is no entry; remove that line") from error
    return entries


def rewind_log(path: Path, images_seen: int) -> None:
    """Keep the entries up to `images_seen`, if there is a log: what comes later will be computed again."""
    if not path.exists():
        return
    kept = [line for line in _whole_lines(path) if json.loads(line)["images_seen"] <= images_seen]
    partial = path.with_suffix(".partial")
    partial.write_text("".join(kept))
    partial.replace(path)


def append_log(path: Path, entry: Entry) -> None:
    """Add an entry, in one write."""
    with path.open("ab", buffering=0) as file:
        file.write(entry.model_dump_json(exclude_none=True).encode() + b"\n")
        os.fsync(file.fileno())


def _whole_lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
