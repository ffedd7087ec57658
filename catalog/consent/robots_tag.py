"""X-Robots-Tag: directives by commas, for one agent after `agent:`, some with a value after a colon of their own."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from byline.catalog.consent.states import UNSTATED, ConsentReading, opted_out

AGENT = "byline"
"""Our product token: directives named for it bind us."""
OPT_OUTS = frozenset({"noai", "noimageai", "noml", "none", "noindex", "noimageindex"})
WITHDRAWN_AFTER = "unavailable_after"
VALUED = frozenset({WITHDRAWN_AFTER, "max-snippet", "max-image-preview", "max-video-preview"})
DIRECTIVES = (
    OPT_OUTS
    | VALUED
    | frozenset(
        "all index follow nofollow noarchive nocache nosnippet notranslate nositelinkssearchbox indexifembedded "
        "noodp noydir nopagereadaloud".split()
    )
)
"""Directives of X-Robots-Tag. Any other word before a colon names the agent that the directives after it are for."""
_US = frozenset({"", "*", AGENT})
_AFTER = re.compile(rf"{WITHDRAWN_AFTER}\s*:\s*([^;]{{1,120}})", re.IGNORECASE)
_DAY_ALONE = re.compile(r"[A-Za-z]{3} \d{4}$")
_PIECES_OF_A_DATE = 4
_WORDS, _SEPARATORS = re.compile(r"[\s;]+"), re.compile(r"[\s;,]+")
_MAY_SAY_NO = re.compile("|".join(sorted(OPT_OUTS)))
_NOES = {directive: opted_out(f"x-robots-tag:{directive}") for directive in OPT_OUTS}


def read_robots_tag(value: str) -> ConsentReading:
    """Read one X-Robots-Tag line. It can say no; `all` and `index` are about search, and say nothing of training."""
    line = value.lower()
    if not _MAY_SAY_NO.search(line):
        return UNSTATED
    if ":" not in line:  # names no agent, has no values
        directives: Iterator[tuple[str, str]] = (("", word) for word in _SEPARATORS.split(line))
    else:
        directives = robots_directives(line)
    for agent, directive in directives:
        if agent in _US and directive in OPT_OUTS:
            return _NOES[directive]
    return UNSTATED


def read_withdrawal(value: str, sent_at: datetime) -> ConsentReading:
    """Read the dates of one X-Robots-Tag line: a picture sent after its `unavailable_after` is withdrawn."""
    if not any(agent in _US and directive == WITHDRAWN_AFTER for agent, directive in robots_directives(value)):
        return UNSTATED
    for date_text in _AFTER.findall(value):
        date = _first_date(date_text)
        if date is not None and date <= sent_at:
            return opted_out(f"x-robots-tag:{WITHDRAWN_AFTER}")
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
            words = _WORDS.split(head)
        elif head in DIRECTIVES:
            words = [head, *_WORDS.split(rest.strip())[1:]]  # the first word is the directive's own value
        else:
            words = []
        in_date = WITHDRAWN_AFTER in words or (in_date and not DIRECTIVES.intersection(words))
        yield from ((agent, word) for word in words if word)


def _split_head(piece: str) -> tuple[str, str | None]:
    """Return what stands before the colon, and after it; None when there is no colon."""
    head, colon, rest = piece.partition(":")
    return head.strip(), rest if colon else None


def _is_of_a_date(head: str) -> bool:
    return head[:1].isdigit() or " " in head


def _first_date(header: str) -> datetime | None:
    """Return the date that the text begins with, of as few of its comma-separated pieces as make one.

    A day without a time, as in `25 Jun 2030`, is its first moment, as it is in ISO 8601.
    """
    pieces = header.split(",")[:_PIECES_OF_A_DATE]
    for length in range(1, len(pieces) + 1):
        text = ",".join(pieces[:length]).strip()
        date = http_date(f"{text} 00:00:00" if _DAY_ALONE.search(text) else text)
        if date is not None:
            return date
    return None


def http_date(text: str) -> datetime | None:
    """Return a date as headers have it (RFC 9110, RFC 822, RFC 850) or as ISO 8601 has it; of no zone is UTC."""
    text = text.strip()
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = read(text)
            return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None
