"""Copy a release into one folder. Every byte is checked against the manifest, and the manifest against the version.

What is not whole does not look whole: on a disk the folder gets its name last, on an object store the checksums and
the manifest come last.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from byline.catalog.corpora.manifest import EXPORT, Format, Release, Shard, manifest_bytes, rows_path, shard_table_path
from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError, CorpusError
from byline.catalog.threads import in_threads
from byline.pipelines.releases.exporting.destination import destination
from byline.pipelines.releases.exporting.parquet import write_rows
from byline.pipelines.releases.exporting.places import (
    SHARDS,
    export_bytes,
    exported_checksums,
    from_export,
    in_export,
    is_exported,
    is_placed,
)
from byline.pipelines.releases.released import check_manifest

CHUNK_BYTES = 8 * 2**20
"""Bytes that each thread has in memory at once."""
Count = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Copied:
    """A file of a release that an export has to the byte."""

    path: str
    """Path of the file in the release's store."""
    to: str
    """Path of the copy in the export."""
    sha256: str


def export(release: Release, url: str, count: Count = lambda _: None, *, format: Format = "webdataset") -> None:
    """Write the export of a release at `url`, an empty or a new folder. `count` is told of bytes of shards.

    Raises `ConfigError` when something else is there, `CorpusError` when the release is damaged.
    """
    check_manifest(release)
    for name in release.manifest.papers:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise CorpusError(
                f"{release.store.url(release.path)}/manifest.json lists {name}, which is not in its folder"
            )
    if release.has_rows:
        where = release.store.url(release.path)
        raise ConfigError(f"{where} is an export as Parquet; copy it, or export {release.name} from its corpus")
    with destination(url, release, format) as target:
        target.write_bytes(EXPORT, export_bytes(release.manifest, format))
        rows = _write_shards(release, target, count, format)
        placed = {name: data for name, data in _papers(release, target, format) if is_placed(name, format)}
        target.write_bytes(layout.SUMS, exported_checksums(release.manifest, placed, rows))
        target.write_bytes(layout.MANIFEST, manifest_bytes(release.manifest))


def _write_shards(release: Release, target: Store, count: Count, format: Format) -> dict[str, str] | None:
    """Write all shards. Return the digests of the files when the manifest does not have them: those of Parquet."""
    shards, rows = release.manifest.shards, {}
    if format == "webdataset":
        for _ in in_threads(lambda shard: _write_shard(release, shard, target, count), shards):
            pass
        return None
    for shard in shards:  # one after the other: each is in memory whole
        rows[rows_path(shard)] = write_rows(release, shard, target)
        count(shard.num_bytes)
    return rows


def _write_shard(release: Release, shard: Shard, target: Store, count: Count) -> None:
    tar = Copied(path=release.shard_path(shard), to=f"{SHARDS}{shard.name}", sha256=shard.sha256)
    table = Copied(path=release.table_path(shard), to=shard_table_path(shard.name), sha256=shard.table_sha256)
    _copy(release.store, table, target)
    if target.exists(tar.to) and target.size_bytes(tar.to) == shard.num_bytes:
        count(shard.num_bytes)  # a killed export wrote it, and checked it before
    else:
        _copy(release.store, tar, target, count)


def _copy(source: Store, file: Copied, target: Store, count: Count = lambda _: None) -> None:
    digest = hashlib.sha256()
    with target.writing(file.to) as out:
        for chunk in _chunks(source, file.path):
            digest.update(chunk)
            out.write(chunk)
            count(len(chunk))
        if digest.hexdigest() != file.sha256:
            raise _damaged(source, file.path)


def _chunks(store: Store, path: str) -> Iterator[bytes]:
    size = store.size_bytes(path)
    for start in range(0, size, CHUNK_BYTES):
        yield store.read_bytes(path, start=start, end=min(start + CHUNK_BYTES, size))


def _papers(release: Release, target: Store, format: Format) -> Iterator[tuple[str, bytes]]:
    """Write the papers, and yield each as it was written."""
    for name, digest in sorted(release.manifest.papers.items()):
        path = f"{release.path}/{name}"
        data = release.store.read_bytes(path)
        data = data if release.export is None else from_export(name, data)
        if sha256_hex(data) != digest:
            raise _damaged(release.store, path)
        if not is_exported(name, format):
            continue
        data = in_export(name, data, format)
        target.write_bytes(name, data)
        yield name, data


def _damaged(store: Store, path: str) -> CorpusError:
    return CorpusError(f"{store.url(path)} is damaged: its bytes are not those that the manifest lists; build again")


def is_of_one_schema(release: Release) -> bool:
    """Tell whether the samples say what is not stated as empty text, and not as null, as they once did."""
    tables = (
        release.store.read_table(release.table_path(shard), ["error_message"]) for shard in release.manifest.shards
    )
    return not next(tables)["error_message"].null_count
