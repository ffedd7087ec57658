"""A build up to its fetch, in a process of its own: the same Beam graph, and no stage after; timed, its memory seen.

python -m harness.fetch_only CONFIG runs one.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from byline.catalog.corpora.packs import read_attempts
from byline.catalog.disk.storage import Store
from byline.pipelines.beam.workers import quick_imports, worker_server
from byline.pipelines.corpora.config import CorpusConfig, load_corpus_config
from byline.pipelines.sources.readers.yfcc import COLUMNS

WORKERS = 2
POLL_S = 0.02
LICENSE = "https://creativecommons.org/licenses/by/2.0/"
POLICY = """
[license]
families = ["CC-BY"]
[duplicates]
radius_bits = 0
[image]
placeholder_from = 1_000_000
[release]
obligations = ["attribution"]
"""
LOOPBACK = {"allow": ["127.0.0.0/8"], "contact": "benchmarks@byline.example"}


def write_corpus(
    folder: Path, urls: Sequence[str], *, num_packs: int, fetch: Mapping[str, object] = {}, root: str | None = None
) -> Path:
    """Write metadata, policy and config of a corpus of these URLs, asked for in their order, and return the config.

    The corpus itself will lie at `root`, by default below `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    blank = dict.fromkeys(COLUMNS, "")
    with (folder / "list.tsv").open("w") as file:
        for index, url in enumerate(urls):
            row = {**blank, "photoid": f"{index:08d}", "downloadurl": url, "title": f"picture number {index}"}
            row |= {"unickname": f"a{index % 99}", "licenseurl": LICENSE, "marker": "0"}
            file.write("\t".join(row.values()) + "\n")
    (folder / "policy.toml").write_text(POLICY)
    config = {
        "name": "fetched",
        "root": root or f"{folder}/corpus",
        "policy": f"{folder}/policy.toml",
        "sources": [{"name": "web", "reader": "yfcc", "path": f"{folder}/list.tsv", "num_packs": num_packs}],
        "fetch": {**LOOPBACK, **fetch},
        "caption": {"captioner": "source-text"},
    }
    (folder / "corpus.toml").write_text(tomli_w.dumps(config))
    return folder / "corpus.toml"


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A program that has ended."""

    wall_s: float
    """Its start included."""
    began_s: float
    """When it began, by the clock that all processes of a machine share."""
    peak_mb: float
    """The most memory that any one process of it had."""


def run(command: Sequence[str]) -> Ran:
    """Run a program to its end; watch the memory of it and of every process that it starts. Raises if it fails."""
    start, peaks = time.monotonic(), dict[int, int]()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peaks, ended))
    watcher.start()
    _, complaint = process.communicate()
    wall_s = time.monotonic() - start
    ended.set()
    watcher.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)[:200]}\nfailed: {complaint[-4000:]}")
    return Ran(wall_s=wall_s, began_s=start, peak_mb=max(peaks.values(), default=0) / 1024)


def _watch(root: int, peaks_kb: dict[int, int], ended: threading.Event) -> None:
    while not ended.wait(POLL_S):
        for pid in [root, *_children(root)]:
            peaks_kb[pid] = max(peaks_kb.get(pid, 0), _peak_kb(pid))


def _children(pid: int) -> list[int]:
    """Return the processes below one. Those that end meanwhile are left out."""
    pids: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            pids += map(int, path.read_text().split())
        except OSError:
            continue
    return [*pids, *(below for child in pids for below in _children(child))]


def _peak_kb(pid: int) -> int:
    """Return the most memory that a process had until now, 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def fetch_command(config: Path) -> list[str]:
    """Return the command that fetches a corpus."""
    return [sys.executable, "-m", "harness.fetch_only", str(config)]


def asked(config: Path) -> list[dict[str, object]]:
    """Return the rows of all segments of all packs of a corpus."""
    corpus = load_corpus_config(str(config))[0]
    packs = sorted({name.split(".")[0] for name in corpus.store.files("packs", suffix=".parquet")})
    return [row for pack in packs for row in read_attempts(corpus.store, pack).to_pylist()]


def _fetch(config: CorpusConfig, policy_path: str) -> None:
    with worker_server(WORKERS) as server, quick_imports():
        import apache_beam as beam

        from byline.catalog.progress import Meter
        from byline.pipelines.beam.running import options_of
        from byline.pipelines.beam.stages.fetch import Fetch
        from byline.pipelines.beam.stages.ingest import Ingest
        from byline.pipelines.beam.stages.judge_claims import JudgeClaims
        from byline.pipelines.corpora.config import load_policy

        policy = load_policy(policy_path, [source.name for source in config.sources])
        options, meter, store = options_of(WORKERS, (), server), Meter(), Store(config.root)
        with beam.Pipeline(runner=options.runner, options=options.pipeline) as pipeline:
            _ = (
                pipeline
                | "Sources" >> beam.Create(list(config.sources))
                | "Ingest" >> Ingest(store, config.denylists, meter)
                | "Spread" >> beam.Reshuffle()
                | "JudgeClaims" >> JudgeClaims(store, policy, meter)
                | "Fetch" >> Fetch(store, config.pixels, config.fetch, config.denylists, meter)
            )


if __name__ == "__main__":
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    read, _ = load_corpus_config(sys.argv[1])
    _fetch(read, read.policy)
