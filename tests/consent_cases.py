"""The conformance table of consent, `tests/catalog/consent.tsv`, and the real thing that each of its rows describes."""

import re
from dataclasses import dataclass
from pathlib import Path

from byline.catalog.consent import Signal, consent_evidence, header_signals
from byline.pictures.stated import embedded_signals
from byline.pipelines.fetching.transport.robots import TdmRepFile, robots_of
from byline.pipelines.fetching.transport.urls import asked_url
from tests.speaking_pictures import a_packet, signed, tampered, training_mining, with_packet

COLUMNS = ("kind", "how", "text", "state", "rule", "note")
TABLE = Path(__file__).parent / "catalog" / "consent.tsv"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row: what is said, how it is said, and what it must come to."""

    kind: str
    """`headers`, `robots.txt`, `tdmrep.json`, `xmp`, `c2pa`, or `origin` (XMP or C2PA, read for how it was made)."""
    how: str
    """Path as a source says it, status (files), place and spelling in the picture (XMP), format and fate (C2PA)."""
    text: str
    state: str
    rule: str
    note: str

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The lines of a row of headers."""
        lines = (line.partition(":") for line in self.text.split("\n") if line)
        return [(name.strip(), value.strip()) for name, _, value in lines]

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What is heard, by the code that hears it when a corpus is built."""
        if self.kind == "headers":
            return tuple(header_signals(self.headers))
        if self.kind in ("robots.txt", "tdmrep.json"):
            path, _, status = self.how.partition(" ")
            url = asked_url(f"https://example.org{path}").sent
            if self.kind == "tdmrep.json":
                return TdmRepFile(self.text.encode()).signals(url)
            return robots_of(int(status or 200) or None, self.text).robots_signals(url)
        return embedded_signals(a_picture_that_says(self.how, self.text))

    @property
    def evidence(self) -> str | None:
        """What is kept of it."""
        return consent_evidence(self.signals)


def a_picture_that_says(how: str, text: str) -> bytes:
    """Return the picture of a row: `how` is `<place> <spelling>` for XMP, `<format> c2pa <fate>` for C2PA."""
    place, spelling, *fate = how.split(" ")
    if spelling != "c2pa":
        name, _, value = text.partition("=")
        packet = a_packet(spelling if spelling in ("element", "resource", "bag") else "attribute", **{name: value})
        return with_packet(packet[:-60] if spelling == "damaged" else packet, place)
    answers = dict(part.split("=", 1) for part in text.split(", ") if part)
    source = answers.pop("source", "digitalCapture")
    assertions = [
        training_mining(f"{prefix}.training-mining", **uses)
        for prefix in ("c2pa", "cawg")
        if (uses := {name[5:]: said for name, said in answers.items() if name.startswith(f"{prefix}.")})
    ]
    if fate == ["ingredient"]:
        return signed([], place, parent=signed(assertions, source_type=source))
    if fate == ["remote"]:
        return signed(assertions, place, source_type=source, remote="http://127.0.0.1:9/manifest.c2pa")
    made = signed(assertions, place, source_type=source)
    return tampered(made) if fate == ["tampered"] else made[:-1_500] if fate == ["truncated"] else made


def load_cases() -> list[Case]:
    """Return the rows of the table; `\\n` in a text is a new line, `\\t` a tab."""
    header, *lines = TABLE.read_text(encoding="utf-8").splitlines()
    assert tuple(header.split("\t")) == COLUMNS
    rows = (dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines)
    return [Case(**{**row, "text": _unescaped(row["text"])}) for row in rows]


def _unescaped(text: str) -> str:
    plain = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
    return re.sub(r"\\(u[0-9a-f]{4}|[ntr\\])", lambda m: plain.get(m[1]) or chr(int(m[1][1:], 16)), text)
