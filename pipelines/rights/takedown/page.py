"""The page to look at before a takedown is applied: what would go, and why. One file, no server, no network."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from byline.pages.html import html_templates, jpeg_url, safe_url
from byline.pipelines.releases.papers.escaping import plain
from byline.pipelines.releases.papers.licenses import license_words

ASKED_FOR = "asked for"
Shown = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class CaseRecord:
    """What a source said of a picture; any text may be empty."""

    record_id: str
    title: str = ""
    creator: str = ""
    license: str = ""
    """License by its SPDX id, or a `LicenseRef-`."""
    source_url: str = ""
    """The page of the picture: a link only when it is http(s), and shown in any case."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """How often a checkpoint was shown a picture."""

    checkpoint: str
    times: int


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """The picture that takes the place of one that goes, in its cluster of copies."""

    record_id: str
    title: str = ""
    picture: bytes | None = None
    """A JPEG of the picture."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One picture that a takedown would remove."""

    asked: str
    """What was asked for and led to this picture, in words; cases with equal words are a group, shown together."""
    reason: str
    """Why it goes: `asked for`, `equal bytes`, `equal pixels` or `near: 7 bits, turned`."""
    distance_bits: int = 0
    sha256: str | None = None
    """Digest of the picture as fetched; None when it was never fetched."""
    picture: bytes | None = None
    """A JPEG of the picture, the larger the better."""
    records: tuple[CaseRecord, ...] = ()
    releases: tuple[str, ...] = ()
    """Releases that ship the picture, as `<name>/<version>`."""
    shards: tuple[str, ...] = ()
    """Shards that hold the picture and have to be written anew."""
    seen: tuple[Seen, ...] = ()
    promoted: Promoted | None = None


def review_page(cases: Sequence[Case], title: str) -> bytes:
    """Return the page: totals, then a section for each group of pictures, under its title, nearest first.

    Groups come in the order of their first case. Everything is escaped, and the page's policy forbids every script but
    its own, so nothing that a source said can run. Equal cases give equal bytes.
    """
    environment = html_templates("byline.pipelines.rights.takedown")
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.asked, []).append(case)
    page = environment.get_template("takedown.html.j2").render(
        title=plain(title),
        totals_shown=_totals(cases),
        groups=[_shown_group(asked, _nearest_first(group)) for asked, group in groups.items()],
        greatest_bits=max((case.distance_bits for case in cases), default=0),
    )
    return page.encode()


def _nearest_first(cases: Iterable[Case]) -> list[Case]:
    def order(case: Case) -> tuple[int, bool, tuple[str, ...]]:
        return case.distance_bits, case.reason != ASKED_FOR, tuple(record.record_id for record in case.records)

    return sorted(cases, key=order)


def _totals(cases: Sequence[Case]) -> list[tuple[int, str, str]]:
    """Return number, singular and plural. What several cases name counts once; what was never fetched is no picture."""
    return [
        (len({case.asked for case in cases}), "request", "requests"),
        (len({case.sha256 for case in cases if case.sha256}), "picture", "pictures"),
        (len({record.record_id for case in cases for record in case.records}), "record", "records"),
        (len({name for case in cases for name in case.releases}), "release", "releases"),
        (len({name for case in cases for name in case.shards}), "shard", "shards"),
        (len({seen.checkpoint for case in cases for seen in case.seen}), "checkpoint", "checkpoints"),
        (len({case.promoted.record_id for case in cases if case.promoted}), "promoted", "promoted"),
    ]


def _shown_group(asked: str, cases: Sequence[Case]) -> Shown:
    """Return a group under the title and the creator of its nearest picture, which say more than an id does."""
    records = sorted(cases[0].records, key=lambda record: not record.title)
    first = records[0] if records else CaseRecord(record_id="")
    return {
        "asked": plain(asked),
        "title": plain(first.title) or "Untitled",
        "creator": plain(first.creator),
        "num_pictures": len({case.sha256 for case in cases if case.sha256}),
        "cases": [_shown(case) for case in cases],
    }


def _shown(case: Case) -> Shown:
    return {
        "image": _data_url(case.picture),
        "reason": plain(case.reason),
        "kind": "asked" if case.reason == ASKED_FOR else "near" if case.reason.startswith("near") else "equal",
        "distance_bits": case.distance_bits,
        "sha256": plain(case.sha256),
        "records": [_shown_record(record) for record in case.records],
        "releases": [plain(name) for name in case.releases],
        "shards": [plain(name) for name in case.shards],
        "seen": [(plain(seen.checkpoint), seen.times) for seen in case.seen],
        "promoted": _shown_promoted(case.promoted),
    }


def _shown_record(record: CaseRecord) -> Shown:
    return {
        "id": plain(record.record_id),
        "title": plain(record.title),
        "creator": plain(record.creator),
        "license": plain(license_words(record.license)) if record.license else "",
        "source": plain(record.source_url),
        "link": safe_url(plain(record.source_url)),
    }


def _shown_promoted(promoted: Promoted | None) -> Shown | None:
    if promoted is None:
        return None
    return {
        "id": plain(promoted.record_id),
        "title": plain(promoted.title),
        "image": _data_url(promoted.picture),
    }


def _data_url(picture: bytes | None) -> str | None:
    return jpeg_url(picture) if picture else None
