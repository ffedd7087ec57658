"""Time two ways of doing one thing, interleaved in one process, at several sizes; keep the table in RESULTS.md."""

import platform
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).parent / "RESULTS.md"
ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class Row:
    """One size: seconds of each round, ours and the peer's."""

    size: int
    ours_s: Sequence[float]
    peer_s: Sequence[float]


def measure(
    size: int,
    ours: Callable[[], object],
    peer: Callable[[], object],
    *,
    rounds: int = ROUNDS,
    clock: Callable[[], float] = time.perf_counter,
) -> Row:
    """Run both once to warm up, then alternate; so a slow moment of the machine hits both."""
    ours(), peer()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for arm, work in zip(times, (ours, peer), strict=True):
            start = clock()
            work()
            arm.append(clock() - start)
    return Row(size=size, ours_s=times[0], peer_s=times[1])


def table(unit: str, ours: str, peer: str, rows: Sequence[Row]) -> str:
    """Return a Markdown table: medians, spread (least to most), and last the ratio of the medians."""
    lines = [f"| {unit} | {ours} | {peer} | ratio |", "|---:|---:|---:|---:|"]
    for row in rows:
        ratio = median(row.peer_s) / median(row.ours_s)
        lines.append(f"| {row.size:,} | {_times(row.ours_s)} | {_times(row.peer_s)} | {ratio:.1f}x |")
    return "\n".join(lines)


def _times(seconds: Sequence[float]) -> str:
    return f"{median(seconds) * 1e3:,.1f} ms ({min(seconds) * 1e3:,.1f} to {max(seconds) * 1e3:,.1f})"


def write_section(title: str, command: str, text: str) -> None:
    """Put a section into RESULTS.md, in place of the one with the same title, and print it."""
    section = f"## {title}\n\n`{command}` on {platform.machine()}, Python {platform.python_version()}\n\n{text}\n"
    old = RESULTS.read_text() if RESULTS.exists() else "# Results\n\nWritten by the commands that each section names.\n"
    sections = [part for part in re.split(r"\n(?=## )", old.rstrip("\n")) if not part.startswith(f"## {title}\n")]
    head, *others = sections
    RESULTS.write_text("\n\n".join([head.strip(), *sorted(part.strip() for part in [*others, section])]) + "\n")
    print(section)
