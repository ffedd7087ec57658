"""What a takedown removes: the records that were asked for, their pictures, all copies of these, and their records."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.denylist import Entry, Look
from catalog.digests import sha256_hex
from catalog.errors import ConfigError
from catalog.packs import read_attempts
from catalog.storage import Store
from pipelines.edges import as_bytes
from pipelines.looks import FLAT_FROM, look_of
from pipelines.measures import hash_facts, quality_facts
from pipelines.parts import PackPart
from pipelines.pixels import UnusableError, store_image
from pipelines.traces.lookup import (
    Found,
    all_parts,
    find_creator,
    find_domain,
    find_picture,
    find_record,
    find_sha256,
    find_url,
)

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked to be taken down."""

    records: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    creators: tuple[str, ...] = ()
    """Names, or pages of creators."""
    domains: tuple[str, ...] = ()
    sha256s: tuple[str, ...] = ()
    """Of bytes as fetched or as stored."""
    pictures: tuple[str, ...] = ()
    """Files on this machine."""
    radius_bits: int = 12
    """Copies are pictures whose 256-bit perceptual hash is at most so far from one that is asked for; 0: equal ones."""

    def __post_init__(self) -> None:
        """Raise `ConfigError` when nothing is asked for, or the radius is none."""
        if not any((self.records, self.urls, self.creators, self.domains, self.sha256s, self.pictures)):
            raise ConfigError("name what to take down: --record, --url, --creator, --domain, --sha256 or --picture")
        if not 0 <= self.radius_bits <= 31:
            raise ConfigError(f"--radius must be 0 to 31 bits, got {self.radius_bits}")


@dataclass(frozen=True, kw_only=True)
class Victim:
    """One record that goes, and why."""

    record_id: str
    pack: str
    sha256: str | None
    """Of its picture as fetched; none when it has none."""
    stored_sha256: str | None
    reason: str
    """`asked for`, `equal bytes`, `near: N bits` (0: equal pixels)."""
    asked: str | None = None
    """The record that was asked for and that this one is a copy of; none for a picture from outside."""
    distance_bits: int = 0


@dataclass(frozen=True, kw_only=True)
class Selection:
    """All that goes, and what must not come back."""

    victims: tuple[Victim, ...]
    entries: tuple[Entry, ...] = field(repr=False)
    num_records: int
    """Of the whole corpus."""


def select(store: Store, request: Request, pixels: Mapping[str, Any]) -> Selection:
    """Find everything that a request takes down. Copies are those of what was asked for, not copies of copies.

    Equal bytes go wherever they are: a picture is removed or it is not. `pixels` is how the corpus stores pictures.
    """
    parts = all_parts(store)
    asked = _asked(store, request)
    files = {path: _read_file(path) for path in request.pictures}
    victims = {record_id: _victim(record_id, part.pack, "asked for") for record_id, part in asked.items()}
    of_asked = _pictures(store, {part.pack for part in asked.values()}, set(asked))
    for row in of_asked:
        victims[row["record_id"]] = _victim(row["record_id"], row["pack"], "asked for", row)
    copies = _copies(store, parts, of_asked, request.radius_bits)
    for data in files.values():
        near = find_picture(store, data, request.radius_bits)
        packs = {part.pack for part, _ in near.values()}
        rows = {row["record_id"]: row for row in _pictures(store, packs, set(near))}
        copies += [(rows[record_id], None, distance) for record_id, (_, distance) in near.items() if record_id in rows]
    for row, of, distance in sorted(copies, key=lambda copy: (copy[2], copy[0]["record_id"])):
        reason = f"near: {distance} bits" if distance else "equal bytes"
        victims.setdefault(row["record_id"], _victim(row["record_id"], row["pack"], reason, row, of, distance))
    chosen = tuple(victims[record_id] for record_id in sorted(victims))
    looks = [*_looks(store, of_asked).values(), *_looks_of_files(files.values(), pixels)]
    return Selection(
        victims=chosen,
        entries=tuple(_entries(store, request, chosen, looks, files.values())),
        num_records=sum(part.num_records for part in parts),
    )


def _asked(store: Store, request: Request) -> Found:
    found: Found = {}
    for finder, values in (
        (find_record, request.records),
        (find_url, request.urls),
        (find_creator, request.creators),
        (find_domain, request.domains),
        (find_sha256, request.sha256s),
    ):
        for value in values:
            found |= finder(store, value)
    return found


def _read_file(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the picture {path}: {error.strerror}") from error


def _victim(
    record_id: str, pack: str, reason: str, row: Row | None = None, asked: str | None = None, distance: int = 0
) -> Victim:
    row = row or {"sha256": None, "stored_sha256": None}
    return Victim(
        record_id=record_id,
        pack=pack,
        sha256=row["sha256"],
        stored_sha256=row["stored_sha256"],
        reason=reason,
        asked=asked,
        distance_bits=distance,
    )


def _pictures(store: Store, packs: Iterable[str], record_ids: set[str]) -> list[Row]:
    """Return pack, record and digests of every picture that these records ever brought."""
    found = []
    for pack in sorted(packs):
        rows = read_attempts(store, pack, ["record_id", "sha256", "stored_sha256"])
        rows = rows.filter(
            pc.and_(pc.is_in(rows["record_id"], pa.array(sorted(record_ids))), rows["sha256"].is_valid())
        )
        found += [{"pack": pack, **row} for row in rows.to_pylist()]
    return found


def _copies(
    store: Store, parts: list[PackPart], of_asked: list[Row], radius_bits: int
) -> list[tuple[Row, str | None, int]]:
    """Return every picture that equals one that was asked for, or looks like it: its row, the record, the distance."""
    looks = _looks(store, of_asked)
    asked_by = {row["sha256"]: row["record_id"] for row in of_asked}
    found = []
    for pack in sorted({part.pack for part in parts}):
        near = dict.fromkeys(asked_by, 0)
        origin = dict(asked_by)
        for sha256, of, distance in _alike(store, pack, looks, radius_bits):
            if distance < near.get(sha256, 257):
                near[sha256], origin[sha256] = distance, asked_by[of]
        rows = read_attempts(store, pack, ["record_id", "sha256", "stored_sha256"])
        rows = rows.filter(pc.is_in(rows["sha256"], pa.array(sorted(near), pa.string())))
        found += [({"pack": pack, **row}, origin[row["sha256"]], near[row["sha256"]]) for row in rows.to_pylist()]
    return found


def _alike(store: Store, pack: str, looks: Mapping[str, Look], radius_bits: int) -> Iterator[tuple[str, str, int]]:
    """Yield digest, the digest of the look that it is like, and their distance, for the pictures of a pack."""
    facts = hash_facts(store).read(pack, ["phash256", "pixels"])
    quality = quality_facts(store).read(pack, ["flatness"])
    flat = set(quality["sha256"].filter(pc.greater_equal(quality["flatness"], FLAT_FROM)).to_pylist())
    codes, sha256s = as_bytes(facts["phash256"]), facts["sha256"].to_pylist()
    for of, look in looks.items():
        same = pc.equal(facts["pixels"], look.pixels).to_numpy()
        apart = np.bitwise_count(codes ^ np.frombuffer(look.phash256, np.uint8)).sum(axis=1, dtype=np.int64)
        near = np.zeros(len(same), np.bool_) if look.is_flat else apart <= radius_bits
        for place in np.flatnonzero(same | near).tolist():
            if same[place] or sha256s[place] not in flat:
                yield sha256s[place], of, 0 if same[place] else int(apart[place])


def _looks(store: Store, rows: Iterable[Row]) -> dict[str, Look]:
    """Return the looks of these pictures, as they were measured, by digest."""
    by_pack: dict[str, set[str]] = {}
    for row in rows:
        by_pack.setdefault(row["pack"], set()).add(row["sha256"])
    found = {}
    for pack, sha256s in sorted(by_pack.items()):
        facts = hash_facts(store).read(pack, ["phash256", "pixels"])
        facts = facts.filter(pc.is_in(facts["sha256"], pa.array(sorted(sha256s))))
        flatness = dict(
            zip(*(c.to_pylist() for c in quality_facts(store).read(pack, ["flatness"]).columns), strict=True)
        )
        for fact in facts.to_pylist():
            is_flat = flatness.get(fact["sha256"], 0.0) >= FLAT_FROM
            found[fact["sha256"]] = Look(pixels=fact["pixels"], phash256=fact["phash256"], is_flat=is_flat)
    return found


def _looks_of_files(files: Iterable[bytes], pixels: Mapping[str, Any]) -> Iterator[Look]:
    for data in files:
        try:
            yield look_of(store_image(data, **pixels).data)
        except UnusableError:  # its bytes may be known all the same
            continue


def _entries(
    store: Store, request: Request, victims: Iterable[Victim], looks: Iterable[Look], files: Iterable[bytes]
) -> Iterator[Entry]:
    for kind, values in (
        ("record", request.records),
        ("url", request.urls),
        ("creator", request.creators),
        ("domain", [host.strip(".").lower() for host in request.domains]),
        ("sha256", [value.lower() for value in request.sha256s]),
        ("sha256", [sha256_hex(data) for data in files]),
    ):
        yield from (Entry(kind=kind, value=value) for value in values)
    for victim in victims:
        yield Entry(kind="record", value=victim.record_id)
        yield from (Entry(kind="sha256", value=sha256) for sha256 in (victim.sha256, victim.stored_sha256) if sha256)
    for url in _urls(store, [victim.record_id for victim in victims]):
        yield Entry(kind="url", value=url)
    for look in looks:
        yield Entry(kind="pixels", value=look.pixels)
        if request.radius_bits and not look.is_flat:
            yield Entry(kind="phash256", value=look.phash256.hex(), radius_bits=request.radius_bits)


def _urls(store: Store, record_ids: Iterable[str]) -> Iterator[str]:
    for record_id in record_ids:
        for part in find_record(store, record_id).values():
            records = part.read_records(store, ["record_id", "url"])
            yield from records.filter(pc.equal(records["record_id"], record_id))["url"].to_pylist()
