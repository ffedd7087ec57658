"""What a signal, or all of them together, can come to."""

from dataclasses import dataclass
from typing import Literal

ConsentState = Literal["opted-out", "allowed", "unstated"]


@dataclass(frozen=True)
class ConsentReading:
    """What the evidence comes to, and the signal that decided it."""

    state: ConsentState
    rule: str
    """`x-robots-tag:noai`, `tdm-reservation:1`, `c2pa:ai_training=notAllowed`, ...; for "unstated" empty, or why no
    permission is believed: `damaged`, `cut`, `c2pa:unread`, ... Never text of a server's own."""


UNSTATED = ConsentReading("unstated", "")


def opted_out(rule: str) -> ConsentReading:
    """Return the no of one signal."""
    return ConsentReading("opted-out", rule)


def allowed(rule: str) -> ConsentReading:
    """Return the yes of one signal."""
    return ConsentReading("allowed", rule)


def doubtful(rule: str) -> ConsentReading:
    """Return that something was said which cannot be read: no permission is believed beside it."""
    return ConsentReading("unstated", rule)
