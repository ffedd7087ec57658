"""A changed policy beside a build from nothing, as wall time. python -m benchmarks.policy_change [SIZE...]

Pictures are crops of the samples' photographs. The new policies refuse 5 % or 0.1 % of what the old one admitted: by
the length of captions, so that those refused are spread over all packs, or by a license that one source has.
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
from byline.catalog.corpora.manifest import Release
from byline.catalog.disk.storage import Store
from byline.pipelines.sources.readers.yfcc import COLUMNS

SIZES = (2_000, 10_000, 40_000)
SHARES = {0.001: "ox", 0.05: "sky"}
"""Which share of the pictures has a caption this short or shorter."""
ROUNDS = 3
PACK_RECORDS = 10_000
POLICY = """
[license]
families = {families}
[caption]
min_characters = {characters}
[duplicates]
radius_bits = 0
[release]
obligations = ["attribution", "share-alike"]
"""
ALL = '["CC-BY", "CC-BY-SA"]'


def _pictures(folder: Path, number: int) -> None:
    """Write `number` crops."""
    sources = [Image.open(path).convert("RGB") for path in sorted(Path("samples/photographs").glob("*.jpg"))]
    random = np.random.default_rng(0)
    for index in track(range(number), description=f"{number:,} pictures"):
        source = sources[index % len(sources)]
        width, height = (int(side * random.uniform(0.4, 0.95)) for side in source.size)
        left, top = int(random.integers(0, source.width - width)), int(random.integers(0, source.height - height))
        crop = source.crop((left, top, left + width, top + height)).resize((max(64, 2 * width), max(64, 2 * height)))
        crop.save(folder / f"{index}.jpg", quality=90)


def _corpus(folder: Path, number: int) -> Path:
    (folder / "pictures").mkdir(parents=True)
    _pictures(folder / "pictures", number)
    num_few = max(1, round(number * min(SHARES)))
    _metadata(folder / "few.tsv", range(num_few), number, "by-sa")
    _metadata(folder / "many.tsv", range(num_few, number), number, "by")
    sources = [
        f'[[sources]]\nname = "{name}"\nreader = "yfcc"\npath = "{folder}/{name}.tsv"\nnum_packs = {packs}\n'
        for name, packs in (("few", 1), ("many", max(2, number // PACK_RECORDS)))
    ]
    (folder / "corpus.toml").write_text(
        f'name = "crops"\nroot = "{folder}/corpus"\npolicy = "{folder}/policy.toml"\n{"".join(sources)}'
        f'[caption]\ncaptioner = "source-text"\n[serve]\n"https://p.example/" = "{folder}/pictures"\n'
    )
    return folder / "corpus.toml"


def _metadata(path: Path, indices: range, number: int, license: str) -> None:
    random, blank = np.random.default_rng(1), dict.fromkeys(COLUMNS, "")
    order = random.permutation(number)
    with path.open("w") as file:
        for index in indices:
            short = [title for share, title in sorted(SHARES.items()) if order[index] < share * number]
            row = {**blank, "photoid": str(index), "downloadurl": f"https://p.example/{index}.jpg", "marker": "0"}
            row |= {"title": short[0] if short else f"a crop of picture {index}", "unickname": f"a{index % 99}"}
            row |= {"licenseurl": f"https://creativecommons.org/licenses/{license}/2.0/"}
            file.write("\t".join(row.values()) + "\n")


def _build(config: Path, *, characters: int = 2, families: str = ALL) -> float:
    """Run `byline build` under a policy, and return its seconds."""
    (config.parent / "policy.toml").write_text(POLICY.format(characters=characters, families=families))
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "byline.cli.main", "build", str(config)], check=True, capture_output=True)
    return time.perf_counter() - start


def _forget(store: Store, shards: set[str]) -> None:
    """Delete the shards that only the last build made, so that the next one has to make them again."""
    for name in shards:
        for kind in ("json", "tar", "parquet"):
            store.remove(f"shards/{name.removesuffix('.tar')}.{kind}")


def _measure(folder: Path, number: int) -> list[str]:
    config = _corpus(folder, number)
    store = Store(f"{folder}/corpus")
    from_nothing = _build(config)
    before = Release(f"{folder}/corpus/releases/crops")
    cells = [f"{number:,}", f"{from_nothing:,.1f} s"]
    for change in ({"characters": 4}, {"characters": 3}, {"families": '["CC-BY"]'}):
        seconds = []
        for _ in range(ROUNDS):
            seconds.append(_build(config, **change))
            after = Release(f"{folder}/corpus/releases/crops")
            new = {s.name for s in after.manifest.shards} - {s.name for s in before.manifest.shards}
            _forget(store, new)
            _build(config)
        refused = before.manifest.counts["admitted"] - after.manifest.counts["admitted"]
        cells.append(
            f"{refused:,} refused ({refused / number:.2%}), {len(new)} of {len(after.manifest.shards)} shards: "
            f"{median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), "
            f"{from_nothing / median(seconds):,.0f}x"
        )
    return cells


if __name__ == "__main__":
    names = ["images", "from nothing", "5 %, in all packs", "0.1 %, in all packs", "0.1 %, one source"]
    lines = [f"| {' | '.join(names)} |", "|" + "---:|" * len(names)]
    for size in [int(argument) for argument in sys.argv[1:]] or SIZES:
        with tempfile.TemporaryDirectory() as folder:
            lines.append("| " + " | ".join(_measure(Path(folder), size)) + " |")
    write_section(
        "Policy change",
        f"python -m benchmarks.policy_change {' '.join(sys.argv[1:])}".strip(),
        "Wall time of `byline build`, Python's start included: once from nothing, and after a change of policy (median "
        f"of {ROUNDS}, least to most; last how many times faster). Shards are those that had to be written.\n\n"
        + "\n".join(lines),
    )
