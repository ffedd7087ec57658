"""What the digests in facts cost. python -m benchmarks.seals [ROUNDS]

A segment of 10,000 pictures of each kind is written and read with its seal and without, in turns; medians of ROUNDS.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from byline.catalog.digests import sha256_hex
from byline.catalog.disk.storage import Store, parquet_bytes

NUM_PICTURES = 10_000
ROUNDS = 15


def tables() -> dict[str, tuple[pa.Table, list[str]]]:
    """Return segments as byline has them, each with the columns that are read of it."""
    random = np.random.default_rng(0)
    keys = pa.array(sorted(sha256_hex(str(number).encode()) for number in range(NUM_PICTURES)))

    def noise(num_bytes: int) -> pa.Array:
        return pa.array([random.bytes(num_bytes) for _ in range(NUM_PICTURES)], pa.binary())

    hashes = {"phash256": noise(32).cast(pa.binary(32)), "pixels": keys, "colors": noise(48), "views": noise(272)}
    numbers = {name: pa.array(random.random(NUM_PICTURES)) for name in ("contrast", "flatness", "sharpness")}
    return {
        "hashes": (pa.table({"sha256": keys, **hashes}), ["sha256", *hashes]),
        "quality": (pa.table({"sha256": keys, **numbers}), ["sha256", *numbers]),
        "latents": (pa.table({"sha256": keys, "latents": noise(8_192)}), ["sha256", "latents"]),
        "keys of latents": (pa.table({"sha256": keys, "latents": noise(8_192)}), ["sha256"]),
    }


def main(rounds: int) -> None:
    """Print a row of medians for each kind."""
    print("| segment | size, MB | write, ms: plain | sealed | read, ms: plain | sealed |\n|---|---|---|---|---|---|")
    with TemporaryDirectory() as folder:
        store = Store(folder)
        for name, (table, columns) in tables().items():
            store.write_bytes("plain.parquet", parquet_bytes(table))
            store.write_table("sealed.parquet", table)
            plain = Path(folder) / "plain.parquet"
            took = _medians(
                [
                    partial(_write_plain, store, table),
                    partial(store.write_table, "b.parquet", table),
                    partial(_read_plain, plain, columns),
                    partial(store.read_table, "sealed.parquet", columns),
                ],
                rounds,
            )
            size = store.size_bytes("sealed.parquet") / 1e6
            print(f"| {name} | {size:.1f} | {' | '.join(f'{seconds * 1e3:.1f}' for seconds in took)} |", flush=True)


def _write_plain(store: Store, table: pa.Table) -> None:
    store.write_bytes("a.parquet", parquet_bytes(table))


def _read_plain(path: Path, columns: list[str]) -> pa.Table:
    return pq.ParquetFile(pa.memory_map(str(path)), pre_buffer=False).read(columns=columns, use_threads=False)


def _medians(actions: list[Callable[[], object]], rounds: int) -> list[float]:
    took: list[list[float]] = [[] for _ in actions]
    for _ in range(rounds):
        for action, times in zip(actions, took, strict=True):
            began = perf_counter()
            action()
            times.append(perf_counter() - began)
    return [median(times) for times in took]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
