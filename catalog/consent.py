"""What a server said about the use of a picture: raw evidence at fetch, and the one reading of it, made as often as
the rules change.

Evidence is canonical JSON, a list of `[signal, value]` in order of arrival. A signal is a response header by its
lower-case name; more kinds (robots.txt, XMP, C2PA) may join the list, and one that this reader does not know says
nothing. Nothing here fetches, and nothing raises for what a server sent.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from catalog.digests import canonical_json

Signal = tuple[str, str]
"""Lower-case header name and value."""
ConsentState = Literal["opted-out", "allowed", "unstated"]

CONSENT_HEADERS = frozenset({"x-robots-tag", "tdm-reservation", "tdm-policy", "content-usage"})
MAX_CHARACTERS = 8_000
"""Of all names and values that are kept of one answer."""
CUT = "cut"
"""The last signal of evidence that was longer."""

AGENT = "byline"
"""Our product token: directives named for it bind us."""
OPT_OUTS = frozenset({"noai", "noimageai", "noml", "none", "noindex", "noimageindex"})
VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
DIRECTIVES = (
    OPT_OUTS
    | VALUED
    | frozenset(
        "all index follow nofollow noarchive nocache nosnippet notranslate nositelinkssearchbox indexifembedded "
        "noodp noydir nopagereadaloud".split()
    )
)
"""Of X-Robots-Tag. Any other word before a colon names the agent that the directives after it are for."""
TRAINING_USES = frozenset({"train-ai", "train-genai", "ai-use"})
"""Categories of Content-Usage (draft-ietf-aipref-vocab, `train-genai` in its earlier versions) that our use is in:
`ai-use` is, since captioners are shown pictures."""


@dataclass(frozen=True)
class ConsentReading:
    """What the evidence comes to, and the signal that decided it."""

    state: ConsentState
    rule: str
    """`x-robots-tag:noai`, `tdm-reservation:1`, `content-usage:train-ai=n`, ...; for "unstated" empty, or why no
    permission is believed: `damaged`, `cut`. Never text of a server's own."""


UNSTATED = ConsentReading("unstated", "")


def consent_evidence(signals: Iterable[Signal]) -> str | None:
    """Return the evidence of one answer; None when it says nothing. Equal signals give equal text.

    At most `MAX_CHARACTERS` are kept. What is longer is cut and marked, and then no permission is read from it.
    """
    kept: list[Signal] = []
    left = MAX_CHARACTERS
    for name, value in signals:
        left -= len(name)
        if len(value) > left:
            kept += [(name, value[: max(left, 0)]), (CUT, "")]
            break
        left -= len(value)
        kept.append((name, value))
    return canonical_json(kept).decode() if kept else None


@lru_cache(maxsize=65_536)
def read_consent(evidence: str | None) -> ConsentReading:
    """Read evidence: "opted-out" if any signal says no, else "allowed" if one says yes, else "unstated".

    Damaged or cut evidence is never read as "allowed"; what can still be read of it may say no. Never raises.
    """
    signals, problem = _signals_of(evidence)
    allowed: ConsentReading | None = None
    for name, value in signals:
        reading = READERS.get(name, _says_nothing)(value)
        if reading.state == "opted-out":
            return reading
        if reading.state == "allowed":
            allowed = allowed or reading
        elif name == CUT:
            problem = problem or CUT
    if problem:
        return ConsentReading("unstated", problem)
    return allowed or UNSTATED


def _signals_of(evidence: str | None) -> tuple[list[Signal], str]:
    """Return what can be read of the evidence, and `damaged` when that is not all."""
    if evidence is None:
        return [], ""
    try:
        listed = json.loads(evidence)
    except (ValueError, RecursionError):
        return [], "damaged"
    if not isinstance(listed, list):
        return [], "damaged"
    signals = [(one[0], one[1]) for one in listed if _is_signal(one)]
    return signals, "" if len(signals) == len(listed) else "damaged"


def _is_signal(one: object) -> bool:
    return isinstance(one, list) and len(one) == 2 and all(isinstance(part, str) for part in one)


def _says_nothing(_: str) -> ConsentReading:
    return UNSTATED


def _read_robots_tag(value: str) -> ConsentReading:
    """Read one X-Robots-Tag line. It can say no; `all` and `index` are about search, and say nothing of training."""
    for agent, directive in robots_directives(value):
        if agent in ("", "*", AGENT) and directive in OPT_OUTS:
            return ConsentReading("opted-out", f"x-robots-tag:{directive}")
    return UNSTATED


def robots_directives(value: str) -> Iterator[tuple[str, str]]:
    """Yield each directive of an X-Robots-Tag line with the agent that it is for, `""` for all; lower case.

    An agent holds until the next one of the line, as when a proxy has joined lines. The commas and colons of
    `unavailable_after`'s date end neither the directive nor name an agent. Words between spaces count as directives.
    """
    agent, in_date = "", False
    for piece in value.lower().split(","):
        head, rest = _split_head(piece)
        while rest is not None and head not in DIRECTIVES and not (in_date and _is_of_a_date(head)):
            agent, in_date = head.partition("/")[0], False
            head, rest = _split_head(rest)
        if rest is None:
            words = re.split(r"[\s;]+", head)
        elif head in DIRECTIVES:
            words = [head, *re.split(r"[\s;]+", rest.strip())[1:]]  # the first word is the directive's own value
        else:
            words = []
        in_date = "unavailable_after" in words or (in_date and not DIRECTIVES.intersection(words))
        yield from ((agent, word) for word in words if word)


def _split_head(piece: str) -> tuple[str, str | None]:
    """Return what stands before the colon, and after it; None when there is no colon."""
    head, colon, rest = piece.partition(":")
    return head.strip(), rest if colon else None


def _is_of_a_date(head: str) -> bool:
    return head[:1].isdigit() or " " in head


def _read_tdm_reservation(value: str) -> ConsentReading:
    """Read TDMRep's header: 1 reserves the rights, 0 does not. Of several values (joined lines) a 1 wins."""
    values = {one.strip(" \t\"'") for one in value.split(",")}
    if "1" in values:
        return ConsentReading("opted-out", "tdm-reservation:1")
    return ConsentReading("allowed", "tdm-reservation:0") if values == {"0"} else UNSTATED


def _read_content_usage(value: str) -> ConsentReading:
    """Read one Content-Usage field. No counts wherever it is said plainly, yes only as RFC 9651 and the draft have it.

    So of a repeated key each `n` counts, and the last value alone can be a `y`; and in a field that is no dictionary
    (a trailing comma, capital letters) an `n` still counts.
    """
    members = dictionary_members(value)
    pairs = _plain_pairs(value) if members is None else members
    for use, answer in pairs:
        if use in TRAINING_USES and answer.lower() == "n":
            return ConsentReading("opted-out", f"content-usage:{use}=n")
    if members is not None and dict(members).get("train-ai") == "y":
        return ConsentReading("allowed", "content-usage:train-ai=y")
    return UNSTATED


def _plain_pairs(value: str) -> list[tuple[str, str]]:
    pairs = (piece.partition(";")[0].partition("=") for piece in value.lower().split(","))
    return [(use.strip(), answer.strip()) for use, _, answer in pairs]


_KEY = r"[a-z*][a-z0-9_\-.*]*"
_BARE = (
    r"(?:-?\d{1,12}\.\d{1,3}"  # decimal
    r"|-?\d{1,15}"  # integer
    r'|"(?:[ !#-\[\]-~]|\\["\\])*"'  # string
    r"|[A-Za-z*][A-Za-z0-9!#$%&'*+\-.^_`|~:/]*"  # token
    r"|:[A-Za-z0-9+/=]*:"  # bytes
    r"|\?[01]"  # boolean
    r"|@-?\d{1,15}"  # date
    r'|%"(?:[ !#$&-~]|%[0-9a-f]{2})*")'  # display string
)
_PARAMETERS = rf"(?:; *{_KEY}(?:={_BARE})?)*"
_INNER_LIST = rf"\( *(?:{_BARE}{_PARAMETERS}(?: +|(?=\))))*\)"
_MEMBER = re.compile(rf"(?P<key>{_KEY})(?:=(?P<value>{_BARE}|{_INNER_LIST}))?{_PARAMETERS}")
_COMMA = re.compile(r"[ \t]*,[ \t]*(?=[^ \t])")


def dictionary_members(value: str) -> list[tuple[str, str]] | None:
    """Return the keys and bare values of an RFC 9651 dictionary in their order, repeated keys too; None if it is none.

    A key without a value has `?1`. Parameters are left out.
    """
    text, place = value.strip(" "), 0
    members: list[tuple[str, str]] = []
    while text:
        member = _MEMBER.match(text, place)
        if member is None:
            return None
        members.append((member["key"], member["value"] or "?1"))
        if member.end() == len(text):
            break
        comma = _COMMA.match(text, member.end())
        if comma is None:
            return None
        place = comma.end()
    return members


READERS = {
    "x-robots-tag": _read_robots_tag,
    "tdm-reservation": _read_tdm_reservation,
    "content-usage": _read_content_usage,
}
"""`tdm-policy` names what a license would cost; on its own it says nothing."""
