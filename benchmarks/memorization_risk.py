"""What the report on memorization costs: a made-up release of N samples, counted and written.

python -m benchmarks.memorization_risk [N] [samples whose numbers alone are counted]
"""

import resource
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa

from byline.catalog.corpora.manifest import Shard, shard_table_path
from byline.catalog.corpora.parts import PackPart, parts_of, write_records
from byline.catalog.disk.storage import Store, parquet_bytes
from byline.catalog.policies.policy import DuplicateRules, LicenseRules, Policy
from byline.pipelines.facts.rows import Instruments, rows_path
from byline.pipelines.judging.verdicts import VERDICT_SCHEMA
from byline.pipelines.releases.memorization import memorization_risk
from byline.pipelines.releases.papers.memorization_counts import count_captions, count_creators
from byline.pipelines.releases.publishing import clusters_of

PER_PACK = 10_000
COPIES_PER_PACK = 2_000
POLICY = Policy(license=LicenseRules(families=("CC0",)), duplicates=DuplicateRules(radius_bits=12))
INSTRUMENTS = Instruments(captions="none", captions_see_pixels=False)
WORDS = np.array("a the red blue green old small cat dog house tree river street on near under with lamp boat".split())


def main(num_samples: int) -> None:
    """Print the seconds of reading and counting."""
    with tempfile.TemporaryDirectory() as folder:
        store, rng = Store(folder), np.random.default_rng(0)
        parts, shards, tables = _release(store, num_samples, rng)
        clusters = clusters_of(tables, parts, store)
        start = time.perf_counter()
        risk = memorization_risk(shards, parts, tables, clusters, store, POLICY, INSTRUMENTS)
        seconds = time.perf_counter() - start
        assert risk.creators.num_samples == num_samples
    print(f"{num_samples:,} samples in {len(parts):,} packs: {seconds:.1f} s")


def sorts(num_samples: int) -> None:
    """Print what counting alone costs, which is what grows faster than the packs do."""
    rng = np.random.default_rng(0)
    captions = rng.integers(0, num_samples, num_samples, dtype=np.uint64)
    creators = (rng.pareto(1.1, num_samples) * 10).astype(np.uint64)
    is_near, none = rng.random(num_samples) < 0.05, np.zeros(0, np.uint64)
    before, start = _rss_mb(), time.perf_counter()
    count_captions(captions, is_near, lambda numbers: [""] * len(numbers))
    count_creators(creators, none, None, lambda numbers: [""] * len(numbers))
    seconds = time.perf_counter() - start
    print(f"counting the numbers of {num_samples:,} samples: {seconds:.1f} s, {_rss_mb() - before:.0f} MB more")


def _release(
    store: Store, num_samples: int, rng: np.random.Generator
) -> tuple[list[PackPart], list[Shard], dict[str, pa.Table]]:
    """Write what is read of a release: records, rows and shard tables; return its packs, shards and verdicts."""
    num_packs = -(-num_samples // PER_PACK)
    sizes = [min(PER_PACK, num_samples - number * PER_PACK) for number in range(num_packs)]
    packs = [f"made-{number:05d}" for number in range(num_packs)]
    columns = ("record_id", "url", "landing_url", "title", "creator", "creator_url")
    records = pa.concat_tables(
        pa.table(
            {"pack": [pack] * (size + COPIES_PER_PACK)} | {name: _ids(pack, size + COPIES_PER_PACK) for name in columns}
        )
        for pack, size in zip(packs, sizes, strict=True)
    )
    write_records(store, "records/made/1.parquet", records)
    parts = parts_of(store, "records/made/1.parquet")
    shards, tables = [], {}
    for part, size in zip(parts, sizes, strict=True):
        tables[part.pack] = verdicts = _verdicts(part.pack, size, rng)
        creators = (rng.pareto(1.1, len(verdicts)) * 10).astype(np.uint64) + 1
        store.write_scratch(rows_path(part, store, INSTRUMENTS), pa.table({"creator": creators}))
        shards.append(_shard(store, part.pack, verdicts["sha256"][:size], rng))
    return parts, shards, tables


def _verdicts(pack: str, num_admitted: int, rng: np.random.Generator) -> pa.Table:
    total = num_admitted + COPIES_PER_PACK
    digests = [row.tobytes().hex() for row in rng.integers(0, 256, (total, 32), dtype=np.uint8)]
    keepers = rng.zipf(1.5, COPIES_PER_PACK) % num_admitted
    stood_for: list[int | None] = [None] * num_admitted + keepers.tolist()
    left = rng.choice([0, 0, 0, 0, 1, 3, 200], num_admitted).tolist()
    columns = {
        "record_id": _ids(pack, total),
        "admitted": [True] * num_admitted + [False] * COPIES_PER_PACK,
        "reasons": [[]] * num_admitted + [["duplicate:near"]] * COPIES_PER_PACK,
        "sha256": digests,
        "keeper_record_id": [None if keeper is None else f"{pack}:{keeper}" for keeper in stood_for],
        "keeper_sha256": [None if keeper is None else digests[keeper] for keeper in stood_for],
        "distance_bits": [None if keeper is None else 4 for keeper in stood_for],
        "near_left": left + [None] * COPIES_PER_PACK,
    }
    missing = {name: [None] * total for name in VERDICT_SCHEMA.names if name not in columns}
    return pa.table({**columns, **missing}).select(VERDICT_SCHEMA.names).cast(VERDICT_SCHEMA)


def _shard(store: Store, pack: str, digests: pa.ChunkedArray, rng: np.random.Generator) -> Shard:
    chosen = WORDS[rng.integers(0, len(WORDS), (len(digests), 9))]
    captions = [" ".join(words[:size]) for words, size in zip(chosen, rng.integers(3, 10, len(digests)), strict=True)]
    name = f"{pack}-train-0123456789abcdef.tar"
    store.write_bytes(shard_table_path(name), parquet_bytes(pa.table({"sha256": digests, "caption": captions})))
    size = len(digests)
    return Shard(name=name, pack=pack, split="train", sha256="", table_sha256="", num_samples=size, num_bytes=0)


def _ids(pack: str, number: int) -> list[str]:
    return [f"{pack}:{index}" for index in range(number)]


def _rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sizes = [int(argument) for argument in sys.argv[1:]]
    sorts(sizes[1] if len(sizes) > 1 else 10_000_000)
    main(sizes[0] if sizes else 1_000_000)
