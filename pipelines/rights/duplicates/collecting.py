"""Collect what the page of duplicates shows of a release: each cluster with its pictures, credits and measures."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.corpus import read_settings
from byline.catalog.corpora.manifest import Release
from byline.catalog.corpora.parts import PackPart, parts_of
from byline.catalog.corpora.records import pack_of
from byline.catalog.disk import layout
from byline.catalog.errors import CorpusError
from byline.catalog.policies.policy import Policy
from byline.pipelines.facts.measures import thumbnail_facts
from byline.pipelines.facts.rows import Instruments, read_rows
from byline.pipelines.releases.publishing import SETTINGS_FILE, Settings
from byline.pipelines.releases.released import ReleasedPack, check_manifest, read_paper, released_packs
from byline.pipelines.rights.duplicates.denied import Denied, denied_of
from byline.pipelines.rights.duplicates.ledger import Chosen, Ledger, read_ledger
from byline.pipelines.rights.takedown.apply import check_none_pending

VERDICT_COLUMNS = ["record_id", "sha256", "license", "reasons"]
RECORD_COLUMNS = ["record_id", "url", "landing_url", "title", "creator", "creator_url"]
MEASURES = [
    *("original_width", "original_height", "sharpness", "flatness", "retrieved_at"),
    *("pixels", "phash256", "turned", "trimmed"),
]
Count = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A record in a cluster: what its source said, what the release decided, what was measured."""

    record_id: str
    source: str
    sha256: str | None
    license: str
    reasons: tuple[str, ...]
    """Why it is not in the release; none for a keeper that is."""
    url: str | None
    landing_url: str | None
    title: str | None
    creator: str | None
    creator_url: str | None
    original_width: int | None
    original_height: int | None
    sharpness: float | None
    flatness: float | None
    retrieved_at: str | None
    pixels: str | None
    """Digest of the decoded pixels."""
    phash256: bytes | None
    turned: bytes | None
    trimmed: bytes | None
    """Views, as `pipelines.facts.rows.ROW_SCHEMA` has them."""
    distance_bits: int | None = None
    """Distance from its keeper, in bits; None for a keeper, and for a copy that an embedding found."""
    view: str | None = None
    """How the two must be turned or trimmed to be that near, where the release says it."""
    cosine: float | None = None
    """How alike an embedding finds the two, where it decided."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A keeper and the copies that it stands for."""

    keeper: Picture | None
    """The picture that was kept; None when its record left the corpus after the release was made, or was taken down."""
    copies: tuple[Picture, ...]
    """The copies by distance, then by id; the farthest ones when there is no room for all."""
    num_copies: int


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """All that the page needs."""

    ledger: Ledger
    clusters: tuple[Cluster, ...]
    num_taken_down: int
    """Pictures that are left out because a takedown names them."""
    num_lost: int
    """Copies of the ledger whose record is in no verdict."""
    thumbnails: Mapping[str, bytes]
    """JPEGs by the digest of the fetched bytes."""
    policy: Policy


def collect(release: Release, *, limit: int, begin: Callable[[int], Count]) -> Duplicates:
    """Read the `limit` largest clusters of a release. `begin` is told how many packs there are, and gives a counter.

    What was taken down never comes out of here. Raises a `BylineError` when the release was edited or its corpus is
    not beside it, or while a takedown is under way.
    """
    store = release.store
    check_manifest(release)
    check_none_pending(store)
    parts = _parts(release)
    policy = Policy.model_validate_json(read_paper(release, layout.POLICY))
    ledger = read_ledger(release, limit=limit)
    wanted = {chosen.keeper_record_id for chosen in ledger.chosen}
    wanted |= {row["record_id"] for chosen in ledger.chosen for row in chosen.copies}
    pictures, thumbnails = _pictures(release, parts, wanted, begin(len(parts)))
    denied = denied_of(store, release.name, flat_from=policy.duplicates.flat_from)
    allowed = {name: picture for name, picture in pictures.items() if not _is_denied(picture, denied)}
    clusters = [_cluster(chosen, allowed) for chosen in ledger.chosen]
    shown = {
        picture.sha256 for cluster in clusters for picture in (cluster.keeper, *cluster.copies) if picture is not None
    }
    return Duplicates(
        ledger=ledger,
        clusters=tuple(cluster for cluster in clusters if cluster.copies),
        num_taken_down=len(pictures) - len(allowed),
        num_lost=len(wanted) - len(pictures),
        thumbnails={sha256: jpeg for sha256, jpeg in thumbnails.items() if sha256 in shown},
        policy=policy,
    )


def _parts(release: Release) -> dict[str, PackPart]:
    for path in release.manifest.records.values():
        if not release.store.exists(path):
            raise CorpusError(
                f"{release.store.url(path)} is missing: the page needs the records and facts that the release was made "
                "from; name the release where its corpus is, as <corpus>/releases/<name>"
            )
    parts = {part.pack: part for path in release.manifest.records.values() for part in parts_of(release.store, path)}
    return {pack: parts[pack] for pack in released_packs(release) if pack in parts}


def _pictures(
    release: Release, parts: Mapping[str, PackPart], wanted: set[str], count: Count
) -> tuple[dict[str, Picture], dict[str, bytes]]:
    instruments = Settings.model_validate_json(read_paper(release, SETTINGS_FILE)).instruments
    pictures: dict[str, Picture] = {}
    thumbnails: dict[str, bytes] = {}
    for pack in _likely_first(release, parts, wanted):
        if len(pictures) == len(wanted):
            break
        pictures_of_pack = {
            picture.record_id: picture for picture in _of_pack(release, parts[pack], instruments, wanted)
        }
        if pictures_of_pack:
            pictures |= pictures_of_pack
            thumbnails |= _thumbnails(
                release, pack, {picture.sha256 for picture in pictures_of_pack.values() if picture.sha256}
            )
        count(1)
    return pictures, thumbnails


def _likely_first(release: Release, parts: Mapping[str, PackPart], wanted: Iterable[str]) -> Iterator[str]:
    """Yield all packs: first those that the ids name, if the corpus still says how many packs its sources have."""
    num_packs = read_settings(release.store).get("num_packs", {})
    sources = {record_id: record_id.partition(":")[0] for record_id in wanted}
    named = {
        pack_of(record_id, source=source, num_packs=num_packs[source])
        for record_id, source in sources.items()
        if source in num_packs
    }
    yield from sorted(named & set(parts))
    yield from sorted(set(parts) - named)


def _of_pack(release: Release, part: PackPart, instruments: Instruments, wanted: set[str]) -> Iterator[Picture]:
    verdicts = ReleasedPack(release, part.pack)
    ids = verdicts.read(["record_id"])["record_id"]
    places = pc.indices_nonzero(pc.is_in(ids, value_set=pa.array(sorted(wanted), pa.string())))
    if not len(places):
        return
    judged = verdicts.read(VERDICT_COLUMNS, places)
    records = part.read_records(release.store, RECORD_COLUMNS)
    rows = pc.index_in(judged["record_id"], value_set=records["record_id"].combine_chunks())
    measured = read_rows(part, release.store, instruments, MEASURES).take(rows)
    joined = zip(judged.to_pylist(), records.take(rows).to_pylist(), measured.to_pylist(), strict=True)
    for verdict, record, measures in joined:
        if record["record_id"] is not None:
            yield Picture(source=part.source, **record, **measures, **_decided(verdict))


def _decided(verdict: Mapping[str, Any]) -> dict[str, Any]:
    return {"sha256": verdict["sha256"], "license": verdict["license"], "reasons": tuple(verdict["reasons"])}


def _thumbnails(release: Release, pack: str, sha256s: set[str]) -> dict[str, bytes]:
    facts = thumbnail_facts(release.store).read(pack)
    chosen = facts.filter(pc.is_in(facts["sha256"], value_set=pa.array(sorted(sha256s), pa.string())))
    return dict(zip(chosen["sha256"].to_pylist(), chosen["jpeg"].to_pylist(), strict=True))


def _is_denied(picture: Picture, denied: Denied) -> bool:
    return "denied:taken-down" in picture.reasons or denied(vars(picture))


def _cluster(chosen: Chosen, pictures: Mapping[str, Picture]) -> Cluster:
    copies = []
    for row in chosen.copies:
        if (picture := pictures.get(row["record_id"])) is not None:
            placed = {name: row.get(name) for name in ("distance_bits", "view", "cosine")}
            copies.append(Picture(**{**vars(picture), **placed}))
    return Cluster(keeper=pictures.get(chosen.keeper_record_id), copies=tuple(copies), num_copies=chosen.num_copies)
