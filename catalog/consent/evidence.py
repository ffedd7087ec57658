"""Evidence: what was heard about one picture, as one line of text that is kept with it."""

import json
from collections.abc import Iterable

from byline.catalog.digests import canonical_json

Signal = tuple[str, str]
"""Name and value. A header's name is in lower case."""

CONSENT_HEADERS = frozenset({"x-robots-tag", "tdm-reservation", "tdm-policy", "content-usage", "content-signal"})
MAX_CHARACTERS = 8_000
"""Most characters of names and values of headers that are kept of one picture, and again of all others: neither pushes
the other out."""
CUT = "cut"
"""The last signal of evidence that was longer."""
DATE = "date"
"""The signal that says when the answer was sent, by its own `Date`: a date in X-Robots-Tag is compared with it."""

_read_json = json.JSONDecoder().raw_decode


def header_signals(headers: Iterable[tuple[str, str]]) -> list[Signal]:
    """Return the headers of one answer that speak of use, every line of them, in their order.

    `Date` is among them only where a line says `unavailable_after`, so that other answers' evidence stays equal.
    """
    named = [(name.lower(), value) for name, value in headers]
    signals = [(name, value) for name, value in named if name in CONSENT_HEADERS]
    if any(name == "x-robots-tag" and "unavailable_after" in value.lower() for name, value in signals):
        signals += [(name, value) for name, value in named if name == DATE]
    return signals


def consent_evidence(signals: Iterable[Signal]) -> str | None:
    """Return the evidence of one picture; None when nothing was said. Equal signals give equal text.

    At most `MAX_CHARACTERS` of each kind are kept. What is longer is cut and marked, and then no permission is read
    from it.
    """
    kept: list[Signal] = []
    left = {True: MAX_CHARACTERS, False: MAX_CHARACTERS}
    full: set[bool] = set()
    for name, value in signals:
        kind = name in CONSENT_HEADERS
        if kind in full:
            continue
        left[kind] -= len(name) + len(value)
        if left[kind] < 0:
            full.add(kind)
            value = value[: max(left[kind] + len(value), 0)]
        kept.append((name, value))
    if full:
        kept.append((CUT, ""))
    return canonical_json(kept).decode() if kept else None


def signals_of(evidence: str | None) -> tuple[list[Signal], str]:
    """Return what can be read of the evidence, and `damaged` when that is not all."""
    if evidence is None:
        return [], ""
    try:
        listed, end = _read_json(evidence)
    except (ValueError, RecursionError):
        return [], "damaged"
    if not isinstance(listed, list) or end < len(evidence):
        return [], "damaged"
    signals = [(entry[0], entry[1]) for entry in listed if _is_signal(entry)]
    return signals, "" if len(signals) == len(listed) else "damaged"


def _is_signal(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], str)
