"""What became of a record in each version of each release: verdict, place, cluster, and who saw the picture."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from byline.catalog.corpora.manifest import Manifest, Release, shard_table_path, version_folders
from byline.catalog.corpora.withdrawn import is_withdrawn, read_note, read_withdrawn_manifest
from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import BylineError, CorpusError
from byline.pipelines.releases.released import ReleasedPack, check_manifest
from byline.pipelines.rights.traces.lookup import find_record

CLUSTERS = layout.CLUSTERS


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a picture lies in a release."""

    shard: str
    row: int
    """Place among the samples of the shard, in key order, from 0."""


@dataclass(frozen=True, kw_only=True)
class SeenBy:
    """How often a checkpoint has seen a picture, by the order of its data."""

    checkpoint: str
    images_seen: int
    times_seen: int


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a release says of a record."""

    admitted: bool
    reasons: tuple[str, ...]
    license: str
    """The license that is made use of: of a choice, one side."""
    license_rule: str
    license_seen: str
    outcome: str | None
    split: str | None


@dataclass(frozen=True, kw_only=True)
class Keeper:
    """The picture that stands for a record."""

    record_id: str
    sha256: str
    distance_bits: int | None
    """Distance of the two, in bits; None when an embedding found them alike: then `cosine` says how much."""
    view: str | None
    """How the two were looked at: `upright`, `turned`, `trimmed`; None in releases made before it was recorded."""
    cosine: float | None


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A record that another one stands for."""

    record_id: str
    sha256: str
    license: str
    distance_bits: int | None
    """Distance from the keeper, in bits; None when an embedding found the two alike."""
    view: str | None
    cosine: float | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class InRelease:
    """A record in one version of a release."""

    release: str
    """The release, as `<name>/<version>`."""
    digest: str | None
    """Digest of the manifest; None when it cannot be read."""
    is_newest: bool
    problem: str | None = None
    """Why this version can tell nothing, or not all: it was edited, damaged or withdrawn."""
    verdict: Verdict | None = None
    """What the version says of the record; None when it judged no such record, or cannot tell."""
    place: Place | None = None
    """Where the picture is; None when it is not in it. A copy with the same bytes has the place of its keeper."""
    keeper: Keeper | None = None
    stands_for: tuple[Copy, ...] = ()
    seen_by: tuple[SeenBy, ...] = ()


Seen = Callable[[Manifest, Place | None], tuple[SeenBy, ...]]
"""Who of those trained on a release has seen the picture at a place; none when it is in no shard."""


class Version:
    """One version of a release, opened once for all that is traced."""

    def __init__(self, store: Store, name: str, version: str, *, is_newest: bool) -> None:
        """Never raises for what is damaged or withdrawn; `problem` says so."""
        self.store, self.path, self.is_newest = store, layout.release(name, version), is_newest
        self.label = f"{name}/{version}"
        self.is_withdrawn = is_withdrawn(store, self.path)
        self.release: Release | None = None
        self.manifest, self.problem = self._opened()
        self.digest = None if self.manifest is None else self.manifest.digest
        self.pack = lru_cache(maxsize=8)(self._pack)
        self.rows_of_shard = lru_cache(maxsize=8)(self._keys)
        self.clusters = lru_cache(maxsize=1)(self._clusters)

    def _opened(self) -> tuple[Manifest | None, str | None]:
        try:
            if not self.is_withdrawn:
                self.release = Release(self.store.url(self.path))
                check_manifest(self.release)
                return self.release.manifest, None
            manifest, note = read_withdrawn_manifest(self.store, self.path), read_note(self.store, self.path)
        except (BylineError, ValueError) as error:
            return None, str(error).splitlines()[0]
        return manifest, f"withdrawn by takedown {note.takedown}; {note.successor or 'nothing'} took its place"

    def of(self, record_id: str, pack: str, sha256: str | None, seen: Seen) -> InRelease:
        """Return what this version says of a record, whose picture has this digest. Never raises for damage."""
        if self.manifest is None:
            return self._in_release(problem=self.problem)
        if self.is_withdrawn:
            return self._of_withdrawn(self.manifest, sha256, seen)
        try:
            return self._of_whole(self.manifest, record_id, pack, seen)
        except (BylineError, pa.ArrowException) as error:
            return self._in_release(problem=str(error).splitlines()[0])

    def _in_release(self, **known: object) -> InRelease:
        return InRelease(release=self.label, digest=self.digest, is_newest=self.is_newest, **known)  # type: ignore[arg-type]

    def _of_withdrawn(self, manifest: Manifest, sha256: str | None, seen: Seen) -> InRelease:
        try:
            return self._of_samples(manifest, sha256, seen)
        except BylineError as error:
            return self._in_release(problem=f"{self.problem}; {error}")

    def _of_samples(self, manifest: Manifest, sha256: str | None, seen: Seen) -> InRelease:
        samples = self.store.read_table(f"{self.path}/{layout.WITHDRAWN_SAMPLES}", ["shard", "key"])
        place = None
        rows = [] if sha256 is None else _rows_with(samples["key"], sha256)
        if rows:
            shard = samples["shard"][rows[0]].as_py()
            place = Place(shard=shard, row=rows[0] - _rows_with(samples["shard"], shard)[0])
        return self._in_release(problem=self.problem, place=place, seen_by=seen(manifest, place))

    def _of_whole(self, manifest: Manifest, record_id: str, pack: str, seen: Seen) -> InRelease:
        if layout.verdicts(pack) not in manifest.papers:
            return self._in_release(seen_by=seen(manifest, None))
        verdicts = self.pack(pack)
        rows = _rows_with(verdicts.read(["record_id"])["record_id"], record_id)
        if not rows:
            return self._in_release(seen_by=seen(manifest, None))
        row = verdicts.read([*_VERDICT, *_KEEPER], pa.array(rows[:1])).to_pylist()[0]
        keeper = None
        if row["keeper_record_id"] is not None:
            keeper = Keeper(record_id=row["keeper_record_id"], sha256=row["keeper_sha256"], **_distance(row))
        place = self._place_of(manifest, row, keeper, pack)
        verdict = Verdict(**{name: row[name] for name in _VERDICT if name != "reasons"}, reasons=tuple(row["reasons"]))
        stands_for = self._stands_for(record_id, row["sha256"]) if verdict.admitted else ()
        return self._in_release(
            verdict=verdict, place=place, keeper=keeper, stands_for=stands_for, seen_by=seen(manifest, place)
        )

    def _place_of(self, manifest: Manifest, row: dict[str, object], keeper: Keeper | None, pack: str) -> Place | None:
        """Return where the very bytes of a record's picture lie, be it for another record."""
        if not row["admitted"]:
            if keeper is None or keeper.sha256 != row["sha256"]:
                return None
            held = find_record(self.store, keeper.record_id).get(keeper.record_id)
            pack = pack if held is None else held.pack
        for shard in (shard for shard in manifest.shards if shard.pack == pack):
            if rows := _rows_with(self.rows_of_shard(shard.name, shard.table_sha256), str(row["sha256"])):
                return Place(shard=shard.name, row=rows[0])
        return None

    def _pack(self, pack: str) -> ReleasedPack:
        assert self.release is not None
        return ReleasedPack(self.release, pack)

    def _keys(self, name: str, table_sha256: str) -> pa.ChunkedArray:
        return self._checked(shard_table_path(name), table_sha256).read(columns=["key"], use_threads=False)["key"]

    def _clusters(self) -> pq.ParquetFile | None:
        papers = {} if self.manifest is None else self.manifest.papers
        return self._checked(f"{self.path}/{CLUSTERS}", papers[CLUSTERS]) if CLUSTERS in papers else None

    def _stands_for(self, record_id: str, sha256: str) -> tuple[Copy, ...]:
        table = self.clusters()
        if table is None:
            return ()
        rows = _rows_with(table.read(columns=["keeper_sha256"], use_threads=False)["keeper_sha256"], sha256)
        if not rows:
            return ()
        columns = ["keeper_record_id", "record_id", "sha256", "license", "reasons", *_DISTANCE]
        copies = table.read(columns=columns, use_threads=False).take(pa.array(rows)).to_pylist()
        own = [row for row in copies if row.pop("keeper_record_id") == record_id]
        return tuple(Copy(**{**row, "reasons": tuple(row["reasons"]), **_distance(row)}) for row in own)

    def _checked(self, path: str, sha256: str) -> pq.ParquetFile:
        data = self.store.read_bytes(path)
        if sha256_hex(data) != sha256:
            raise CorpusError(f"{self.store.url(path)} was edited: its bytes are not those that the manifest lists")
        return pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)


_VERDICT = ("admitted", "reasons", "license", "license_rule", "license_seen", "outcome", "split")
_DISTANCE = ("distance_bits", "view", "cosine")
"""Files of older releases lack the last two, and Arrow reads what there is."""
_KEEPER = ("sha256", "keeper_record_id", "keeper_sha256", *_DISTANCE)


def versions_of(store: Store) -> list[Version]:
    """Return every version of every release of a corpus: by name, of each the newest first, then by digest."""
    all_versions = []
    for name in store.folders(layout.RELEASES):
        latest = layout.latest(name)
        newest = store.read_text(latest).strip() if store.exists(latest) else ""
        versions = sorted(
            version_folders(store, layout.versions_of(name)), key=lambda version: (version != newest, version)
        )
        all_versions += [Version(store, name, version, is_newest=version == newest) for version in versions]
    return all_versions


def _distance(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row.get(name) for name in _DISTANCE}


def _rows_with(column: pa.ChunkedArray, value: str) -> list[int]:
    """Return the rows with a value."""
    mask = pc.fill_null(pc.equal(column, value), False).to_numpy()
    return [int(row) for row in np.flatnonzero(mask)]
