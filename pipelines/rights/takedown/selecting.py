"""What a takedown removes: the records that were asked for, their pictures, all copies of these, and their records."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.parts import PackPart
from byline.catalog.denylists.denylist import Entry, Look
from byline.catalog.denylists.keyed_hashes import UPRIGHT, VIEWED
from byline.catalog.denylists.keyed_vectors import VECTOR
from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError
from byline.catalog.urls import with_scheme
from byline.pictures.pixels import UnusableError, store_image
from byline.pipelines.facts.looks import look_of
from byline.pipelines.facts.similar_search import told_vectors
from byline.pipelines.rights.takedown.copies import (
    FoundCopy,
    Row,
    Sought,
    attempts_of,
    copies_of,
    held_by_others,
    looks_of,
    pictures_with,
)
from byline.pipelines.rights.traces.lookup import find_creator, find_domain, find_record, find_url
from byline.pipelines.rights.traces.scanning import all_parts

ASKED_FOR = "asked for"
SAME_RECORD = "same record"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked to be taken down."""

    records: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    """URLs of pictures or of pages, as `catalog.urls.with_scheme` takes them."""
    creators: tuple[str, ...] = ()
    """Names of creators, or pages of theirs."""
    domains: tuple[str, ...] = ()
    sha256s: tuple[str, ...] = ()
    """Digests of bytes as fetched or as stored."""
    pictures: tuple[str, ...] = ()
    """Files on this machine."""
    radius_bits: int = 12
    """Copies are pictures whose 256-bit perceptual hash is at most so far from one that is asked for; 0: equal ones."""
    views: bool = True
    """Whether what is mirrored, turned by quarters or framed is a copy too; not with a radius of 0."""

    @property
    def sees_views(self) -> bool:
        """Whether pictures are compared in other views than as they are."""
        return self.views and self.radius_bits > 0

    def __post_init__(self) -> None:
        """Raise `ConfigError` when nothing is asked for, or what cannot be."""
        if not any((self.records, self.urls, self.creators, self.domains, self.sha256s, self.pictures)):
            raise ConfigError("name what to take down: --record, --url, --creator, --domain, --sha256 or --picture")
        if not 0 <= self.radius_bits <= 31:
            raise ConfigError(f"--radius must be 0 to 31 bits, got {self.radius_bits}")
        for option in ("records", "urls", "creators", "domains", "sha256s", "pictures"):
            for value in getattr(self, option):
                if not value.strip():
                    raise ConfigError(f"--{option.removesuffix('s')} is blank: {value!r}; name what to take down")
        for host in self.domains:
            if "/" in host or ":" in host or not host.strip(" ."):
                raise ConfigError(f"--domain takes a host such as example.org, got {host!r}; for a page use --url")


@dataclass(frozen=True, kw_only=True)
class Victim:
    """One picture of a record that goes, or a record without any, and why."""

    record_id: str
    pack: str
    sha256: str | None
    """Digest of its picture as fetched; None when it has none."""
    stored_sha256: str | None
    reason: str
    """Why it goes: `asked for`, `equal bytes`, `equal pixels`, `near: 7 bits`, or `near: 7 bits, turned`; or `same
    record` for what another URL of a record that goes gave."""
    asked: str | None = None
    """The record that was asked for and that this one is a copy of; None for a picture from outside."""
    distance_bits: int = 0
    view: str | None = None
    """How the two must be looked at for that, if not as they are: `turned`, `trimmed` or `trimmed and turned`."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """All that goes, and what must not come back."""

    victims: tuple[Victim, ...]
    """All that goes; a record that had several pictures is here once for each."""
    sha256s: frozenset[str]
    """Digests, as fetched, of all that the records ever brought and no other has."""
    entries: tuple[Entry, ...] = field(repr=False)
    num_records: int
    """Records of the whole corpus: for each source, those of its largest ingest run."""

    @property
    def record_ids(self) -> frozenset[str]:
        """The records that go."""
        return frozenset(victim.record_id for victim in self.victims)


def select(store: Store, request: Request, pixels: Mapping[str, Any]) -> Selection:
    """Find everything that a request takes down. Copies are those of what was asked for, not copies of copies.

    Equal bytes go wherever they are: a picture is removed or it is not. A record that goes takes with it whatever it
    brought before, at other URLs too, except what other records have. `pixels` is how the corpus stores pictures.
    """
    parts = all_parts(store)
    packs = sorted({part.pack for part in parts})
    files = {path: _read_file(path) for path in request.pictures}
    asked = _packs_of_stated(store, request)
    of_asked = _pictures(attempts_of(store, set(asked.values()), set(asked)))
    of_asked += pictures_with(store, packs, [value.lower() for value in request.sha256s])
    looks = looks_of(store, of_asked)
    sought = {row["sha256"]: Sought(record_id=row["record_id"], look=looks.get(row["sha256"])) for row in of_asked}
    outside = {sha256_hex(data): Sought(record_id=None, look=_look(data, pixels)) for data in files.values()}
    copies = copies_of(store, packs, {**outside, **sought}, request.radius_bits, sees_views=request.sees_views)
    _check_files(files, outside, copies)
    victims = _victims(asked, of_asked, copies)
    record_ids, in_packs = {victim.record_id for victim in victims}, {victim.pack for victim in victims}
    attempts = attempts_of(store, in_packs, record_ids)
    urls = {row["url"] for row in attempts}
    urls |= _urls(store, (part for part in parts if part.pack in in_packs), record_ids)
    sha256s = _only_theirs(store, packs, victims, attempts)
    chosen = (*victims, *_of_same_records(victims, attempts, sha256s))
    return Selection(
        victims=tuple(sorted(chosen, key=lambda victim: (victim.record_id, victim.sha256 or ""))),
        sha256s=sha256s,
        entries=(
            *_asked_entries(request, files.values()),
            *_entries(record_ids, urls, attempts, sha256s),
            *_look_entries([*looks.values(), *(target.look for target in outside.values())], request),
            *_vector_entries(store, [*of_asked, *(copy.row for copy in copies if not copy.distance_bits)], request),
        ),
        num_records=_num_records(parts),
    )


def _num_records(parts: Iterable[PackPart]) -> int:
    """Return how many records the largest ingest runs of the sources have: runs of one source repeat each other."""
    of_run = Counter[tuple[str, str]]()
    for part in parts:
        of_run[part.source, part.records_path] += part.num_records
    largest: dict[str, int] = {}
    for (source, _), number in of_run.items():
        largest[source] = max(number, largest.get(source, 0))
    return sum(largest.values())


def _packs_of_stated(store: Store, request: Request) -> dict[str, str]:
    """Return the pack of each record that is asked for by what its source says."""
    parts: dict[str, PackPart] = {}
    for finder, values in (
        (find_record, request.records),
        (find_url, request.urls),
        (find_creator, request.creators),
        (find_domain, request.domains),
    ):
        for value in values:
            parts |= finder(store, value)
    return {record_id: part.pack for record_id, part in parts.items()}


def _read_file(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the picture {path}: {error.strerror}") from error


def _look(data: bytes, pixels: Mapping[str, Any]) -> Look | None:
    try:
        return look_of(store_image(data, **pixels).data)
    except UnusableError:  # its bytes may be known all the same
        return None


def _check_files(files: Mapping[str, bytes], outside: Mapping[str, Sought], copies: Iterable[FoundCopy]) -> None:
    known = {copy.row[name] for copy in copies for name in ("sha256", "stored_sha256")}
    for path, data in files.items():
        if outside[sha256_hex(data)].look is None and sha256_hex(data) not in known:
            raise ConfigError(f"{path} is no picture that byline can read, and nothing has its bytes; name another")


def _pictures(attempts: Iterable[Row]) -> list[Row]:
    return [row for row in attempts if row["stored_sha256"] is not None]


def _victims(asked: Mapping[str, str], of_asked: Iterable[Row], copies: Iterable[FoundCopy]) -> list[Victim]:
    victims: dict[tuple[str, str | None], Victim] = {}
    for row in of_asked:
        victims[row["record_id"], row["sha256"]] = _victim(row, ASKED_FOR)
    for copy in copies:
        victim = _victim(copy.row, copy.reason, copy.of, copy.distance_bits, copy.view)
        victims.setdefault((victim.record_id, victim.sha256), victim)
    for record_id in asked.keys() - {record_id for record_id, _ in victims}:
        row = {"record_id": record_id, "pack": asked[record_id], "sha256": None, "stored_sha256": None}
        victims[record_id, None] = _victim(row, ASKED_FOR)
    return list(victims.values())


def _victim(row: Row, reason: str, asked: str | None = None, distance_bits: int = 0, view: str | None = None) -> Victim:
    fields = {name: row[name] for name in ("record_id", "pack", "sha256", "stored_sha256")}
    return Victim(**fields, reason=reason, asked=asked, distance_bits=distance_bits, view=view)


def _only_theirs(
    store: Store, packs: Iterable[str], victims: Collection[Victim], attempts: Iterable[Row]
) -> frozenset[str]:
    """Return the digests of what was selected, and of all else that the records brought and no other did."""
    chosen = {victim.sha256 for victim in victims if victim.sha256}
    others = {row["sha256"] for row in attempts if row["sha256"]} - chosen
    return frozenset(chosen | others - held_by_others(store, packs, others, {victim.record_id for victim in victims}))


def _of_same_records(victims: Iterable[Victim], attempts: Iterable[Row], sha256s: Collection[str]) -> Iterator[Victim]:
    known = {(victim.record_id, victim.sha256) for victim in victims}
    reasons = {victim.record_id: victim for victim in reversed(list(victims))}
    for row in _pictures(attempts):
        if row["sha256"] in sha256s and (row["record_id"], row["sha256"]) not in known:
            known.add((row["record_id"], row["sha256"]))
            why = reasons[row["record_id"]]
            yield _victim(row, SAME_RECORD, why.record_id if why.reason == ASKED_FOR else why.asked)


def _asked_entries(request: Request, files: Iterable[bytes]) -> Iterator[Entry]:
    for kind, values in (
        ("record", request.records),
        ("url", [with_scheme(url) for url in request.urls]),
        ("creator", request.creators),
        ("domain", request.domains),
        ("sha256", [value.lower() for value in request.sha256s]),
        ("sha256", [sha256_hex(data) for data in files]),
    ):
        yield from (Entry(kind=kind, value=value) for value in values)


def _entries(
    record_ids: Iterable[str], urls: Iterable[str], attempts: Iterable[Row], sha256s: Collection[str]
) -> Iterator[Entry]:
    yield from (Entry(kind="record", value=record_id) for record_id in sorted(record_ids))
    digests = {row["stored_sha256"] for row in attempts if row["sha256"] in sha256s} | set(sha256s)
    yield from (Entry(kind="sha256", value=digest) for digest in sorted(digests - {None}))
    # `held:a.jpg` is where a picture lies in the folder of its source, and says nothing of that name in another folder.
    yield from (Entry(kind="url", value=url) for url in sorted(urls) if not url.startswith("held:"))


def _urls(store: Store, parts: Iterable[PackPart], record_ids: Collection[str]) -> set[str]:
    """Return the URLs of these records in every ingest run."""
    wanted = pa.array(sorted(record_ids), pa.string())
    urls: set[str] = set()
    for part in parts:
        records = part.read_records(store, ["record_id", "url"])
        urls.update(records["url"].filter(pc.is_in(records["record_id"], wanted)).to_pylist())
    return urls


def _look_entries(looks: Iterable[Look | None], request: Request) -> Iterator[Entry]:
    kind = VIEWED if request.sees_views else UPRIGHT
    for look in looks:
        if look is None:
            continue
        yield Entry(kind="pixels", value=look.pixels)
        if request.radius_bits and not look.is_flat:
            codes = [look.phash256, *(code for _, code in look.views if request.sees_views)]
            yield from (Entry(kind=kind, value=code.hex(), radius_bits=request.radius_bits) for code in codes)


def _vector_entries(store: Store, rows: Iterable[Row], request: Request) -> Iterator[Entry]:
    """Yield the vectors of these pictures by every embedding of the corpus: a crop or a tilt moves hashes too far."""
    if not request.sees_views:
        return
    by_pack: dict[str, set[str]] = {}
    for row in rows:
        by_pack.setdefault(row["pack"], set()).add(row["sha256"])
    for instrument in store.folders(layout.facts_of("embeddings")):
        for pack, wanted in sorted(by_pack.items()):
            for sha256, vector in zip(*told_vectors(store, pack, instrument), strict=True):
                if sha256 in wanted:
                    yield Entry(kind=VECTOR, value=instrument, vector=vector.astype("<f2").tobytes().hex())
