"""Make the releases again that held what is taken down, and withdraw the versions that did."""

from collections.abc import Collection, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from byline.catalog.corpora.manifest import Release, Shard, shard_table_path
from byline.catalog.corpora.parts import parts_of
from byline.catalog.corpora.withdrawn import Note, is_withdrawn, read_note, write_note
from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.catalog.policies.custom_rules import makers_of_rules
from byline.catalog.policies.policy import Policy
from byline.pipelines.releases.publishing import Settings
from byline.pipelines.releases.regenerating import regenerate


def versions_with(store: Store, record_ids: Collection[str], packs: Collection[str]) -> list[Release]:
    """Return every kept version of every release whose verdicts name one of these records, the newest of each last.

    Raises `CorpusError` for a version that could not be made again: it was edited by hand, or lacks something.
    """
    releases = []
    wanted = pa.array(sorted(record_ids), pa.string())
    for name in store.folders(layout.RELEASES):
        latest = latest_of(store, name)
        versions = [version for version in store.folders(layout.versions_of(name)) if version != latest]
        for version in [*versions, *([latest] if latest else [])]:
            path = layout.release(name, version)
            if is_withdrawn(store, path) or not store.exists(f"{path}/{layout.MANIFEST}"):
                continue
            release = Release(store.url(path))
            if any(_names(release, pack, wanted) for pack in packs):
                _check_whole(release)
                releases.append(release)
    return releases


def latest_of(store: Store, name: str) -> str:
    """Return the version that LATEST of a release names; empty when there is none."""
    path = layout.latest(name)
    return store.read_text(path).strip() if store.exists(path) else ""


def _names(release: Release, pack: str, wanted: pa.Array) -> bool:
    name = layout.verdicts(pack)
    if name not in release.manifest.papers:
        return False
    _check_there(release, [f"{release.path}/{name}"])
    data = release.store.read_bytes(f"{release.path}/{name}")
    if sha256_hex(data) != release.manifest.papers[name]:
        raise CorpusError(
            f"{release.store.url(f'{release.path}/{name}')} is not what its manifest lists: it was edited by hand; "
            "restore the release, or delete its folder, then run the takedown again"
        )
    ids = release.store.read_table(f"{release.path}/{name}", ["record_id"])["record_id"]
    return bool(pc.any(pc.is_in(ids, wanted)).as_py())


def _check_whole(release: Release) -> None:
    """Raise `CorpusError` unless all is there that the release is made again and withdrawn by."""
    shards = (shard_table_path(shard.name) for shard in release.manifest.shards)
    papers = (f"{release.path}/{name}" for name in (layout.POLICY, layout.SETTINGS_FILE))
    _check_there(release, [*papers, *release.manifest.records.values(), *shards])
    _made_with(release)


def _check_there(release: Release, paths: Iterable[str]) -> None:
    for path in paths:
        if not release.store.exists(path):
            raise CorpusError(
                f"{release.store.url(path)} is missing, without which {release.path} cannot be made again; restore it, "
                "or delete the folder of that version, then run the takedown again"
            )


def _made_with(release: Release) -> tuple[Policy, Settings]:
    store, path = release.store, release.path
    try:
        policy = Policy.model_validate_json(store.read_bytes(f"{path}/{layout.POLICY}"))
        settings = Settings.model_validate_json(store.read_bytes(f"{path}/{layout.SETTINGS_FILE}"))
    except ValidationError as error:
        raise CorpusError(
            f"{store.url(path)} cannot be made again: its policy or settings are damaged ({error.errors()[0]['msg']}); "
            "restore them, or delete the folder of that version, then run the takedown again"
        ) from error
    for name, made_by in makers_of_rules(policy, settings.readers).items():
        if made_by != settings.measured.get(name):
            raise CorpusError(
                f"{store.url(path)} was judged by {name} of {settings.measured.get(name)}, and {made_by} is installed; "
                "install that one, or build the release anew, then run the takedown again"
            )
    return policy, settings


def remake(release: Release, denylists: Collection[str]) -> str:
    """Judge, shard and publish a release again under its own policy, and return the new version.

    Nothing is fetched, measured or captioned. Raises `CorpusError` when nothing is left of it.
    """
    store, (policy, settings) = release.store, _made_with(release)
    parts = [part for records in release.manifest.records.values() for part in parts_of(store, records)]
    made = regenerate(parts, store, policy, settings, denylists=tuple(denylists), splice_from=[release])
    return made.version


def withdraw(release: Release, successor: str | None, takedown: str) -> None:
    """Say of a version that another one took its place; keep order and sizes of its samples, to ask checkpoints by."""
    store, path = release.store, release.path
    store.write_table(f"{path}/{layout.WITHDRAWN_SAMPLES}", _samples(store, release.manifest.shards))
    write_note(store, path, Note(takedown=takedown, successor=successor))


def strip(store: Store, path: str) -> None:
    """Delete all that a withdrawn version need not keep: everything but its manifest, the note and the samples."""
    kept = {layout.MANIFEST, layout.WITHDRAWN, layout.WITHDRAWN_SAMPLES}
    names = [*store.files(path), *(f"{layout.VERDICTS}/{name}" for name in store.files(f"{path}/{layout.VERDICTS}"))]
    for name in names:
        if name not in kept:
            store.remove(f"{path}/{name}")


def point_latest(store: Store, name: str, version: str) -> None:
    """Make LATEST of a release name this version, or what took its place; none when that is gone."""
    path = layout.release(name, version)
    newest = read_note(store, path).successor if is_withdrawn(store, path) else version
    if not newest or not store.exists(f"{layout.release(name, newest)}/{layout.MANIFEST}"):
        store.remove(layout.latest(name))
    else:
        store.write_bytes(layout.latest(name), f"{newest}\n".encode())


def _samples(store: Store, shards: Iterable[Shard]) -> pa.Table:
    columns = ["key", "height", "width"]
    tables = [(s.name, store.read_table(shard_table_path(s.name), columns).select(columns)) for s in shards]
    return pa.concat_tables(table.add_column(0, "shard", pa.array([name] * len(table))) for name, table in tables)


def shards_with(
    store: Store, packs: Collection[str], sha256s: Collection[str], record_ids: Collection[str]
) -> Iterator[str]:
    """Yield the names of all shards, released or not, that hold one of these pictures or speak of these records."""
    wanted, ids = pa.array(sorted(sha256s), pa.string()), pa.array(sorted(record_ids), pa.string())
    for name in store.files(layout.SHARDS, suffix=".parquet"):
        if name.rsplit("-", 2)[0] in packs:
            rows = store.read_table(layout.shard_file(name), ["key", "record_id"])
            if pc.any(pc.or_(pc.is_in(rows["key"], wanted), pc.is_in(rows["record_id"], ids))).as_py():
                yield f"{name.removesuffix('.parquet')}.tar"


def undescribed_shards(store: Store, packs: Collection[str]) -> list[str]:
    """Return the names of what killed writers left of shards of these packs: what they hold is not known."""
    stems = {name.partition(".")[0] for name in store.files(layout.SHARDS) if name.rsplit("-", 2)[0] in packs}
    return sorted(f"{stem}.tar" for stem in stems if not store.exists(layout.shard_file(f"{stem}.json")))


def remove_shard(store: Store, name: str) -> None:
    """Delete a shard: what describes it first, so that it is not taken for one that is whole."""
    stem = name.removesuffix(".tar")
    for kind in ("json", "tar", "parquet"):
        store.remove(layout.shard_file(f"{stem}.{kind}"))
