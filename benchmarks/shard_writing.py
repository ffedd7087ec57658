"""Writing webdataset shards: our ustar writer beside `webdataset.TarWriter`. python -m benchmarks.shard_writing"""

import json
from io import BytesIO

import numpy as np
import webdataset

from benchmarks.side_by_side import measure, table, write_section
from byline.catalog.disk.tars import write_tar

SIZES = (250, 1000, 4000)
PICTURE_BYTES = 30_000
Sample = tuple[str, dict[str, bytes]]


def _samples(number: int) -> list[Sample]:
    random = np.random.default_rng(0)
    return [
        (f"{i:064x}", {"jpg": random.bytes(PICTURE_BYTES), "json": json.dumps({"i": i}).encode(), "txt": b"red"})
        for i in range(number)
    ]


def _ours(samples: list[Sample]) -> None:
    write_tar(BytesIO(), ((f"{key}.{kind}", data) for key, kinds in samples for kind, data in kinds.items()))


def _peer(samples: list[Sample]) -> None:
    with webdataset.TarWriter(BytesIO(), encoder=False) as writer:
        for key, kinds in samples:
            writer.write({"__key__": key, **kinds})


if __name__ == "__main__":
    rows = []
    for size in SIZES:
        samples = _samples(size)
        rows.append(measure(size, lambda s=samples: _ours(s), lambda s=samples: _peer(s)))  # type: ignore[misc]
    write_section(
        "Shard writing",
        "python -m benchmarks.shard_writing",
        "Samples of a 30 kB picture, a JSON and a caption, into memory; the same members in both.\n\n"
        + table("samples", "catalog.tars", f"webdataset {webdataset.__version__}", rows),
    )
