"""Content-Usage (draft-ietf-aipref) and Content-Signal, as headers and as lines of robots.txt; Disallow beside them."""

import re

from byline.catalog.consent.states import UNSTATED, ConsentReading, allowed, doubtful, opted_out

TRAINING_USES = frozenset({"train-ai", "train-genai", "ai-use", "ai", "genai", "tdm", "bots"})
"""Categories of Content-Usage that our use is in. `ai-use` is, since captioners are shown pictures. All after it and
`train-genai` are of earlier versions of draft-ietf-aipref-vocab, and hold training in them."""
SIGNALLED_USES = frozenset({"ai-train", "ai-input"})
"""The same for Content-Signal."""
UNREACHABLE = "unreachable"
"""Value of the signal `robots.txt` where the file could not be had: RFC 9309 then forbids all."""


def read_content_usage(value: str) -> ConsentReading:
    """Read one Content-Usage field. No counts wherever it is said plainly, yes only as RFC 9651 and the draft have it.

    So of a repeated key each `n` counts, and the last value alone can be a `y`; and in a field that is no dictionary
    (a trailing comma, capital letters), or in quotes, an `n` still counts.
    """
    members = dictionary_members(value)
    pairs = _plain_pairs(value) if members is None else members
    for use, answer in pairs:
        if use in TRAINING_USES and answer.strip('"').lower() == "n":
            return opted_out(f"content-usage:{use}=n")
    if members is not None and dict(members).get("train-ai") == "y":
        return allowed("content-usage:train-ai=y")
    return UNSTATED


def read_content_signal(value: str) -> ConsentReading:
    """Read one Content-Signal: `ai-train=no` and `ai-input=no` forbid, `ai-train=yes` alone allows."""
    pairs = _plain_pairs(value)
    for use, answer in pairs:
        if use in SIGNALLED_USES and answer in {"no", "n"}:
            return opted_out(f"content-signal:{use}=no")
    if {answer for use, answer in pairs if use == "ai-train"} == {"yes"}:
        return allowed("content-signal:ai-train=yes")
    return UNSTATED


def read_robots_line(value: str) -> ConsentReading:
    """Read the line of robots.txt that applies to the picture: `Disallow: /`, `Content-Usage: / train-ai=n`, ..."""
    if value == UNREACHABLE:
        return doubtful(f"robots.txt:{UNREACHABLE}")
    field, _, rule = value.partition(":")
    field = field.strip().lower()
    if field == "disallow":
        return opted_out("robots.txt:disallow")
    if field not in _LINES:
        return UNSTATED
    reading = _LINES[field](usage_of_rule(rule)[1])
    return ConsentReading(reading.state, reading.rule and f"robots.txt:{reading.rule}")


_LINES = {"content-usage": read_content_usage, "content-signal": read_content_signal}


def usage_of_rule(rule: str) -> tuple[str, str]:
    """Return the path of a rule and what it says. Early drafts and Content-Signal may leave the path out, for all."""
    rule = rule.strip()
    if not rule.startswith(("/", "*")):
        return "/", rule
    path, *rest = re.split(r"[ \t]+", rule, maxsplit=1)
    return path, rest[0] if rest else ""


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
    text, start = value.strip(" "), 0
    members: list[tuple[str, str]] = []
    while text:
        member = _MEMBER.match(text, start)
        if member is None:
            return None
        members.append((member["key"], member["value"] or "?1"))
        if member.end() == len(text):
            break
        comma = _COMMA.match(text, member.end())
        if comma is None:
            return None
        start = comma.end()
    return members
