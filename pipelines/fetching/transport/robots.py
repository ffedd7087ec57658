"""What robots.txt and /.well-known/tdmrep.json say of a URL. Parsing alone: whoever fetches the files keeps them here.

Both are text of strangers: nothing raises, and neither length nor odd characters make a line mean another.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from urllib.parse import quote

from protego import Protego

from byline.catalog.consent import AGENT, CUT, Signal
from byline.catalog.consent.reservations import MALFORMED
from byline.catalog.consent.usage import UNREACHABLE, usage_of_rule
from byline.catalog.digests import canonical_json

MAX_BYTES = 500 * 1024
"""Bytes of a file that are read (RFC 9309, 2.5); a line that this cuts is left out."""
MAX_VALUE_CHARACTERS = 1_000
MAX_RULES = 1_000
"""Rules of one agent that a URL is compared with to find what to record. Whether it may be asked for is decided by
all."""
REMEMBERED_CHARACTERS = 500
FORBIDS_ALL = "User-agent: *\nDisallow: /"
TOO_MANY_REQUESTS = 429
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""What some editors begin a text with. RFC 9309 wants UTF-8; who forbids in another encoding forbids."""

_AGENT_LINE = re.compile(r"user[ -]?agent[ \t]*[: \t][ \t]*(.*)", re.IGNORECASE)
_USAGE_LINE = re.compile(r"(content-usage|content-signal)[ \t]*:(.*)", re.IGNORECASE)
_DISALLOW_LINE = re.compile(r"disallow[ \t]*[: \t](.*)", re.IGNORECASE)
_OF_NO_GROUP = re.compile(r"(site-?maps?|host)[ \t]*:", re.IGNORECASE)
_TOKEN = re.compile(r"\*|[\w-]+", re.ASCII)
_NEW_LINE = re.compile(r"\r\n|\r|\n")
_ODD = re.compile(r"[\x00-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff]")


class RobotsFile:
    """One robots.txt (RFC 9309), with the usage rules of draft-ietf-aipref-attach and of Content-Signal.

    All groups that name an agent count as one; where none does, those for `*` do.
    """

    def __init__(self, text: str | bytes, *, is_unreachable: bool = False) -> None:
        """`is_unreachable` says that the text stands for a file that could not be had."""
        self.is_unreachable = is_unreachable
        self._groups: dict[str, list[str]] = {}
        for agents, lines in _groups(_lines(text)):
            for agent in agents:
                self._groups.setdefault(agent, []).extend(lines)
        self._read: dict[str, _Group] = {}

    def allows(self, url: str, agent: str = AGENT) -> bool:
        """Return whether `agent` may ask for `url`."""
        return self._group(agent).rules.can_fetch(url, agent)

    def content_usage(self, url: str, agent: str = AGENT) -> str | None:
        """Return the preferences of the Content-Usage rules with the longest path that `url` is under.

        Rules of one path are joined by commas. None where no rule is, or where `url` may not be asked for.
        """
        if not self.allows(url, agent):
            return None
        rules = self._group(agent).usage_rules(url, "content-usage")
        return ", ".join(rule.usage for rule in rules) or None

    def crawl_delay(self, agent: str = AGENT) -> float | None:
        """Return the seconds that `agent` is asked to leave between requests."""
        return self._group(agent).rules.crawl_delay(agent)

    def robots_signals(self, url: str, agent: str = AGENT) -> tuple[Signal, ...]:
        """Return the lines that are for `url`: the one that forbids it, or else the rules of its use."""
        if self.is_unreachable:
            return (("robots.txt", UNREACHABLE),)
        group = self._group(agent)
        if not self.allows(url, agent):
            return (("robots.txt", group.forbidding_line(url)[:MAX_VALUE_CHARACTERS]),)
        rules = (*group.usage_rules(url, "content-usage"), *group.usage_rules(url, "content-signal"))
        signals = [("robots.txt", rule.line[:MAX_VALUE_CHARACTERS]) for rule in rules]
        return (*signals, (CUT, "")) if group.is_cut else tuple(signals)

    def _group(self, agent: str) -> "_Group":
        token = agent.partition("/")[0].strip().lower()
        if token not in self._read:
            self._read[token] = _Group(self._groups.get(token, self._groups.get("*", [])))
        return self._read[token]


def robots_of(status: int | None, text: str | bytes = "") -> RobotsFile:
    """Return what an answer to a request for robots.txt means (RFC 9309 2.3.1); `status` None is no answer.

    2xx is the file. 4xx and redirects that lead nowhere allow all. 5xx, no answer and any other status forbid all, and
    so does 429, which says when to ask, not that there is no file.
    """
    if status is not None and 200 <= status < 300:
        return RobotsFile(text)
    if status is not None and 300 <= status < 500 and status != TOO_MANY_REQUESTS:
        return RobotsFile("")
    return RobotsFile(FORBIDS_ALL, is_unreachable=True)


@dataclass(frozen=True)
class _UsageRule:
    field: str
    path: str
    usage: str
    line: str

    @cached_property
    def num_bytes(self) -> int:
        """Length of the path as it is encoded."""
        return len(quote(self.path, safe="".join(map(chr, range(33, 127)))))


class _Group:
    """The rules for one agent."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        rules = list(islice(_usage_rules(lines), MAX_RULES + 1))
        self.is_cut = len(rules) > MAX_RULES
        self._usage = sorted(rules[:MAX_RULES], key=lambda rule: -rule.num_bytes)

    @cached_property
    def rules(self) -> Protego:
        return Protego.parse("\n".join(["User-agent: *", *self.lines]))

    def usage_rules(self, url: str, field: str) -> list[_UsageRule]:
        """Return the rules of the longest path that matches, all of them."""
        rules: list[_UsageRule] = []
        for rule in self._usage:
            if rules and rule.num_bytes < rules[0].num_bytes:
                break
            if rule.field == field and is_under(url, rule.path):
                rules.append(rule)
        return rules

    def forbidding_line(self, url: str) -> str:
        """Return the longest Disallow that `url` is under, in one spelling."""
        paths = [match[1].partition("#")[0].strip() for line in self.lines if (match := _DISALLOW_LINE.match(line))]
        forbidding = [path for path in paths[:MAX_RULES] if path and is_under(url, path)]
        return f"Disallow: {max(forbidding, key=len, default='')}".rstrip()


def is_under(url: str, pattern: str) -> bool:
    """Return whether a pattern of robots.txt (`*` any text, `$` the end) matches the path and query of `url`."""
    read = _remembered if len(pattern) <= REMEMBERED_CHARACTERS else _pattern
    return not read(pattern).can_fetch(url, "")


def _pattern(pattern: str) -> Protego:
    escaped = _ODD.sub(lambda odd: quote(odd[0], errors="replace"), pattern).replace("#", "%23").replace(" ", "%20")
    return Protego.parse(f"User-agent: *\nDisallow: {escaped}")


_remembered = lru_cache(maxsize=4_096)(_pattern)


def _usage_rules(lines: Iterable[str]) -> Iterator[_UsageRule]:
    for line in lines:
        if match := _USAGE_LINE.match(line):
            path, usage = usage_of_rule(match[2].partition("#")[0])
            if usage:
                yield _UsageRule(match[1].lower(), path, usage, line.partition("#")[0].strip())


def _lines(text: str | bytes) -> list[str]:
    """Return the lines that are not empty, without the byte order mark; odd characters in them are percent-encoded."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    encoding = "utf-16" if raw.startswith(UTF_16_MARKS) else "utf-8"
    lines = _NEW_LINE.split(raw[:MAX_BYTES].decode(encoding, "replace"))
    if len(raw) > MAX_BYTES:
        lines.pop()
    plain = (_ODD.sub(lambda odd: " " if odd[0] == "\t" else quote(odd[0], errors="replace"), line) for line in lines)
    return [line for plain_line in plain if (line := plain_line.strip()) and not line.startswith("#")]


def _groups(lines: Iterable[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the agents of each group, by product token in lower case, and its lines."""
    agents: list[str] = []
    members: list[str] = []
    for line in lines:
        if match := _AGENT_LINE.match(line):
            if members:
                yield agents, members
                agents, members = [], []
            token = _TOKEN.match(match[1])
            agents.append(token[0].lower() if token else "")
        elif not _OF_NO_GROUP.match(line):
            members.append(line)
    yield agents, members


class TdmRepFile:
    """One /.well-known/tdmrep.json: an array of `location`, `tdm-reservation` and perhaps `tdm-policy`."""

    def __init__(self, data: bytes, *, is_unreachable: bool = False) -> None:
        """`is_unreachable` says that the file could not be had."""
        self.is_unreachable, self.is_malformed = is_unreachable, False
        self.entries: tuple[dict[str, object], ...] = ()
        """Those with a location, in their order."""
        if is_unreachable:
            return
        try:
            parsed = json.loads(data) if len(data) <= MAX_BYTES else None
        except (ValueError, RecursionError):
            parsed = None
        # in UTF-16, or without its array, a no is plain all the same
        listed = parsed if isinstance(parsed, list) else [parsed]
        self.entries = tuple(
            entry for entry in listed if isinstance(entry, dict) and isinstance(entry.get("location"), str)
        )
        is_whole = listed is parsed and len(self.entries) == len(listed)
        self.is_malformed = not is_whole or not json.detect_encoding(data).startswith("utf-8")

    def signals(self, url: str) -> tuple[Signal, ...]:
        """Return the first entry whose location `url` is under, as JSON; and `malformed` where not all can be read.

        `unreachable` alone where the file could not be had.
        """
        if self.is_unreachable:
            return (("tdmrep.json", UNREACHABLE),)
        entry = next((entry for entry in self.entries if is_under(url, str(entry["location"]))), None)
        signals: list[Signal] = [] if entry is None else [("tdmrep.json", _shown(entry))]
        if self.is_malformed:
            signals.append(("tdmrep.json", MALFORMED))
        return tuple(signals)


def tdmrep_of(status: int | None, data: bytes) -> TdmRepFile | None:
    """Return what an answer to a request for tdmrep.json means; None where there is no such file.

    2xx is the file, unless it is empty. 5xx, 429 and no answer (`status` None) are no file that could be had.
    """
    if status is None or status >= 500 or status == TOO_MANY_REQUESTS:
        return TdmRepFile(b"", is_unreachable=True)
    return TdmRepFile(data) if status < 300 and data else None


def _shown(entry: dict[str, object]) -> str:
    """Return the keys of an entry that the protocol knows, as JSON; long texts are cut."""
    known = {name: entry[name] for name in ("location", "tdm-reservation", "tdm-policy") if name in entry}
    return canonical_json({name: _plain(value) for name, value in known.items()}).decode()


def _plain(value: object) -> object:
    if isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)):
        return value
    if value == 1.0:
        return 1
    return str(value)[:300].encode("utf-8", "replace").decode()
