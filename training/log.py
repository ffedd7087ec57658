"""The loss log of a run: one JSON object a line, consistent with the checkpoint that a run goes on from."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class LogEntry:
    """What happened since the entry before."""

    images_seen: int
    loss: float
    """Mean over the images since the entry before, over all ranks."""
    lr: float
    images_per_s: float


def read_log(path: Path) -> list[LogEntry]:
    """Return the entries of a log. A last line that a killed run left half written is left out."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    return [LogEntry(**json.loads(line)) for line in lines if line.endswith("\n")]


def rewind_log(path: Path, images_seen: int) -> None:
    """Keep the entries up to `images_seen`: what comes later will be computed again."""
    kept = [entry for entry in read_log(path) if entry.images_seen <= images_seen]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text("".join(map(_line, kept)))
    partial.replace(path)


def append_log(path: Path, entry: LogEntry) -> None:
    """Add an entry, in one write."""
    with path.open("ab", buffering=0) as file:
        file.write(_line(entry).encode())
        os.fsync(file.fileno())


def _line(entry: LogEntry) -> str:
    return json.dumps(asdict(entry)) + "\n"
