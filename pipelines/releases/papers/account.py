"""What the papers of a release are written from. A paper adds nothing to it: no clock, no network, no opinion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from byline.catalog.corpora.manifest import Manifest
from byline.catalog.digests import digest_of
from byline.pipelines.releases.papers.memorization_counts import MemorizationRisk


@dataclass(frozen=True, kw_only=True)
class SourceAccount:
    """What one source offered, and what of it was admitted."""

    name: str
    reader: str
    """Name of the reader, a key of `pipelines.sources.readers.READERS`."""
    num_records: int
    num_admitted: int
    first_retrieved_at: str | None
    """ISO 8601, as the source's own answers state it; None when none does."""
    last_retrieved_at: str | None
    domains: Mapping[str, int]
    """Host of the picture's URL -> admitted samples."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A model or a library that shaped the release, and whether its license suits the policy."""

    name: str
    role: str
    """`captioner`, `autoencoder`, `text encoder`, `library`."""
    license: str
    """License of the tool: an SPDX id or expression, or `LicenseRef-unknown`."""
    license_seen: str
    """The text that it was read from."""
    url: str | None
    """Where the license was found; None for what lies on the builder's disk only."""
    verdict: str
    """`allowed`, or why the policy minds."""


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What only the publisher can say. Nothing is made up for what is left out."""

    url: str | None = None
    """Page where the release is offered."""
    publisher: str | None = None
    date: str | None = None
    """ISO 8601 date of publication."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """All that the papers of a release are written from."""

    manifest: Manifest
    """The manifest without `papers`, which are written from it."""
    credits: pa.Table
    """One row for each admitted picture, as a table of `pipelines.releases.papers.credits.CREDIT_SCHEMA`."""
    thumbnails: Mapping[str, bytes]
    """SHA-256 -> small JPEG. A picture without one is shown by its words."""
    sources: tuple[SourceAccount, ...]
    memorization: MemorizationRisk
    tools: tuple[Tool, ...]
    obligations: tuple[str, ...]
    """The obligations that a user of the release takes over: `attribution`, `share-alike`, `non-commercial`."""
    policy: dict[str, Any]
    """The policy as plain data."""
    captioner: dict[str, str]
    """`model`, `revision`, `prompt` and `decoding` of the captions."""
    changes: str
    """What was done to the pictures."""
    publication: Publication = Publication()

    @property
    def content(self) -> str:
        """The first 16 digits of the digest of the manifest without its papers. The version, which covers these very
        papers, cannot stand in them.
        """
        return digest_of(self.manifest.model_copy(update={"papers": {}}))[:16]

    @property
    def has_model_captions(self) -> bool:
        """Whether a model wrote the captions; otherwise they are the sources' own words."""
        return self.captioner["model"] != "source-text"

    @property
    def domains(self) -> list[tuple[str, int]]:
        """Hosts of the admitted pictures, the most frequent first, over all sources."""
        counts: dict[str, int] = {}
        for source in self.sources:
            for host, count in source.domains.items():
                counts[host] = counts.get(host, 0) + count
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

    @property
    def timeframe(self) -> tuple[str, str] | None:
        """First and last time at which a source was asked, where every one of them that admitted anything says so."""
        asked = [source for source in self.sources if source.num_admitted]
        first = [source.first_retrieved_at for source in asked]
        last = [source.last_retrieved_at for source in asked]
        if not asked or None in first or None in last:
            return None
        return min(filter(None, first)), max(filter(None, last))
