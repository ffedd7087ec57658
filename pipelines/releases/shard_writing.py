"""Write the admitted pictures of a pack as webdataset shards. What an earlier shard holds is copied, not made again.

Beside each tar lies its table, as img2dataset writes one: a row a sample, with all that the sample's JSON says, and
where the sample lies in the tar. A shard is named after the values of that table. An unchanged selection is found by
its name; a changed one is spliced from byte ranges of an earlier shard of the same pack.
"""

import mmap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_64_hexdigest, xxh3_64_intdigest

from byline.catalog.corpora.manifest import (
    SPLITS,
    TABLE_XXH3,
    Release,
    Shard,
    Split,
    read_shard_table,
    shard_description_path,
    shard_table_path,
)
from byline.catalog.corpora.packs import read_images, read_index
from byline.catalog.corpora.parts import PackPart
from byline.catalog.corpora.sample_schema import PLACES_SCHEMA
from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.columns import same_rows
from byline.catalog.disk.json_files import write_json
from byline.catalog.disk.storage import Store, parquet_bytes
from byline.catalog.disk.tars import sample_bytes, write_pieces
from byline.catalog.errors import CorpusError
from byline.pipelines.facts.rows import Instruments
from byline.pipelines.judging.verdicts import verdicts_path
from byline.pipelines.releases.samples import described, sample_members, samples_of, shard_stem

BATCH = 256
"""Pictures in memory at once."""
Earlier = Mapping[str, tuple[str, ...]]
"""`<pack>-<split>` -> names of shards that may be spliced from."""


def earlier_shards(store: Store, others: Iterable[Release] = ()) -> Earlier:
    """Return the shards of the newest versions of all releases of a corpus, and of these others."""
    names = [name for name in store.folders(layout.RELEASES) if store.exists(layout.latest(name))]
    newest = [release for name in names if (release := _whole(store, name)) is not None]
    by_split: dict[str, set[str]] = {}
    for release in [*newest, *others]:
        for shard in release.manifest.shards:
            by_split.setdefault(f"{shard.pack}-{shard.split}", set()).add(shard.name)
    return {key: tuple(sorted(names)) for key, names in by_split.items()}


def _whole(store: Store, name: str) -> Release | None:
    """Return the newest version of a release; none where it is damaged, which the next build of it mends."""
    try:
        return Release(f"{store.root.rstrip('/')}/releases/{name}")
    except CorpusError:
        return None


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
    places = _Places()
    with ExitStack() as stack:
        sources = _usable(store, earlier.get(f"{part.pack}-{split}", ()), stack)
        file = stack.enter_context(store.writing(layout.shard_file(f"{stem}.tar")))
        digest, num_bytes = write_pieces(file, places.noted(_pieces(part, store, samples, sources)))
    table = pa.table([*samples.columns, *places.columns()], schema=pa.schema([*samples.schema, *PLACES_SCHEMA]))
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
    described_as = {**shard.model_dump(), TABLE_XXH3: xxh3_64_hexdigest(data)}
    write_json(store, shard_description_path(shard.name), described_as)
    return WrittenShard(shard=shard, is_new=True)


@dataclass(frozen=True, kw_only=True)
class _EarlierShard:
    name: str
    table: pa.Table
    tar: memoryview


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """Bytes of consecutive samples in a tar, with the size and the XXH3 of each of them."""

    data: bytes | memoryview
    sizes: list[int]
    xxh3s: list[int]


class _Places:
    """Where samples come to lie in a tar."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.xxh3s: list[int] = []

    def noted(self, pieces: Iterable[_Piece]) -> Iterator[bytes | memoryview]:
        """Yield the bytes of the pieces, and note their samples."""
        for piece in pieces:
            self.sizes += piece.sizes
            self.xxh3s += piece.xxh3s
            yield piece.data

    def columns(self) -> list[pa.Array]:
        """Return what a shard's table says of them, as `PLACES_SCHEMA`."""
        offsets = np.concatenate([[0], np.cumsum(self.sizes)])[:-1]
        typed_values = zip((offsets, self.sizes, self.xxh3s), PLACES_SCHEMA.types, strict=True)
        return [pa.array(values, kind) for values, kind in typed_values]


def _usable(store: Store, names: tuple[str, ...], stack: ExitStack) -> list[_EarlierShard]:
    """Open the earlier shards that are whole."""
    usable = []
    for name in names:
        if described(store, name.removesuffix(".tar")) is None:
            continue
        table = read_shard_table(store, name)
        if store.is_local:
            file = stack.enter_context(store.open(layout.shard_file(name)))
            tar = memoryview(stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
            stack.callback(tar.release)
        else:
            tar = memoryview(store.read_bytes(layout.shard_file(name)))
        usable.append(_EarlierShard(name=name, table=table, tar=tar))
    return usable


def _pieces(part: PackPart, store: Store, samples: pa.Table, earlier: list[_EarlierShard]) -> Iterator[_Piece]:
    """Yield the bytes of all samples in order: ranges of earlier shards, or made from the pack."""
    source, row = np.full(len(samples), -1), np.zeros(len(samples), np.int64)
    for number, shard in enumerate(earlier):
        if set(shard.table.column_names) != {*samples.column_names, *PLACES_SCHEMA.names}:
            continue  # its samples say more, or less, of their captions
        positions = pc.index_in(samples["key"], value_set=shard.table["key"])
        same = same_rows(samples, shard.table.select(samples.column_names).take(positions)) & (source < 0)
        source[same], row[same] = number, np.asarray(positions.to_numpy()[same], np.int64)
    breaks = np.flatnonzero((np.diff(source) != 0) | ((source[1:] >= 0) & (np.diff(row) != 1))) + 1
    bounds = np.concatenate([[0], breaks, [len(samples)]])
    index: pa.Table | None = None
    for start, stop in pairwise(bounds):
        if source[start] >= 0:
            for first in range(start, stop, BATCH):
                number = min(BATCH, stop - first)
                yield _copied(store, earlier[source[start]], int(row[first]), number)
        else:
            index = read_index(store, part.pack) if index is None else index
            yield from _made(store, index, samples.slice(start, stop - start))


def _copied(store: Store, shard: _EarlierShard, row: int, number: int) -> _Piece:
    """Return the bytes of some samples of an earlier shard, checked, so that no damage is passed on."""
    run = shard.table.slice(row, number)
    offset, sizes, xxh3s = run["offset"][0].as_py(), run["size"].to_pylist(), run["xxh3"].to_pylist()
    data, start = shard.tar[offset : offset + sum(sizes)], 0
    for size, xxh3 in zip(sizes, xxh3s, strict=True):
        if xxh3_64_intdigest(data[start : start + size]) != xxh3:
            raise CorpusError(f"{store.url(layout.shard_file(shard.name))} is damaged; delete it and build again")
        start += size
    return _Piece(data=data, sizes=sizes, xxh3s=xxh3s)


def _made(store: Store, index: pa.Table, samples: pa.Table) -> Iterator[_Piece]:
    for batch in samples.to_batches(max_chunksize=BATCH):
        rows = batch.to_pylist()
        images = dict(read_images(store, index, only={row["key"] for row in rows}))
        blocks = [sample_bytes(sample_members(row, images[row["key"]])) for row in rows]
        yield _Piece(
            data=b"".join(blocks),
            sizes=[len(block) for block in blocks],
            xxh3s=[xxh3_64_intdigest(block) for block in blocks],
        )


def write_shards_of(part: PackPart, store: Store, instruments: Instruments, earlier: Earlier) -> Iterator[WrittenShard]:
    """Yield the shards of one pack: one a split, none for a split without samples."""
    samples = samples_of(part, store, store.read_scratch(verdicts_path(part.pack)), instruments)
    for split in SPLITS:
        chosen = samples.filter(pc.equal(samples["split"], split))
        if len(chosen):
            yield write_shard(part, store, split, chosen, earlier)
