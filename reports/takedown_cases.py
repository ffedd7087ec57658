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
from byline.pipelines.rights.takedown.page import ASKED_FOR, Case, CaseRecord, Promoted, Seen
from byline.pipelines.rights.takedown.selecting import Selection, Victim
from byline.pipelines.rights.traces.lookup import find_record
from byline.pipelines.rights.traces.release_traces import InRelease, Version, versions_of
from byline.reports.seen import find_checkpoints

GIVEN = "the picture that was given"
"""The group of the copies of a picture from outside."""
MAX_PICTURES = 1000
"""Most pictures that the page shows; further cases are shown by their words alone."""


def exposures_of(runs: Sequence[str] | None, store: Store) -> Exposures:
    """Return what tells how often the checkpoints of these runs (none: of all runs here) have seen pictures."""
    checkpoints = find_checkpoints(runs, store)

    def exposures(manifest: Manifest, places: Places) -> list[dict[str, Any]]:
        times: dict[str, dict[str, int]] = {}
        for position, sha256 in places.items():
            for seen_by in checkpoints.seen(manifest, position):
                times.setdefault(seen_by.checkpoint, {})[sha256] = seen_by.times_seen
        return [{"checkpoint": path, "times_seen": seen} for path, seen in sorted(times.items())]

    return exposures


def cases_of(store: Store, selection: Selection, runs: Sequence[str] | None) -> list[Case]:
    """Return a case for each picture, with all records that have it, in the order of the victims.

    Pictures that were asked for together with their copies are one group: records of equal bytes are one picture.
    """
    checkpoints = find_checkpoints(runs, store)
    versions = [version for version in versions_of(store) if not version.is_withdrawn]
    gone = {victim.record_id for victim in selection.victims}
    pictures = _pictures(store, selection.victims[:MAX_PICTURES])

    def case(group: str, victims: Sequence[Victim]) -> Case:
        in_releases = {
            victim: [version.of(victim.record_id, victim.pack, victim.sha256, checkpoints.seen) for version in versions]
            for victim in victims
        }
        nearest, everywhere = victims[0], [placement for placements in in_releases.values() for placement in placements]
        times = {
            (by.checkpoint, by.times_seen) for placement in everywhere for by in placement.seen_by if by.times_seen
        }
        return Case(
            asked=group,
            reason=nearest.reason,
            distance_bits=nearest.distance_bits,
            sha256=nearest.sha256,
            picture=pictures.get(nearest.sha256 or ""),
            records=tuple(_record(store, victim) for victim in victims),
            releases=tuple(
                sorted(
                    {placement.release for placement in everywhere if placement.verdict and placement.verdict.admitted}
                )
            ),
            shards=tuple(sorted({placement.place.shard for placement in everywhere if placement.place})),
            seen=tuple(Seen(checkpoint=path, times=number) for path, number in sorted(times)),
            promoted=next(
                filter(None, (_promoted(store, placements, versions, gone) for placements in in_releases.values())),
                None,
            ),
        )

    return [case(group, victims) for group, victims in _grouped(selection.victims)]


def _grouped(victims: Sequence[Victim]) -> list[tuple[str, list[Victim]]]:
    """Return the victims of each picture, the nearest first, and the group of the picture."""
    asked_of = {victim: victim.record_id if victim.reason == ASKED_FOR else victim.asked for victim in victims}
    first: dict[str, str] = {}
    """The record that a group is named after, by each record that was asked for."""
    owner: dict[str, str] = {}
    for victim, asked in asked_of.items():
        if asked is not None:
            named = owner.setdefault(victim.sha256, first.get(asked, asked)) if victim.sha256 else asked
            first.setdefault(asked, named)
    pictures: dict[tuple[str, str], list[Victim]] = {}
    for victim, asked in asked_of.items():
        group = GIVEN if asked is None else f"record {first.get(asked, asked)}"
        pictures.setdefault((group, victim.sha256 or victim.record_id), []).append(victim)
    return [
        (
            group,
            sorted(members, key=lambda member: (member.reason != ASKED_FOR, member.distance_bits, member.record_id)),
        )
        for (group, _), members in pictures.items()
    ]


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
    return [(field, value) for field, value in json.loads(text)]


def _promoted(
    store: Store, placements: Sequence[InRelease], versions: Sequence[Version], gone: set[str]
) -> Promoted | None:
    """Return the copy that would take the place of the picture in the newest release; none where several could."""
    newest = next(
        (placement for placement, version in zip(placements, versions, strict=True) if version.is_newest), None
    )
    left = [copy for copy in newest.stands_for if copy.record_id not in gone] if newest else []
    if len(left) != 1:
        return None
    (copy,) = left
    part = find_record(store, copy.record_id).get(copy.record_id)
    index = None if part is None else read_index(store, part.pack)
    picture = None if index is None else dict(read_images(store, index, only={copy.sha256})).get(copy.sha256)
    return Promoted(record_id=copy.record_id, picture=picture)
