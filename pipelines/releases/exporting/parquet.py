"""Shards as Parquet files that `datasets` reads without untarring: a row a sample, pictures and all.

The tar that a shard was is what its rows are checked against, so nothing of a release is lost or changed on the way.
"""

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from byline.catalog.corpora.manifest import Release, Shard, rows_path
from byline.catalog.corpora.sample_rows import IMAGE, rows_schema, sample_rows, tar_pieces
from byline.catalog.digests import sha256_hex, sha256_of_file
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError

MAX_ROWS = 1_000
MAX_BYTES = 100 * 10**6
"""Size of a row group, pictures alone: what a reader that wants one row must fetch. A picture that is larger has its
own."""
PLACES = ["offset", "size", "xxh3"]
"""Columns of a shard's table that say where a sample lies in the tar, which rows do not need."""


def write_rows(release: Release, shard: Shard, target: Store) -> str:
    """Write one shard as Parquet, and return the SHA-256 of the file. Equal shards give equal bytes, by one pyarrow.

    Raises `CorpusError` when the shard, or its table, is not what the manifest says.
    """
    samples, pictures = _read(release, shard)
    remade = hashlib.sha256()
    for piece in tar_pieces(_groups(samples, pictures)):
        remade.update(piece)
    if remade.hexdigest() != shard.sha256:
        raise CorpusError(f"{shard.name} has more in it than its table says; export as webdataset, or build again")
    with target.writing(rows_path(shard)) as file:
        with _writer(file, samples.schema) as writer:
            for group in _groups(samples, pictures):
                writer.write_table(group, row_group_size=len(group))
        file.seek(0)
        return sha256_of_file(file)


def _read(release: Release, shard: Shard) -> tuple[pa.Table, list[bytes]]:
    """Return what the JSON of the samples says, and their pictures, both checked."""
    tar, table = release.read_shard(shard), release.table_path(shard)
    if sha256_hex(tar) != shard.sha256:
        raise _damaged(release.store.url(release.shard_path(shard)))
    if sha256_hex(release.store.read_bytes(table)) != shard.table_sha256:
        raise _damaged(release.store.url(table))
    samples = release.store.read_table(table).drop_columns(PLACES).replace_schema_metadata(None)
    samples = samples.select(["caption", *(name for name in samples.column_names if name != "caption")])
    return samples, [sample["jpg"] for sample in release.samples(shard, tar)]


def _writer(file: IO[bytes], json_schema: pa.Schema) -> pq.ParquetWriter:
    words = [
        name for name in json_schema.names if name not in ("key", "sha256", "stored_sha256", "record_id", "caption")
    ]
    compression = dict.fromkeys(json_schema.names, "ZSTD") | {f"{IMAGE}.bytes": "NONE", f"{IMAGE}.path": "ZSTD"}
    return pq.ParquetWriter(file, rows_schema(json_schema), compression=compression, use_dictionary=words)


def _groups(samples: pa.Table, pictures: list[bytes]) -> Iterator[pa.Table]:
    bounds, size = [0], 0
    for number, picture in enumerate(pictures):
        size += len(picture)
        if number > bounds[-1] and (size > MAX_BYTES or number - bounds[-1] == MAX_ROWS):
            bounds.append(number)
            size = len(picture)
    for start, stop in pairwise([*bounds, len(pictures)]):
        yield sample_rows(samples.slice(start, stop - start), pictures[start:stop])


def _damaged(where: str) -> CorpusError:
    return CorpusError(f"{where} is damaged: its bytes are not those that the manifest lists; build again")
