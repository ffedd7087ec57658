"""Rows of a benchmark that goes on where it was stopped: JSON lines, one or more for each arm and seed."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """Return the rows that are there, the oldest first."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def append_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write rows behind those that are there."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def to_do(arms: Iterable[str], seeds: int, rows: Iterable[Row], *, key: str = "arm") -> Iterator[tuple[str, int]]:
    """Yield arms and seeds that have no rows yet, all arms before the next seed. A row names its arm in `key`."""
    done = {(row[key], row["seed"]) for row in rows}
    names = list(arms)
    for seed in range(seeds):
        yield from ((name, seed) for name in names if (name, seed) not in done)


def byline(*arguments: str) -> None:
    """Run a command of byline in a process of its own. Raises `CalledProcessError` when it fails."""
    subprocess.run([sys.executable, "-m", "byline.cli.main", *arguments], check=True)
