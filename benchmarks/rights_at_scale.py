"""Judging, planning and tracing large corpora of metadata. python -m benchmarks.rights_at_scale [SIZE...]"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.side_by_side import write_section
from benchmarks.synthetic import SOURCE, make_corpus, make_release
from byline.catalog.configs.loading import load_config
from byline.catalog.corpora.parts import parts_of
from byline.catalog.disk.storage import Store
from byline.catalog.policies.policy import Policy
from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.judging.judge import judge_parts, write_verdicts

SIZES = (1_000_000, 10_000_000)
NEW_POLICY = "configs/policies/public-domain.toml"
ROUNDS = 3


def _config(folder: Path) -> Path:
    path = folder / "corpus.toml"
    path.write_text(
        f'name = "big"\nroot = "{folder}/corpus"\npolicy = "commercial"\n[caption]\ncaptioner = "source-text"\n'
        f'[[sources]]\nname = "{SOURCE}"\nreader = "yfcc"\npath = "none.tsv"\nnum_packs = 1\n'
    )
    return path


def _judge(folder: Path) -> str:
    """Judge in this process, and return the cells of a row: it is a process of its own, for its memory."""
    config, policy = load_corpus_config(str(_config(folder)))
    store = config.store
    parts = parts_of(store, f"records/{SOURCE}/synthetic.parquet")
    num, seconds, only = sum(part.num_records for part in parts), [], []
    for _ in range(1 + ROUNDS):
        start = time.perf_counter()
        for _ in write_verdicts(parts, store, policy, config.instruments, (), lambda *_: None):
            pass
        seconds.append(time.perf_counter() - start)
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in judge_parts(parts, store, policy, config.instruments):
            pass
        only.append(time.perf_counter() - start)
    first, *again = seconds
    return f"{num:,} | {num / first:,.0f} rows/s | {_rate(num, again)} | {_rate(num, only)} | {_peak_mb():,.0f} MB"


def _peak_mb() -> float:
    """Return the most memory this process had. (What getrusage tells starts at what its parent had.)"""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def _rate(num: int, seconds: list[float]) -> str:
    return f"{num / median(seconds):,.0f} rows/s ({num / max(seconds):,.0f} to {num / min(seconds):,.0f})"


def _command(*arguments: str) -> str:
    """Run a verb several times, and return its wall time, Python's start included."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "byline.cli.main", *arguments], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return f"{median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


def _disk() -> str:
    """Return what the corpora lie on: 70 million rows are 85 GB where the disk does not compress them."""
    temporary = Path(tempfile.gettempdir()).resolve()
    mounts = [line.split()[1:4] for line in Path("/proc/mounts").read_text().splitlines()]
    _, kind, options = max((mount for mount in mounts if temporary.is_relative_to(mount[0])), key=lambda m: len(m[0]))
    return f"{kind} that compresses" if "compress" in options else kind


def _row(folder: Path, number: int) -> str:
    config, policy = load_corpus_config(str(_config(folder)))
    store = Store(config.root)
    parts = make_corpus(store, number, config=config, policy=policy)
    judged = subprocess.run(
        [sys.executable, "-m", "benchmarks.rights_at_scale", "judge", str(folder)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()
    print(judged, file=sys.stderr, flush=True)
    make_release(store, parts, config, policy)
    assert load_config(NEW_POLICY, Policy) != policy
    plan = _command("plan", str(_config(folder)), "--policy", NEW_POLICY, "--json")
    record_id = f"{SOURCE}:{number // 2}"
    by_id = _command("trace", record_id, "--corpus", config.root)
    by_url = _command("trace", f"https://pictures.example/{number // 2}.jpg", "--corpus", config.root)
    return f"| {judged} | {plan} | {by_id} | {by_url} |"


if __name__ == "__main__":
    if sys.argv[1:2] == ["judge"]:
        print(_judge(Path(sys.argv[2])))
        sys.exit()
    names = ["rows", "judged first (facts joined)", "judged again", "without writing", "peak memory"]
    names += ["`byline plan`", "`byline trace` by id", "by URL"]
    lines = [f"| {' | '.join(names)} |", "|" + "---:|" * len(names)]
    for size in [int(argument) for argument in sys.argv[1:]] or SIZES:
        with tempfile.TemporaryDirectory() as root:
            lines.append(_row(Path(root), size))
    sizes = "".join(f", {int(argument):,}" for argument in sys.argv[1:])
    write_section(
        f"Rights at scale{sizes}",
        f"python -m benchmarks.rights_at_scale {' '.join(sys.argv[1:])}".strip(),
        "Synthetic records with the claims, credits and outcomes of the samples, 3 % of the pictures with a near copy, "
        "in packs of 10,000. Judged under `commercial`, with verdicts written; planned from it to `public-domain`, "
        "which changes every pack. The verbs are timed from outside, Python's start included; medians, least to "
        f"most. The corpora lay on {_disk()}.\n\n" + "\n".join(lines),
    )
