"""All that a corpus knows of a picture: who said what of it, where it came from, and what became of it."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.consent import read_consent
from byline.catalog.corpora.facts import PAIRS, key_of
from byline.catalog.corpora.manifest import Manifest
from byline.catalog.corpora.packs import read_attempts
from byline.catalog.corpora.parts import PackPart
from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.folders import is_file
from byline.catalog.disk.storage import Store
from byline.catalog.licenses.reading import choices, read_claims
from byline.catalog.threads import in_threads
from byline.catalog.urls import with_scheme
from byline.pipelines.rights.traces.lookup import find_picture, find_record, find_sha256, find_url
from byline.pipelines.rights.traces.release_traces import InRelease, Place, Seen, SeenBy, Version, versions_of
from byline.pipelines.rights.traces.scanning import parts_of_source

Kind = Literal["picture", "sha256", "url", "record"]
RADIUS_BITS = 31
"""Greatest distance at which a person is shown a picture, with the distance: small or badly compressed copies are
further away than those that a policy takes for duplicates. Unrelated photographs are some 60 bits apart at least."""


@dataclass(frozen=True, kw_only=True)
class StatedLicense:
    """A license as a source stated it and as it is read."""

    claims: tuple[tuple[str, str], ...]
    """Every claim as stated: (field, text)."""
    spdx: str
    rule: str
    choices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What one ingest run of a source says of a record, and the evidence."""

    run: str
    """The file of the run's records."""
    url: str
    landing_url: str | None
    title: str | None
    creator: str | None
    creator_url: str | None
    description: str | None
    tags: tuple[str, ...]
    license: StatedLicense
    evidence_file: str
    evidence_place: str
    evidence_sha256: str
    retrieved_at: str | None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What became of the picture when it was asked for."""

    outcome: str
    error: str | None
    fetched_at: str | None
    sha256: str | None
    stored_sha256: str | None
    media_type: str | None
    width: int | None
    height: int | None
    original_width: int | None
    original_height: int | None
    stored_bytes: int | None
    tar: str | None
    consent: str | None
    """What the server said of the use of the picture: evidence, as kept."""
    consent_state: str
    consent_rule: str


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A measure of the picture or of its texts, and the instrument that has it."""

    measure: str
    instrument: str
    text: str | None = None
    """Text of the caption, where the measure is one."""
    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Everything about one record."""

    record_id: str
    source: str
    pack: str
    distance_bits: int | None
    """Distance from the picture that was looked for, in bits; None when none was."""
    view: str | None
    """How the two must be looked at for that: `upright`, or `turned`, `trimmed` (without a frame) or both."""
    said: tuple[Statement, ...]
    """Statements of every run that has the record; first the one that the newest release judged."""
    attempts: tuple[Attempt, ...]
    """Attempts in order; empty when it was never asked for, or its license was refused before."""
    facts: tuple[Fact, ...]
    releases: tuple[InRelease, ...]

    @property
    def sha256(self) -> str | None:
        """Digest of the picture as it was fetched last."""
        return _fetched(self.attempts)


def kind_of(x: str) -> Kind:
    """Tell what `x` is: a file if there is one, else a SHA-256 in hex, a URL, whatever its scheme, or a record's id."""
    if is_file(x):
        return "picture"
    if re.fullmatch(r"[0-9a-fA-F]{64}", x):
        return "sha256"
    return "url" if "://" in with_scheme(x) else "record"


def trace(store: Store, x: str, seen: Seen | None = None) -> list[Trace]:
    """Return what is known of every record that `x` finds, sorted by id; of a picture's, the nearest first.

    `seen` tells which checkpoints saw a picture of a release. What is damaged in a release is told, not raised.
    """
    nearest_first = sorted(_parts_of(store, x).items(), key=lambda item: (item[1].distance_bits or 0, item[0]))
    versions = versions_of(store) if nearest_first else []
    opened = lru_cache(maxsize=8)(lambda pack: _Pack(store, pack))
    return [
        _traced(opened(lookup.part.pack), record_id, lookup, versions, seen or _nobody)
        for record_id, lookup in nearest_first
    ]


def _traced(pack: "_Pack", record_id: str, lookup: "_Lookup", versions: Sequence[Version], seen: Seen) -> Trace:
    part = lookup.part
    statements = tuple(_statements(pack.store, part.source, part.pack, record_id))
    attempts = tuple(pack.attempts(record_id))
    sha256 = _fetched(attempts)
    keys = {attempt.sha256 for attempt in attempts if attempt.sha256} | {text_sha256 for _, text_sha256 in statements}
    return Trace(
        record_id=record_id,
        source=part.source,
        pack=part.pack,
        distance_bits=lookup.distance_bits,
        view=lookup.view,
        said=tuple(statement for statement, _ in statements),
        attempts=attempts,
        facts=tuple(pack.facts(keys)),
        releases=tuple(in_threads(lambda version: version.of(record_id, part.pack, sha256, seen), versions)),
    )


def _fetched(attempts: Sequence[Attempt]) -> str | None:
    return next((attempt.sha256 for attempt in reversed(attempts) if attempt.outcome == "fetched"), None)


def _nobody(manifest: Manifest, place: Place | None) -> tuple[SeenBy, ...]:
    return ()


class _Lookup(NamedTuple):
    """Where a record is, and how near its picture is to the one that was looked for, if one was."""

    part: PackPart
    distance_bits: int | None = None
    view: str | None = None


def _parts_of(store: Store, x: str) -> dict[str, _Lookup]:
    kind = kind_of(x)
    if kind == "picture":
        pictures = find_picture(store, Path(x).read_bytes(), RADIUS_BITS)
        return {record_id: _Lookup(*picture) for record_id, picture in pictures.items()}
    find = {"sha256": find_sha256, "url": find_url, "record": find_record}[kind]
    return {record_id: _Lookup(part) for record_id, part in find(store, x).items()}


def _statements(store: Store, source: str, pack: str, record_id: str) -> Iterator[tuple[Statement, str]]:
    """Yield what each run says of a record, with the digest of its texts."""
    for part in parts_of_source(store, source):
        if part.pack != pack:
            continue
        rows = part.read_records(store)
        for row in rows.filter(pc.equal(rows["record_id"], record_id)).to_pylist():
            claims = tuple((field, text) for field, text in json.loads(row["license_claims"]))
            read = read_claims(claims)
            names = ("url", "landing_url", "title", "creator", "creator_url", "description", "retrieved_at")
            yield (
                Statement(
                    run=part.records_path,
                    **{name: row[name] for name in names},
                    **{name: row[name] for name in ("evidence_file", "evidence_place", "evidence_sha256")},
                    tags=tuple(row["tags"] or ()),
                    license=StatedLicense(claims=claims, spdx=read.spdx, rule=read.rule, choices=choices(read.spdx)),
                ),
                row["text_sha256"],
            )


class _Pack:
    """The attempts and facts of one pack, read once."""

    def __init__(self, store: Store, pack: str) -> None:
        self.store, self.pack = store, pack
        self._attempts = read_attempts(store, pack)

    def attempts(self, record_id: str) -> Iterator[Attempt]:
        """Yield what became of a record, in order."""
        for row in self._attempts.filter(pc.equal(self._attempts["record_id"], record_id)).to_pylist():
            consent = read_consent(row["consent"])
            same = ("outcome", "sha256", "stored_sha256", "media_type", "tar", "consent", "width", "height")
            yield Attempt(
                **{name: row[name] for name in (*same, "original_width", "original_height")},
                error=row["error_message"],
                fetched_at=_iso(row["fetched_at"]),
                stored_bytes=row["size"],
                consent_state=consent.state,
                consent_rule=consent.rule,
            )

    def facts(self, digests: set[str]) -> list[Fact]:
        """Return the facts that are kept under one of these digests, or under that of a caption that is."""
        captions = [fact for name in self._instruments("captions") for fact in self._captions(name, digests)]
        keys = digests | {sha256_hex(fact.text.encode()) for fact in captions if fact.text is not None}
        kept_facts = []
        for measure in self.store.folders(layout.FACTS):
            if measure == "captions":
                kept_facts += captions
            elif measure not in PAIRS:
                for name in self._instruments(measure):
                    if any(self._has(stem, keys) for stem in self._segments(measure, name)):
                        kept_facts.append(Fact(measure=measure, instrument=name))
        return kept_facts

    def _instruments(self, measure: str) -> list[str]:
        return self.store.folders(layout.facts_of(measure))

    def _segments(self, measure: str, instrument: str) -> list[str]:
        return self.store.numbered(layout.fact_segments(measure, instrument, self.pack), ".parquet")

    def _has(self, stem: str, keys: set[str]) -> bool:
        key = key_of(self.store, f"{stem}.parquet")
        return key is not None and bool(_rows_with(self.store.read_table(f"{stem}.parquet", [key])[key], keys))

    def _captions(self, instrument: str, keys: set[str]) -> Iterator[Fact]:
        for stem in self._segments("captions", instrument):
            table = self.store.read_table(f"{stem}.parquet", ["shown_sha256", "text", "model"])
            for row in table.take(pa.array(_rows_with(table["shown_sha256"], keys), pa.int64())).to_pylist():
                yield Fact(measure="captions", instrument=instrument, text=row["text"], model=row["model"])


def _rows_with(column: pa.ChunkedArray, keys: set[str]) -> list[int]:
    return list(pc.indices_nonzero(pc.is_in(column, value_set=pa.array(sorted(keys), pa.string()))).to_pylist())


def _iso(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat()
