"""Builds on Prism beside local ones: python -m benchmarks.prism [PICTURES]

The same corpus is built on this machine by two processes, and by Prism with a pool.
"""

import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.side_by_side import write_section
from harness.cluster import a_free_port, a_pool, a_prism, beam_options
from harness.fetch_only import run, write_corpus
from harness.pictures import a_jpeg
from harness.web import Web, a_web

NUM_PICTURES, ROUNDS = 20_000, 3
LATENCY_S = 0.03
NUM_HOSTS = 500
BYLINE = [sys.executable, "-m", "byline.cli.main", "build"]


def _corpus(folder: Path, web: Web, number: int, num_packs: int) -> Path:
    urls = [web.url(index % NUM_HOSTS, index % 20, index) for index in range(number)]
    return write_corpus(folder, urls, num_packs=num_packs, fetch={"per_host": 2, "rate_per_s": 50.0})


def beside_local(number: int) -> str:
    """Return a table of the walls of builds in turn, and whether all gave the same release."""
    walls: dict[str, list[float]] = {"local, 2 processes": [], "Prism and a pool": []}
    versions = set()
    with tempfile.TemporaryDirectory() as name:
        folder, port, pool_port = Path(name), a_free_port(), a_free_port()
        on_prism = ["--", *beam_options(f"localhost:{port}", f"localhost:{pool_port}")]
        with a_web(folder, [a_jpeg(seed) for seed in range(20)], latency_s=LATENCY_S) as web:
            for turn in range(ROUNDS):
                for (where, walls_s), options in zip(walls.items(), (["--workers=2"], on_prism), strict=True):
                    config = _corpus(folder / f"{where} {turn}", web, number, 8)
                    with a_prism(port, folder / "prism.log"), a_pool(pool_port, folder / "pool.log"):
                        walls_s.append(run([*BYLINE, str(config), *options]).wall_s)
                    versions.add((config.parent / "corpus/releases/fetched/LATEST").read_text().strip())
    alone = median(walls["local, 2 processes"])
    rows = [f"| {where} | {_times(walls_s)} | {median(walls_s) / alone:.2f} |" for where, walls_s in walls.items()]
    releases = "the same release every time" if len(versions) == 1 else f"{len(versions)} DIFFERENT releases"
    head = f"{number:,} pictures, {releases}. Medians of {ROUNDS} in turn (least to most).\n\n"
    return head + "| where | wall | beside local |\n|---|---:|---:|\n" + "\n".join(rows)


def _times(walls_s: list[float]) -> str:
    return f"{median(walls_s):.0f} s ({min(walls_s):.0f} to {max(walls_s):.0f})"


if __name__ == "__main__":
    pictures = int(sys.argv[1]) if len(sys.argv) > 1 else NUM_PICTURES
    command = f"python -m benchmarks.prism {' '.join(sys.argv[1:])}".strip()
    write_section("Builds on other runners", command, beside_local(pictures))
