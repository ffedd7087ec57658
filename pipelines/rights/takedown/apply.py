"""Take something down: deny it, remove it, make the releases again, and write the receipt.

What is to be done is written to `takedowns/pending.json` before anything is; a takedown that was killed is completed by
the next one, and by nothing else: builds wait for it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.corpus import DENYLISTS, read_settings
from byline.catalog.corpora.manifest import Release
from byline.catalog.corpora.packs import read_attempts, read_images
from byline.catalog.corpora.withdrawn import is_withdrawn, read_note, read_withdrawn_manifest, withdrawn_versions
from byline.catalog.corpora.written import Written
from byline.catalog.denylists.denylist import Entry
from byline.catalog.denylists.lists import add_entries, load_denylist, make_key, read_key
from byline.catalog.disk import layout
from byline.catalog.disk.json_files import read_json, write_new_json
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.pipelines.facts.measures import thumbnail_facts
from byline.pipelines.rights.takedown.beyond import beyond, matcher_of
from byline.pipelines.rights.takedown.copies import unmeasured
from byline.pipelines.rights.takedown.exposed import Exposures, exposed
from byline.pipelines.rights.takedown.footprint import changed, footprint
from byline.pipelines.rights.takedown.receipts import Receipt, seal_old_receipts, write_receipt
from byline.pipelines.rights.takedown.remaking import (
    latest_of,
    point_latest,
    remake,
    remove_shard,
    shards_with,
    strip,
    undescribed_shards,
    versions_with,
    withdraw,
)
from byline.pipelines.rights.takedown.removing import Doomed, doomed_by, remove
from byline.pipelines.rights.takedown.selecting import Request, Selection
from byline.pipelines.rights.takedown.windows import fingerprints
from byline.pipelines.rights.traces.scanning import all_parts

PRINT_SCHEMA = pa.schema([("fingerprint", pa.uint64())])


def is_pending(store: Store) -> bool:
    """Tell whether a takedown was begun and not completed."""
    return store.exists(layout.PENDING)


def check_none_pending(store: Store) -> None:
    """Raise `CorpusError` when a takedown was begun and not completed."""
    if is_pending(store):
        raise CorpusError(f"in {store.root} a takedown was begun and not completed; run: byline takedown apply")


def begin(
    store: Store, request: Request, selection: Selection, exposures: Exposures, near: Iterable[Written] = ()
) -> None:
    """Write down what is to be done. Nothing is removed yet; from here on `complete` can be run any number of times.

    `near` are pages and exports near by, which are told when they show what goes.

    Raises `CorpusError`, and leaves all as it was, when the denylist is damaged, a picture was not measured yet, or a
    release could not be made again.
    """
    check_none_pending(store)
    load_denylist(store)  # of earlier takedowns, before anything is done
    _check_measured(store)
    doomed = doomed_by(store, selection)
    releases = versions_with(store, doomed.record_ids, doomed.packs)
    load_denylist(store, _all_of(denylists_of(store, release.name) for release in releases))
    exposed_places = list(exposed(store, releases, doomed.packs, doomed.sha256s))
    seen = [checkpoint for manifest, places in exposed_places for checkpoint in exposures(manifest, places)]
    prints = _fingerprints(store, doomed)
    store.write_table(layout.PENDING_PRINTS, pa.table({"fingerprint": prints}, schema=PRINT_SCHEMA))
    versions = {manifest.digest[:16] for manifest, places in exposed_places if places}
    matcher = matcher_of(np.asarray(prints.to_numpy(zero_copy_only=False), np.uint64), read_key(store))
    journal = {
        "asked": asdict(request),
        "victims": [asdict(victim) for victim in selection.victims],
        "entries": [asdict(entry) for entry in selection.entries],
        "doomed": {name: sorted(_plain(value) for value in values) for name, values in vars(doomed).items()},
        "checkpoints": seen,
        "footprint": footprint(store, doomed.packs),
        "versions": [[release.name, release.version] for release in releases],
        "latest": {release.name: latest_of(store, release.name) for release in releases},
        "beyond": beyond(store, doomed.record_ids, matcher, versions, near),
        "began_at": _now(),
    }
    if not write_new_json(store, layout.PENDING, journal):
        raise CorpusError(f"another takedown was begun in {store.root} meanwhile; run: byline takedown apply")


def complete(store: Store, count: Callable[[str], None] = lambda _: None) -> Receipt:
    """Do what `begin` wrote down, or the rest of it, and return what was done, in clear: the receipt that is
    kept names nothing. `count` is told of each step."""
    key = read_key(store)  # that the fingerprints were made with
    journal = read_json(store, layout.PENDING)
    names = {name for name, _ in journal["versions"]}
    denylists = {name: denylists_of(store, name) for name in names}
    load_denylist(store, _all_of(denylists.values()))
    doomed = _doomed(journal["doomed"])
    takedown = add_entries(store, [Entry(**entry) for entry in journal["entries"]])
    for path in remove(store, doomed):
        count(path)
    for name, version in journal["versions"]:
        path = layout.release(name, version)
        is_there = store.exists(f"{path}/{layout.MANIFEST}")  # somebody may have deleted the folder since
        if is_there and not is_withdrawn(store, path):
            release = Release(store.url(path))
            withdraw(release, _remade(release, denylists[name]), takedown)
        strip(store, path)
        point_latest(store, name, journal["latest"][name])  # at once: the next release opens those of all others
        count(path)
    held = shards_with(store, doomed.packs, doomed.sha256s, doomed.record_ids)
    for name in sorted({*held, *undescribed_shards(store, doomed.packs)}):
        remove_shard(store, name)
        count(name)
    files = changed(journal["footprint"], footprint(store, doomed.packs))
    receipt = _receipt(store, takedown, journal, files)
    write_receipt(store, receipt, store.read_table(layout.PENDING_PRINTS), key)
    seal_old_receipts(store, key)
    store.remove(layout.PENDING)
    store.remove(layout.PENDING_PRINTS)
    return receipt


def _check_measured(store: Store) -> None:
    lacking = list(unmeasured(store, sorted({part.pack for part in all_parts(store)})))
    if lacking:
        pack, sha256 = lacking[0]
        raise CorpusError(
            f"{len(lacking):,} pictures were fetched and not measured yet ({sha256} in {pack}): copies among them would"
            " not be found; run byline build first, then the takedown again"
        )


def denylists_of(store: Store, name: str) -> list[str]:
    """Return the other corpora whose takedowns the last build of a release held it to."""
    settings = read_settings(store)
    last = settings.get("last_build", {})
    unknown = last.get("denylists", []) if last.get("name") == name else []
    return list(settings.get(DENYLISTS, {}).get(name, unknown))


def _all_of(denylists: Iterable[list[str]]) -> list[str]:
    return sorted({root for roots in denylists for root in roots})


def _remade(release: Release, denylists: list[str]) -> str | None:
    try:
        return remake(release, denylists)
    except CorpusError as error:
        if "would be empty" in str(error):
            return None
        raise


def _fingerprints(store: Store, doomed: Doomed) -> pa.Array:
    """Return what the bytes of pictures, those as fetched too if kept, of thumbnails and latents are recognized by."""
    key = make_key(store)
    prints = [fingerprints(data, key) for data in _blobs(store, doomed)]
    return pa.array(np.unique(np.concatenate([np.zeros(0, np.uint64), *prints])), pa.uint64())


def _blobs(store: Store, doomed: Doomed) -> Iterator[bytes]:
    for pack in doomed.packs:
        attempts = read_attempts(store, pack)
        yield from (data for _, data in read_images(store, attempts, only=doomed.sha256s))
        yield from _originals(store, attempts, doomed.sha256s)
        facts = thumbnail_facts(store).read(pack).to_pylist()
        yield from (fact["jpeg"] for fact in facts if fact["sha256"] in doomed.sha256s)
        for instrument in store.folders(layout.facts_of("latents")):
            for stem in store.numbered(layout.fact_segments("latents", instrument, pack), ".parquet"):
                rows = store.read_table(f"{stem}.parquet", ["sha256", "latents"]).to_pylist()
                yield from (row["latents"] for row in rows if row["sha256"] in doomed.sha256s)


def _originals(store: Store, attempts: pa.Table, sha256s: Collection[str]) -> Iterator[bytes]:
    is_theirs = pc.is_in(attempts["sha256"], pa.array(sorted(sha256s), pa.string()))
    rows = attempts.filter(pc.and_(is_theirs, attempts["originals"].is_valid()))
    for row in rows.select(["originals", "original_offset", "original_size"]).to_pylist():
        start = row["original_offset"]
        yield store.read_bytes(layout.pack_file(row["originals"]), start=start, end=start + row["original_size"])


def _plain(value: str | bytes) -> str:
    return value.hex() if isinstance(value, bytes) else value


def _doomed(doomed: dict[str, list[str]]) -> Doomed:
    sets = {name: frozenset(values) for name, values in doomed.items() if name not in ("codes", "packs")}
    codes = frozenset(bytes.fromhex(code) for code in doomed["codes"])
    return Doomed(**sets, codes=codes, packs=tuple(doomed["packs"]))


def _receipt(store: Store, takedown: str, journal: dict[str, Any], files: list[dict[str, str | None]]) -> Receipt:
    releases: list[dict[str, Any]] = []
    shards: list[dict[str, Any]] = []
    for path in withdrawn_versions(store):
        note, (name, version) = read_note(store, path), path.split("/")[-2:]
        if note.takedown == takedown:
            releases.append({"name": name, "before": version, "after": note.successor})
            shards += _replaced(store, path, name, note.successor)
    return Receipt(
        id=takedown,
        asked=journal["asked"],
        removed=[{k: v for k, v in victim.items() if v is not None} for victim in journal["victims"]],
        files=files,
        shards=shards,
        releases=releases,
        checkpoints=journal["checkpoints"],
        began_at=journal["began_at"],
        beyond=journal.get("beyond", []),
        completed_at=_now(),
    )


def _replaced(store: Store, path: str, name: str, successor: str | None) -> Iterator[dict[str, Any]]:
    """Yield which shard of the new version took the place of which of the old one, where it is another one."""
    before = read_withdrawn_manifest(store, path).shards
    after = () if successor is None else Release(store.url(layout.release(name, successor))).manifest.shards
    at = {(shard.pack, shard.split): shard for shard in after}
    for shard in before:
        new = at.get((shard.pack, shard.split))
        if new is None or new.name != shard.name:
            yield {
                "before": shard.name,
                "before_sha256": shard.sha256,
                "after": new and new.name,
                "after_sha256": new and new.sha256,
            }


def _now() -> str:
    return datetime.now(UTC).replace(microsecond=0).isoformat()
