"""Read what an answer says of a picture that was fetched before."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from byline.catalog.consent import consent_evidence, read_consent
from byline.catalog.corpora.packs import Outcome
from byline.catalog.corpora.rechecks import Finding
from byline.catalog.digests import sha256_hex
from byline.catalog.licenses.reading import read_claims
from byline.pipelines.fetching.index_rows import signals_of
from byline.pipelines.fetching.transport import Answer, Known, Transport
from byline.pipelines.rights.recheck.due import Picture

GONE = frozenset({"HTTP 404", "HTTP 410", "HTTP 451"})
"""Messages of answers that say that the picture is not there any longer. 403 says only that we may not have it."""
TOO_MANY_REQUESTS = 429
REACHED = frozenset({Outcome.FETCHED, Outcome.UNCHANGED, Outcome.TOO_LARGE})
HEARD = REACHED | {Outcome.DISALLOWED}
"""Outcomes of which the evidence of consent counts: what an error page forbids is about that page."""


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What the source's own API says of a picture now."""

    license_claims: str | None
    """License claims as in `catalog.corpora.records.RECORD_SCHEMA`; None when the source no longer knows the
    picture."""
    asked: str
    """The request that was answered."""

    def relicenses(self, picture: Picture) -> bool:
        """Return whether it states another license than the one that the picture was taken under."""
        return self.license_claims is not None and relicensed(picture.license_claims, self.license_claims) is not None


async def ask(picture: Picture, transport: Transport) -> Answer:
    """Ask for a picture, so that the server may answer that it is what we have."""
    known = Known(etag=picture.etag, last_modified=picture.last_modified)
    return await transport.get(picture.url, known)


def check_of(picture: Picture, stated: Stated | None, answer: Answer | None, now: datetime) -> dict[str, Any]:
    """Return a row of `catalog.corpora.rechecks.RECHECK_SCHEMA`.

    `stated` is none when the source has no API that was asked; `answer` is none when nothing was heard of the picture
    itself, since its source does not know it any longer, or its host wants to rest.
    """
    row: dict[str, Any] = {"record_id": picture.record_id, "url": picture.url, "checked_at": now.astimezone(UTC)}
    messages: dict[Finding, str | None] = {}
    if answer is not None:
        row |= _heard(answer)
        messages[_became(picture, answer)] = answer.message
        if (reading := read_consent(row["consent"])).state == "opted-out":
            messages[Finding.OPTED_OUT] = reading.rule
    if stated is not None:
        row["license_claims"] = stated.license_claims
        if stated.license_claims is None:
            messages[Finding.REMOVED] = f"not known to {stated.asked}"
        elif (changed := relicensed(picture.license_claims, stated.license_claims)) is not None:
            messages[Finding.RELICENSED] = f"{changed[0]} -> {changed[1]}"
    finding = next(finding for finding in Finding if finding in messages)
    return {**row, "finding": finding, "message": messages[finding]}


def is_busy(answer: Answer) -> bool:
    """Return whether a host said no more than that it wants to be asked later, or was not asked since it had said so.

    That is about us and says nothing of the picture: it stays due, and no policy can refuse it for that.
    """
    return answer.status == TOO_MANY_REQUESTS or (answer.status is None and answer.retry_after_s is not None)


def relicensed(before: str, now: str) -> tuple[str, str] | None:
    """Return the license that claims (JSON) were read as and the one that they are now, where these differ."""
    old, new = _read(before), _read(now)
    return None if old == new else (old, new)


def _read(claims: str) -> str:
    return read_claims([(field, text) for field, text in json.loads(claims)]).spdx


def _heard(answer: Answer) -> Mapping[str, str | None]:
    return {
        "consent": consent_evidence(signals_of(answer)) if answer.outcome in HEARD else None,
        "etag": answer.etag,
        "last_modified": answer.last_modified,
        "sha256": None if answer.body is None else sha256_hex(answer.body),
    }


def _became(picture: Picture, answer: Answer) -> Finding:
    if answer.outcome == Outcome.HTTP_ERROR and answer.message in GONE:
        return Finding.REMOVED
    if answer.outcome == Outcome.DENIED:
        return Finding.REMOVED
    if answer.outcome == Outcome.UNCHANGED:
        return Finding.UNCHANGED
    if answer.body is not None and sha256_hex(answer.body) == picture.sha256:
        return Finding.UNCHANGED
    return Finding.CHANGED if answer.outcome in REACHED else Finding.UNREACHABLE
