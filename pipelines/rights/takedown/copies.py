"""What records of a corpus brought, and what equals or looks like a picture. Only what was stored is a picture."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.packs import read_attempts
from byline.catalog.denylists.denylist import Look
from byline.catalog.denylists.keyed_vectors import ALIKE_FROM
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.dedup.quality import FLAT_FROM
from byline.dedup.views import KIND_NAMES, UPRIGHT
from byline.pipelines.facts.likeness import PackLooks, views_in
from byline.pipelines.facts.measures import hash_facts, quality_facts
from byline.pipelines.facts.similar_search import told_vectors
from byline.pipelines.releases.papers.distances import distance_text

Row = dict[str, Any]
"""One attempt to fetch: its `pack`, `record_id`, `url`, `sha256`, `stored_sha256`."""
EQUAL_BYTES = "equal bytes"
EQUAL_PIXELS = "equal pixels"
BEYOND_BITS = 32
"""Farther than any radius."""
COLUMNS = ["record_id", "url", "sha256", "stored_sha256"]


@dataclass(frozen=True, kw_only=True)
class Sought:
    """A picture whose copies are wanted."""

    record_id: str | None
    """Id of the record; None for a picture from outside."""
    look: Look | None
    """Look of the picture; None for bytes that are no picture, or that were not measured."""


@dataclass(frozen=True, kw_only=True)
class FoundCopy:
    """An attempt that brought a copy, of which record's picture, and how far from it."""

    row: Row
    of: str | None
    reason: str
    """Why it is a copy: `equal bytes`, `equal pixels`, `near: 7 bits, turned`, or `near: cosine 0.91`."""
    distance_bits: int = 0
    """Distance in bits; `BEYOND_BITS` where only an embedding tells."""
    view: str | None = None
    """How the two must be looked at for that, if not as they are."""


def attempts_of(store: Store, packs: Iterable[str], record_ids: Collection[str]) -> list[Row]:
    """Return every attempt of these records, whatever came of it: a record whose URL changed has several pictures."""
    wanted = pa.array(sorted(record_ids), pa.string())
    return _rows(store, packs, lambda rows: pc.is_in(rows["record_id"], wanted))


def pictures_with(store: Store, packs: Iterable[str], sha256s: Collection[str]) -> list[Row]:
    """Return the attempts that brought pictures with these digests, as fetched or as stored."""
    wanted = pa.array(sorted(sha256s), pa.string())

    def has_digest(rows: pa.Table) -> Any:
        named = pc.or_(pc.is_in(rows["sha256"], wanted), pc.is_in(rows["stored_sha256"], wanted))
        return pc.and_(rows["stored_sha256"].is_valid(), named)

    return _rows(store, packs, has_digest)


def held_by_others(
    store: Store, packs: Iterable[str], sha256s: Collection[str], record_ids: Collection[str]
) -> set[str]:
    """Return which of these digests came to records other than these."""
    wanted, own = pa.array(sorted(sha256s), pa.string()), pa.array(sorted(record_ids), pa.string())

    def is_other(rows: pa.Table) -> Any:
        return pc.and_(pc.is_in(rows["sha256"], wanted), pc.invert(pc.is_in(rows["record_id"], own)))

    return {row["sha256"] for row in _rows(store, packs, is_other)} if sha256s else set()


def copies_of(
    store: Store, packs: Sequence[str], sought: Mapping[str, Sought], radius_bits: int, *, sees_views: bool
) -> list[FoundCopy]:
    """Return every picture that equals one of these, named by their digests, or looks like it; the nearest first.

    With `sees_views` pictures look alike when they do so turned, without their frames, or to the embedding of the
    corpus, as crops do.
    """
    copies, similar = [], _similar(store, packs, sought) if sees_views else {}
    for pack in packs:
        near = {sha256: FoundCopy(row={}, of=target.record_id, reason=EQUAL_BYTES) for sha256, target in sought.items()}
        near = {**similar, **near}
        for copy, sha256 in _alike(store, pack, sought, radius_bits, sees_views=sees_views):
            near[sha256] = min(near.get(sha256, copy), copy, key=_nearness)
        for row in pictures_with(store, [pack], near):
            digests = [row[name] for name in ("sha256", "stored_sha256") if row[name] in near]
            copies.append(replace(min((near[digest] for digest in digests), key=_nearness), row=row))
    return sorted(copies, key=lambda copy: (*_nearness(copy), copy.row["record_id"]))


def _nearness(copy: FoundCopy) -> tuple[int, bool]:
    return copy.distance_bits, copy.view is not None


def _alike(
    store: Store, pack: str, sought: Mapping[str, Sought], radius_bits: int, *, sees_views: bool
) -> Iterator[tuple[FoundCopy, str]]:
    """Yield what looks like a picture that is sought, without its row, and its digest."""
    looks = PackLooks(hash_facts(store), pack)
    for target in sought.values():
        for like in looks.like(target.look, radius_bits, sees_views=sees_views) if target.look else ():
            reason = f"near: {distance_text(like.distance_bits, like.view)}"
            copy = FoundCopy(
                row={},
                of=target.record_id,
                reason=EQUAL_PIXELS if like.is_same else reason,
                distance_bits=like.distance_bits,
                view=None if like.view == KIND_NAMES[UPRIGHT] else like.view,
            )
            yield copy, like.sha256


def _similar(store: Store, packs: Sequence[str], sought: Mapping[str, Sought]) -> dict[str, FoundCopy]:
    """Return what an embedding finds alike to the pictures that are sought, without its row, by digest.

    All vectors are compared, whether or not a policy had them compared with each other: what is found here is what a
    build refuses from then on, so that nothing leaves a release that was not shown before.
    """
    similar: dict[str, FoundCopy] = {}
    for instrument in store.folders(layout.facts_of("embeddings")):
        names, vectors_SD = _vectors_of(store, packs, instrument, sought)
        for pack in packs if names else ():
            sha256_N, vectors_ND = told_vectors(store, pack, instrument)
            cosine_NS = vectors_ND.astype(np.float32) @ vectors_SD.T if len(sha256_N) else np.zeros((0, len(names)))
            for row in np.flatnonzero((cosine_NS >= ALIKE_FROM).any(axis=1)).tolist():
                nearest = int(cosine_NS[row].argmax())
                similar[str(sha256_N[row])] = FoundCopy(
                    row={},
                    of=sought[names[nearest]].record_id,
                    reason=f"near: {distance_text(None, cosine=float(cosine_NS[row, nearest]))}",
                    distance_bits=BEYOND_BITS,
                )
    return similar


def _vectors_of(
    store: Store, packs: Iterable[str], instrument: str, sought: Collection[str]
) -> tuple[list[str], npt.NDArray[np.float32]]:
    """Return the digests and vectors of those pictures that have one and are not plain."""
    names, vectors = [], []
    for pack in packs:
        sha256_N, vectors_ND = told_vectors(store, pack, instrument)
        is_sought_N = np.isin(sha256_N, np.array(sorted(sought), np.str_))
        names += sha256_N[is_sought_N].tolist()
        vectors += list(vectors_ND[is_sought_N].astype(np.float32))
    return names, np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)


def looks_of(store: Store, rows: Iterable[Row]) -> dict[str, Look]:
    """Return the looks of these pictures, as they were measured, by digest."""
    by_pack: dict[str, set[str]] = {}
    for row in rows:
        by_pack.setdefault(row["pack"], set()).add(row["sha256"])
    looks = {}
    for pack, sha256s in sorted(by_pack.items()):
        facts = hash_facts(store).read(pack, ["phash256", "pixels", "views"])
        facts = facts.filter(pc.is_in(facts["sha256"], pa.array(sorted(sha256s))))
        flatness = dict(
            zip(*(c.to_pylist() for c in quality_facts(store).read(pack, ["flatness"]).columns), strict=True)
        )
        for fact in facts.to_pylist():
            is_flat = flatness.get(fact["sha256"], 0.0) >= FLAT_FROM
            views = () if is_flat else views_in(fact["views"])
            looks[fact["sha256"]] = Look(pixels=fact["pixels"], phash256=fact["phash256"], is_flat=is_flat, views=views)
    return looks


def unmeasured(store: Store, packs: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield pack and digest of every stored picture that has no hash or quality facts: its copies are not known."""
    for pack in packs:
        rows = read_attempts(store, pack, COLUMNS)
        stored = pc.unique(rows["sha256"].filter(rows["stored_sha256"].is_valid())).to_pylist()
        lacking = (facts.lacking(pack, stored) for facts in (hash_facts(store), quality_facts(store)))
        yield from ((pack, sha256) for sha256 in sorted(set().union(*lacking)))


def _rows(store: Store, packs: Iterable[str], wanted: Any) -> list[Row]:
    matching: list[Row] = []
    for pack in sorted(packs):
        rows = read_attempts(store, pack, COLUMNS)
        matching += [{"pack": pack, **row} for row in rows.filter(wanted(rows)).to_pylist()]
    return matching
