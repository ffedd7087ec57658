"""A changed policy beside a build from nothing, as wall time. python -m benchmarks.policy_change [SIZE...]

Pictures are crops of the samples' photographs and drawings. The new policy asks for a larger side, so that it refuses
5 % or 0.1 % of what the old one admitted, spread over all packs.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from rich.progress import track

from benchmarks.side_by_side import write_section
from catalog.manifest import Release
from catalog.storage import Store
from pipelines.sources.yfcc import COLUMNS

SIZES = (2_000, 10_000, 40_000)
SHARES = (0.05, 0.001)
ROUNDS = 3
PACK_RECORDS = 10_000
POLICY = """
[license]
families = ["CC-BY"]
[image]
min_side_px = {side}
[duplicates]
radius_bits = 0
[release]
obligations = ["attribution"]
"""


def _pictures(folder: Path, number: int) -> list[int]:
    """Write `number` crops, and return the shorter side of each."""
    sources = [Image.open(path).convert("RGB") for path in sorted(Path("samples/photographs").glob("*.jpg"))]
    random, sides = np.random.default_rng(0), []
    for place in track(range(number), description=f"{number:,} pictures"):
        source = sources[place % len(sources)]
        width, height = (int(side * random.uniform(0.4, 0.95)) for side in source.size)
        left, top = int(random.integers(0, source.width - width)), int(random.integers(0, source.height - height))
        crop = source.crop((left, top, left + width, top + height)).resize((max(64, 2 * width), max(64, 2 * height)))
        crop.save(folder / f"{place}.jpg", quality=90)
        sides.append(min(crop.size))
    return sides


def _corpus(folder: Path, number: int) -> tuple[Path, list[int]]:
    (folder / "pictures").mkdir(parents=True)
    sides = _pictures(folder / "pictures", number)
    blank = dict.fromkeys(COLUMNS, "")
    with (folder / "metadata.tsv").open("w") as file:
        for place in range(number):
            row = {
                **blank,
                "photoid": str(place),
                "downloadurl": f"https://p.example/{place}.jpg",
                "unickname": f"a{place % 99}",
            }
            row |= {
                "licenseurl": "https://creativecommons.org/licenses/by/2.0/",
                "title": f"crop {place}",
                "marker": "0",
            }
            file.write("\t".join(row.values()) + "\n")
    (folder / "corpus.toml").write_text(
        f'name = "crops"\nroot = "{folder}/corpus"\npolicy = "{folder}/policy.toml"\n'
        f'[[sources]]\nname = "crops"\nreader = "yfcc"\npath = "{folder}/metadata.tsv"\n'
        f"num_packs = {max(2, number // PACK_RECORDS)}\n"
        f'[caption]\ncaptioner = "source-text"\n[serve]\n"https://p.example/" = "{folder}/pictures"\n'
    )
    return folder / "corpus.toml", sides


def _build(config: Path, side: int) -> float:
    """Run `byline build` under a policy that asks for this side, and return its seconds."""
    (config.parent / "policy.toml").write_text(POLICY.format(side=side))
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "cli.main", "build", str(config)], check=True, capture_output=True)
    return time.perf_counter() - start


def _forget(store: Store, shards: set[str]) -> None:
    """Delete the shards that only the last build made, so that the next one has to make them again."""
    for name in shards:
        for kind in ("json", "tar", "parquet"):
            store.remove(f"shards/{name.removesuffix('.tar')}.{kind}")


def _measure(folder: Path, number: int) -> list[str]:
    config, sides = _corpus(folder, number)
    store = Store(f"{folder}/corpus")
    from_nothing = _build(config, 1)
    before = Release(f"{folder}/corpus/releases/crops")
    cells = [f"{number:,}", f"{from_nothing:,.1f} s"]
    for share in SHARES:
        side = int(np.quantile(sides, share)) + 1
        seconds = []
        for _ in range(ROUNDS):
            seconds.append(_build(config, side))
            after = Release(f"{folder}/corpus/releases/crops")
            _forget(store, {s.name for s in after.manifest.shards} - {s.name for s in before.manifest.shards})
            _build(config, 1)
        refused = before.manifest.counts["admitted"] - after.manifest.counts["admitted"]
        rewritten = len({s.name for s in after.manifest.shards} - {s.name for s in before.manifest.shards})
        cells.append(
            f"{refused:,} ({refused / number:.2%}), {rewritten} of {len(after.manifest.shards)} shards: "
            f"{median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), "
            f"{from_nothing / median(seconds):,.0f}x"
        )
    return cells


if __name__ == "__main__":
    lines = ["| images | from nothing | about 5 % change | about 0.1 % change |", "|---:|---:|---:|---:|"]
    for size in [int(argument) for argument in sys.argv[1:]] or SIZES:
        with tempfile.TemporaryDirectory() as folder:
            lines.append("| " + " | ".join(_measure(Path(folder), size)) + " |")
    write_section(
        "Policy change",
        f"python -m benchmarks.policy_change {' '.join(sys.argv[1:])}".strip(),
        "Wall time of `byline build`, Python's start included: once from nothing, and after a change of policy (median "
        f"of {ROUNDS}, least to most; last how many times faster). Refused images are spread over all packs, so every "
        "shard that holds one is spliced.\n\n" + "\n".join(lines),
    )
