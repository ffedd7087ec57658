"""Write the admitted pictures of a pack as webdataset shards. What an earlier shard holds is copied, not made again.

Beside each tar lies its table, as img2dataset writes one: a row a sample, with all that the sample's JSON says, and
where the sample lies in the tar. A shard is named after the values of that table. An unchanged selection is found by
its name; a changed one is spliced from byte ranges of an earlier shard of the same pack.
"""

import hashlib
import mmap
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.columns import same_rows
from catalog.digests import canonical_json, sha256_hex
from catalog.errors import CorpusError
from catalog.manifest import SPLITS, Release, Shard, Split, shard_table_path
from catalog.packs import read_images, read_index
from catalog.storage import Store, parquet_bytes
from catalog.tars import sample_bytes, write_pieces
from pipelines.judging import verdicts_path
from pipelines.parts import PackPart
from pipelines.rows import Instruments
from pipelines.sample_schema import SAMPLE_COLUMNS, SHARD_SCHEMA
from pipelines.samples import described, sample_members, samples_of, shard_stem

BATCH = 256
"""Pictures in memory at once."""
Earlier = Mapping[str, tuple[str, ...]]
"""`<pack>-<split>` -> names of shards that may be spliced from."""


def earlier_shards(store: Store, others: Iterable[Release] = ()) -> Earlier:
    """Return the shards of the newest versions of all releases of a corpus, and of these others."""
    names = [name for name in store.folders("releases") if store.exists(f"releases/{name}/LATEST")]
    newest = [Release(f"{store.root.rstrip('/')}/releases/{name}") for name in names]
    found: dict[str, set[str]] = {}
    for release in [*newest, *others]:
        for shard in release.manifest.shards:
            found.setdefault(f"{shard.pack}-{shard.split}", set()).add(shard.name)
    return {key: tuple(sorted(names)) for key, names in found.items()}


@dataclass(frozen=True, kw_only=True)
class WrittenShard:
    """A shard, and whether it had to be written."""

    shard: Shard
    is_new: bool


def write_shard(part: PackPart, store: Store, split: Split, samples: pa.Table, earlier: Earlier) -> WrittenShard:
    """Write one shard and its table, unless they are there, and describe it. The description is written last.

    Raises `CorpusError` when an earlier shard that it copies from is damaged.
    """
    stem = shard_stem(part.pack, split, samples)
    there = described(store, stem)
    if there is not None:
        return WrittenShard(shard=there, is_new=False)
    sizes: list[int] = []
    with ExitStack() as stack:
        sources = _usable(store, earlier.get(f"{part.pack}-{split}", ()), stack)
        pieces = _pieces(part, store, samples, sources)
        file = stack.enter_context(store.writing(f"shards/{stem}.tar"))
        digest, num_bytes = write_pieces(file, _sized(pieces, sizes))
        for source in sources:
            source.check(store)
    offsets = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    places = {"offset": pa.array(offsets, pa.int64()), "size": pa.array(sizes, pa.int64())}
    table = pa.table({**{name: samples[name] for name in SAMPLE_COLUMNS}, **places}, schema=SHARD_SCHEMA)
    data = parquet_bytes(table)
    shard = Shard(
        name=f"{stem}.tar",
        pack=part.pack,
        split=split,
        sha256=digest,
        table_sha256=sha256_hex(data),
        num_samples=len(samples),
        num_bytes=num_bytes,
    )
    store.write_bytes(shard_table_path(shard.name), data)
    store.write_bytes(f"shards/{stem}.json", canonical_json(shard.model_dump()) + b"\n")
    return WrittenShard(shard=shard, is_new=True)


@dataclass(frozen=True, kw_only=True)
class _EarlierShard:
    shard: Shard
    table: pa.Table
    tar: memoryview
    digest: Future[str]
    """Of the tar, computed while it is copied from."""

    def check(self, store: Store) -> None:
        if self.digest.result() != self.shard.sha256:
            raise CorpusError(f"{store.url(f'shards/{self.shard.name}')} is damaged; delete it and build again")


def _usable(store: Store, names: tuple[str, ...], stack: ExitStack) -> list[_EarlierShard]:
    """Open the earlier shards that are whole."""
    found = []
    hasher = stack.enter_context(ThreadPoolExecutor(1))
    for name in names:
        shard = described(store, name.removesuffix(".tar"))
        if shard is None:
            continue
        table = store.read_table(shard_table_path(name))
        if store.is_local:
            file = stack.enter_context(store.open(f"shards/{name}"))
            tar = memoryview(stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
            stack.callback(tar.release)
        else:
            tar = memoryview(store.read_bytes(f"shards/{name}"))
        digest = hasher.submit(lambda data=tar: hashlib.sha256(data).hexdigest())  # type: ignore[misc]
        found.append(_EarlierShard(shard=shard, table=table, tar=tar, digest=digest))
    return found


Piece = tuple[Any, list[int]]
"""Bytes of consecutive samples, and the size of each of them."""


def _pieces(part: PackPart, store: Store, samples: pa.Table, earlier: list[_EarlierShard]) -> Iterator[Piece]:
    """Yield the bytes of all samples in order: ranges of earlier shards, or made from the pack."""
    source, row = np.full(len(samples), -1), np.zeros(len(samples), np.int64)
    for number, shard in enumerate(earlier):
        place = pc.index_in(samples["key"], value_set=shard.table["key"])
        same = same_rows(samples, shard.table.select(SAMPLE_COLUMNS).take(place)) & (source < 0)
        source[same], row[same] = number, np.asarray(place.to_numpy()[same], np.int64)
    breaks = np.flatnonzero((np.diff(source) != 0) | ((source[1:] >= 0) & (np.diff(row) != 1))) + 1
    bounds = np.concatenate([[0], breaks, [len(samples)]])
    index: pa.Table | None = None
    for start, stop in pairwise(bounds):
        if source[start] >= 0:
            shard = earlier[source[start]]
            run = shard.table.slice(row[start], stop - start)
            offset, sizes = run["offset"][0].as_py(), run["size"].to_pylist()
            yield shard.tar[offset : offset + sum(sizes)], sizes
        else:
            index = read_index(store, part.pack) if index is None else index
            yield from _made(store, index, samples.slice(start, stop - start))


def _sized(pieces: Iterator[Piece], sizes: list[int]) -> Iterator[bytes | memoryview]:
    """Yield the bytes of the pieces, and note the sizes of their samples."""
    for data, inside in pieces:
        sizes += inside
        yield data


def _made(store: Store, index: pa.Table, samples: pa.Table) -> Iterator[Piece]:
    for batch in samples.to_batches(max_chunksize=BATCH):
        rows = batch.to_pylist()
        images = dict(read_images(store, index, only={row["key"] for row in rows}))
        blocks = [sample_bytes(sample_members(row, images[row["key"]])) for row in rows]
        yield b"".join(blocks), [len(block) for block in blocks]


def write_shards_of(part: PackPart, store: Store, instruments: Instruments, earlier: Earlier) -> Iterator[WrittenShard]:
    """Yield the shards of one pack: one a split, none for a split without samples."""
    samples = samples_of(part, store, store.read_scratch(verdicts_path(part.pack)), instruments)
    for split in SPLITS:
        chosen = samples.filter(pc.equal(samples["split"], split))
        if len(chosen):
            yield write_shard(part, store, split, chosen, earlier)
