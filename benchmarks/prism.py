"""Builds on Prism beside local ones: python -m benchmarks.prism [PICTURES]

The same corpus is built on this machine by two processes, and by Prism with a pool.
"""

import sys
import tempfile
from pathlib import Path

from benchmarks.side_by_side import write_section
from harness.cluster import a_free_port, a_pool, a_prism, beam_options
from harness.fetch_only import run, write_corpus
from harness.pictures import a_jpeg
from harness.web import Web, a_web

NUM_PICTURES = 20_000
LATENCY_S = 0.03
NUM_HOSTS = 500
BYLINE = [sys.executable, "-m", "byline.cli.main", "build"]


def _corpus(folder: Path, web: Web, number: int, num_packs: int) -> Path:
    urls = [web.url(index % NUM_HOSTS, index % 20, index) for index in range(number)]
    return write_corpus(folder, urls, num_packs=num_packs, fetch={"per_host": 2, "rate_per_s": 50.0})


def beside_local(number: int) -> str:
    """Return a table of the walls of two builds, and whether they gave the same release."""
    with tempfile.TemporaryDirectory() as name:
        folder, port, pool_port = Path(name), a_free_port(), a_free_port()
        with a_web(folder, [a_jpeg(seed) for seed in range(20)], latency_s=LATENCY_S) as web:
            local = _corpus(folder / "local", web, number, 8)
            there = _corpus(folder / "there", web, number, 8)
            ours = run([*BYLINE, str(local), "--workers=2"])
            with a_prism(port, folder / "prism.log"), a_pool(pool_port, folder / "pool.log"):
                options = beam_options(f"localhost:{port}", f"localhost:{pool_port}")
                theirs = run([*BYLINE, str(there), "--", *options])
        same = _version(local) == _version(there)
    rows = [f"| local, 2 processes | {ours.wall_s:.0f} s | |"]
    rows += [f"| Prism and a pool | {theirs.wall_s:.0f} s | {theirs.wall_s / ours.wall_s:.2f} |"]
    head = f"{number:,} pictures, {'the same release' if same else 'NOT the same release'}.\n\n"
    return head + "| where | wall | beside local |\n|---|---:|---:|\n" + "\n".join(rows)


def _version(config: Path) -> str:
    return (config.parent / "corpus/releases/fetched/LATEST").read_text().strip()


if __name__ == "__main__":
    pictures = int(sys.argv[1]) if len(sys.argv) > 1 else NUM_PICTURES
    command = f"python -m benchmarks.prism {' '.join(sys.argv[1:])}".strip()
    write_section("Builds on other runners", command, beside_local(pictures))
