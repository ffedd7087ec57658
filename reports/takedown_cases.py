"""What the page of a takedown shows, joined from the corpus and from the training runs that are known."""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow.compute as pc

from byline.catalog.corpora.manifest import Manifest
from byline.catalog.corpora.packs import read_attempts, read_images, read_index
from byline.catalog.disk.storage import Store
from byline.catalog.licenses.reading import read_claims
from byline.pipelines.rights.takedown.exposed import Exposures, Places
from byline.pipelines.rights.takedown.page import Case, CaseRecord, Promoted, Seen
from byline.pipelines.rights.takedown.selecting import Selection, Victim
from byline.pipelines.rights.traces.lookup import find_record
from byline.pipelines.rights.traces.release_traces import InRelease, Version, versions_of
from byline.reports.seen import find_checkpoints

MAX_PICTURES = 1000
"""On the page; of further ones it shows the words."""


def exposures_of(runs: Sequence[str] | None) -> Exposures:
    """Return what tells how often the checkpoints of these runs (none: of all runs here) have seen pictures."""
    checkpoints = find_checkpoints(runs)

    def exposures(manifest: Manifest, places: Places) -> list[dict[str, Any]]:
        times: dict[str, dict[str, int]] = {}
        for place, sha256 in places.items():
            for one in checkpoints.seen(manifest, place):
                times.setdefault(one.checkpoint, {})[sha256] = one.times_seen
        return [{"checkpoint": path, "times_seen": seen} for path, seen in sorted(times.items())]

    return exposures


def cases_of(store: Store, selection: Selection, runs: Sequence[str] | None) -> list[Case]:
    """Return a case for each victim, in their order."""
    checkpoints, versions = find_checkpoints(runs), [one for one in versions_of(store) if not one.is_withdrawn]
    gone = {victim.record_id for victim in selection.victims}
    pictures = _pictures(store, selection.victims[:MAX_PICTURES])

    def case(victim: Victim) -> Case:
        said = [one.of(victim.record_id, victim.pack, victim.sha256, checkpoints.seen) for one in versions]
        return Case(
            asked=f"record {victim.record_id if victim.reason == 'asked for' else victim.asked}"
            if victim.asked or victim.reason == "asked for"
            else "the picture that was given",
            reason=victim.reason,
            distance_bits=victim.distance_bits,
            sha256=victim.sha256,
            picture=pictures.get(victim.sha256 or ""),
            records=(_record(store, victim),),
            releases=tuple(one.release for one in said if one.verdict and one.verdict.admitted),
            shards=tuple(sorted({one.place.shard for one in said if one.place})),
            seen=tuple(
                Seen(checkpoint=by.checkpoint, times=by.times_seen)
                for one in said
                for by in one.seen_by
                if by.times_seen
            ),
            promoted=_promoted(store, said, versions, gone),
        )

    return [case(victim) for victim in selection.victims]


def _pictures(store: Store, victims: Sequence[Victim]) -> dict[str, bytes]:
    by_pack: dict[str, set[str]] = {}
    for victim in victims:
        if victim.sha256:
            by_pack.setdefault(victim.pack, set()).add(victim.sha256)
    return {
        sha256: data
        for pack, sha256s in by_pack.items()
        for sha256, data in read_images(store, read_attempts(store, pack), only=sha256s)
    }


def _record(store: Store, victim: Victim) -> CaseRecord:
    part = find_record(store, victim.record_id)[victim.record_id]
    records = part.read_records(store)
    (row,) = records.filter(pc.equal(records["record_id"], victim.record_id)).to_pylist()
    return CaseRecord(
        record_id=victim.record_id,
        title=row["title"] or "",
        creator=row["creator"] or "",
        license=read_claims(_claims(row["license_claims"])).spdx,
        source_url=row["landing_url"] or row["url"],
    )


def _claims(text: str) -> list[tuple[str, str]]:
    return [(field, said) for field, said in json.loads(text)]


def _promoted(store: Store, said: Sequence[InRelease], versions: Sequence[Version], gone: set[str]) -> Promoted | None:
    """Return the copy that would take the place of the picture in the newest release; none where several could."""
    newest = next((one for one, version in zip(said, versions, strict=True) if version.is_newest), None)
    left = [copy for copy in newest.stands_for if copy.record_id not in gone] if newest else []
    if len(left) != 1:
        return None
    (copy,) = left
    part = find_record(store, copy.record_id).get(copy.record_id)
    index = None if part is None else read_index(store, part.pack)
    picture = None if index is None else dict(read_images(store, index, only={copy.sha256})).get(copy.sha256)
    return Promoted(record_id=copy.record_id, picture=picture)
