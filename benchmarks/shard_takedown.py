"""Taking 5 of N samples out of a shard: spliced, beside rewriting it. python -m benchmarks.shard_takedown"""

import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import webdataset

from benchmarks.side_by_side import measure, table, write_section
from byline.catalog.corpora.manifest import Shard, shard_table_path
from byline.catalog.corpora.packs import write_segment
from byline.catalog.corpora.parts import PackPart
from byline.catalog.corpora.sample_schema import SAMPLE_COLUMNS, SAMPLE_SCHEMA
from byline.catalog.digests import sha256_hex
from byline.catalog.disk.storage import Store
from byline.pipelines.releases.shard_writing import write_shard

SIZES = (900, 3600, 14400)
REMOVED = 5
PICTURE_BYTES = 30_000
PACK = "web-00000"


def _pack(store: Store, number: int) -> pa.Table:
    """Write a pack of random bytes in place of pictures, and return its samples."""
    random = np.random.default_rng(0)
    rows: list[tuple[dict[str, object], bytes | None]] = []
    samples = []
    for _ in range(number):
        data = random.bytes(PICTURE_BYTES)
        sha256 = sha256_hex(data)
        row = {"url": f"https://a.example/{sha256}", "key": sha256, "sha256": sha256, "stored_sha256": sha256}
        rows.append(({**row, "record_id": f"web:{sha256[:12]}", "status": "success", "outcome": "fetched"}, data))
        fields = {**dict.fromkeys(SAMPLE_COLUMNS), **row, "record_id": f"web:{sha256[:12]}", "caption": "a picture"}
        samples.append({**fields, "license": "CC-BY-4.0", "creator": "Ada", "split": "train", "width": 256})
    write_segment(store, PACK, rows, {})
    return pa.Table.from_pylist(samples, schema=SAMPLE_SCHEMA).sort_by("key")


def _rewritten(shard: Path, removed: set[str]) -> None:
    """Read the shard through webdataset and write it again without some samples."""
    with webdataset.TarWriter(str(shard.with_suffix(".rewritten")), encoder=False) as writer:
        for sample in webdataset.WebDataset([str(shard)], shardshuffle=False):
            if sample["__key__"] not in removed:
                writer.write({name: data for name, data in sample.items() if name in ("__key__", "jpg", "json", "txt")})


def _same_samples(ours: Path, theirs: Path) -> bool:
    read = [
        {sample["__key__"]: (sample["jpg"], sample["txt"], json.loads(sample["json"])) for sample in samples}
        for samples in (webdataset.WebDataset([str(path)], shardshuffle=False) for path in (ours, theirs))
    ]
    return read[0] == read[1]


def _row(folder: Path, number: int):  # type: ignore[no-untyped-def]
    store = Store(str(folder / str(number)))
    samples = _pack(store, number)
    part = PackPart(pack=PACK, records_path="", row_group=0, num_records=number)
    whole = write_shard(part, store, "train", samples, {}).shard
    keys = samples["key"].to_pylist()
    removed = set(keys[number // 7 :: number // REMOVED][:REMOVED])
    kept = samples.filter(pa.array([key not in removed for key in keys]))
    earlier = {f"{PACK}-train": (whole.name,)}
    left: list[Shard] = []

    def ours() -> None:
        for shard in left:
            for name in (shard.name, shard.name.replace(".tar", ".json")):
                store.remove(f"shards/{name}")
            store.remove(shard_table_path(shard.name))
        left[:] = [write_shard(part, store, "train", kept, earlier).shard]

    tar = store.local_path(f"shards/{whole.name}")
    row = measure(number, ours, lambda: _rewritten(tar, removed), rounds=5)
    assert _same_samples(store.local_path(f"shards/{left[0].name}"), tar.with_suffix(".rewritten"))
    return row


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        rows = [_row(Path(folder), size) for size in SIZES]
    write_section(
        "Takedown of a shard",
        "python -m benchmarks.shard_takedown",
        f"{REMOVED} samples leave a shard of N, each a picture of {PICTURE_BYTES // 1000} kB, a JSON and a caption; "
        "both end with the same samples. Ours also checks what it copies, computes the new shard's SHA-256, writes its "
        "table, and syncs to the disk, which here is memory so that the disk does not decide.\n\n"
        + table(
            "samples",
            "byline.pipelines.releases.shard_writing",
            f"webdataset {webdataset.__version__}, read and written",
            rows,
        ),
    )
