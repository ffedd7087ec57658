"""What was said about the use of a picture: raw evidence, and the one reading of it, made as often as the rules change.

Evidence is canonical JSON, a list of `[signal, value]` in order of arrival. A signal is a response header by its
lower-case name, or one of what `docs/consent.md` lists for robots.txt, tdmrep.json, XMP and C2PA; one that this reader
does not know says nothing. Nothing here fetches, and nothing raises for what a server sent.
"""

from byline.catalog.consent.embedded import BELIEVED, USES
from byline.catalog.consent.evidence import (
    CONSENT_HEADERS,
    CUT,
    MAX_CHARACTERS,
    Signal,
    consent_evidence,
    header_signals,
)
from byline.catalog.consent.reading import READERS, is_synthetic, read_consent, synthetic_rule
from byline.catalog.consent.robots_tag import AGENT, DIRECTIVES, OPT_OUTS, VALUED, robots_directives
from byline.catalog.consent.states import UNSTATED, ConsentReading, ConsentState
from byline.catalog.consent.usage import TRAINING_USES, dictionary_members

__all__ = [
    "AGENT",
    "BELIEVED",
    "CONSENT_HEADERS",
    "CUT",
    "DIRECTIVES",
    "MAX_CHARACTERS",
    "OPT_OUTS",
    "READERS",
    "TRAINING_USES",
    "UNSTATED",
    "USES",
    "VALUED",
    "ConsentReading",
    "ConsentState",
    "Signal",
    "consent_evidence",
    "dictionary_members",
    "header_signals",
    "is_synthetic",
    "read_consent",
    "robots_directives",
    "synthetic_rule",
]
