"""Read what a source says about a license, as an SPDX id or as a `LicenseRef-` that says why not. Never a guess.

A text is read whole or not at all: one word that no rule knows ("CC BY, no AI training") makes it unknown. A version
that is not stated stays unstated (`LicenseRef-CC-BY-SA`), except for CC0 and the Public Domain Mark, of which only
version 1.0 exists. A choice ("GFDL or CC BY-SA 3.0", "CC BY-SA 3.0,2.5") becomes a sorted SPDX expression with `OR`,
unless one side is NC or ND or no license. "And", a slash (but beside GFDL) and every other double claim are unknown.
A text that names NC or ND anywhere is read as NC or ND or not at all. Claims of public domain are never CC-PDM-1.0,
nor is the dedication of 2004 (CC-PDDC).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from byline.catalog.licenses.ids import cc_id, other_id
from byline.catalog.licenses.names import (
    CODES,
    FLICKR_FIELDS,
    FLICKR_IDS,
    HOSTED,
    PAGES,
    PD,
    PUBLIC_DOMAIN_TERM,
    RETIRED,
    RIGHTS_STATEMENTS,
    SCOPES,
    TOOL_PAGES,
    VERSIONED,
    WHOLE_NAMES,
)
from byline.catalog.licenses.text import Claim, is_too_long, mentions_restriction, normalized, take_apart

UNKNOWN = "LicenseRef-unknown"
MISSING = "LicenseRef-missing"
CONTRADICTED = "LicenseRef-contradicted"

_QUERY = re.compile(
    r"(?!.*n[cd])(?:(?:atype|lang|language|ref|uselang|utm_[a-z]+)=[\w.-]*(?:&(?!$)|$))*", re.ASCII | re.IGNORECASE
)
_LANGUAGE = r"(?:\.[a-z]{2,3}(?:[_-][a-z]{2,4})?)?"
_CC_PATH = re.compile(
    r"/(?:licenses/(?P<code>[a-z+-]+)(?:/(?P<version>\d\.\d)(?:/(?P<port>(?!deed|legalcode|rdf)[a-z]+))?)?"
    rf"|publicdomain/(?P<tool>zero|mark)/1\.0|publicdomain/certification/1\.0/us)(?:/(?:deed|legalcode|rdf){_LANGUAGE})?/*"
)
_CC_TERM = re.compile(r"(?:web\.resource\.org/cc/|creativecommons\.org/ns#)(?P<term>[a-z]*)/*")
"""A name of the RDF namespace of Creative Commons, the older or the newer: of a license, or of what one says."""
_RIGHTS_PAGE = re.compile(r"rightsstatements\.org/(?:vocab|page|data)/(?P<code>[a-z-]+)/1\.0")
_NAMED_PAGE = re.compile(r"(?:spdx\.org/licenses|opensource\.org/licenses?)/(?P<name>(?P<stem>[a-z0-9]+)[a-z0-9.-]*)")
_CC_NAME = re.compile(
    r"(?P<elements>(?:by|nc|nd|sa)(?: (?:by|nc|nd|sa))*)"
    r"(?: (?P<version>\d+(?:\.\d)?)(?:(?P<list>(?: V \d\.\d)+)| (?P<where>[a-z]+))?)?"
)
_CC_TOOL = re.compile(r"(cczero|pdm)(?: 1(?:\.0)?)?(?: universal)?")
_WHOLE = {normalized(name): spdx for name, spdx in {**WHOLE_NAMES, **RETIRED}.items()}
_STEMS = [stem for stem, _ in VERSIONED.values()]
_UNSETTLED = re.compile("LicenseRef-(?:" + "|".join(["CC-[A-Z-]+", "unknown|missing|contradicted|OGL", *_STEMS]) + ")")

_Read = tuple[str, str]  # an SPDX id or expression, and the rule that read it
_NOT_READ: _Read = (UNKNOWN, "unread")


@dataclass(frozen=True)
class LicenseReading:
    """What a text says: SPDX id or expression, the rule that read it, the text as it was seen."""

    spdx: str
    rule: str
    seen: str


@lru_cache(maxsize=1 << 14)
def read_license(text: str) -> LicenseReading:
    """Read one claim: a URL, a name, an SPDX id, or HTML around them. Never raises.

    >>> read_license("https://creativecommons.org/licenses/by-sa/2.0/").spdx
    'CC-BY-SA-2.0'
    >>> read_license("CC BY").spdx, read_license("CC BY, no AI training").spdx
    ('LicenseRef-CC-BY', 'LicenseRef-unknown')
    """
    if is_too_long(text):
        return LicenseReading(UNKNOWN, "too-long", text)
    claim = take_apart(text)
    restricted = mentions_restriction(text)
    if claim.is_blank and not restricted:
        return LicenseReading(MISSING, "blank", text)
    spdx, rule = _agreed(_reads_of(claim))
    sides = [_is_restricted(side) for side in choices(spdx)]
    if not all(sides) and (restricted or any(sides)):
        return LicenseReading(UNKNOWN, "restriction-beside", text)
    return LicenseReading(spdx, rule, text)


def read_claims(claims: Sequence[tuple[str, str]]) -> LicenseReading:
    """Read all that a record says, as (field, text); blank claims say nothing, the rest must agree.

    A claim without a version agrees with one that states it. Claims that differ are `LicenseRef-contradicted`; one that
    cannot be read makes the whole `LicenseRef-unknown`. In `flickr_license` and `license_id` a number is Flickr's.
    """
    readings = [(field, _read_field(field, text)) for field, text in claims]
    readings = [(field, reading) for field, reading in readings if reading.spdx != MISSING]
    seen = "; ".join(f"{field}: {reading.seen}" for field, reading in readings)
    if not readings:
        return LicenseReading(MISSING, "blank", seen)
    spdx, rule = _agreed([(reading.spdx, reading.rule) for _, reading in readings])
    if spdx == UNKNOWN and all(reading.spdx != UNKNOWN for _, reading in readings):
        return LicenseReading(CONTRADICTED, "claims-differ", seen)
    return LicenseReading(spdx, rule, seen)


def choices(spdx: str) -> tuple[str, ...]:
    """Return the ids among which the user of the work may choose: one, or the sides of an `OR`."""
    return tuple(spdx.split(" OR "))


@lru_cache(maxsize=4096)
def family(spdx: str) -> str:
    """Return the license without version and port: `CC-BY-SA`, `CC0`, `GPL`, `public-domain`...

    The family of a choice is the choice of families, sorted and once each: `CC-BY-SA OR GFDL`.
    """
    names = {re.sub(r"-\d.*", "", choice.removeprefix("LicenseRef-")) for choice in choices(spdx)}
    return " OR ".join(sorted(names))


@lru_cache(maxsize=4096)
def has_version(spdx: str) -> bool:
    """Tell whether the version is settled: False for `LicenseRef-CC-BY`, and for what was not read.

    True for licenses that have no versions (`MIT`, `LicenseRef-public-domain`). A choice needs it on every side.
    """
    return not any(_UNSETTLED.fullmatch(choice) for choice in choices(spdx))


def license_url(spdx: str) -> str | None:
    """Return the page to link in a credit: Creative Commons' deed, else SPDX's page, else None."""
    if spdx in TOOL_PAGES:
        return f"https://creativecommons.org/{TOOL_PAGES[spdx]}/"
    if match := re.fullmatch(r"(?:LicenseRef-)?CC-([A-Z-]+)-(\d\.\d)(?:-([A-Z]+))?", spdx):
        code, version, port = (part.lower() for part in match.groups(default=""))
        if version == "1.0" or code == "nc-nd":
            code = code.replace("nc-nd", "nd-nc")
        path = "/".join(filter(None, (code, version, port)))
        return f"https://creativecommons.org/licenses/{path}/"
    if spdx.startswith("LicenseRef-") or " OR " in spdx:
        return None
    return f"https://spdx.org/licenses/{spdx}.html"


def _read_field(field: str, text: str) -> LicenseReading:
    if field in FLICKR_FIELDS and text.strip() in FLICKR_IDS:
        return LicenseReading(FLICKR_IDS[text.strip()], "flickr-id", text)
    return read_license(text)


def _agreed(reads: Sequence[_Read]) -> _Read:
    """Return what all the readings say together; unknown when they differ or one was not read."""
    spdx_ids = {spdx for spdx, _ in reads}
    settled = {spdx for spdx in spdx_ids if has_version(spdx)} or spdx_ids
    if len({family(spdx) for spdx in spdx_ids}) != 1 or len(settled) != 1:
        return UNKNOWN, "not-one-license"
    return settled.pop(), "+".join(sorted({rule for _, rule in reads}))


def _is_restricted(spdx: str) -> bool:
    return re.search(r"-N[CD]\b", spdx) is not None


def _reads_of(claim: Claim) -> list[_Read]:
    reads = [_read_url(url) for url in claim.links] + [_read_name(caption) for caption in claim.captions]
    if claim.name == "by":
        # The word alone is a license of Commons' own; beside a link it is the link's text; "by" is Openverse's slug.
        is_cc = bool(claim.links) or claim.plain == "by"
        alone = ("LicenseRef-attribution", "known-name") if claim.plain == "attribution" else _NOT_READ
        return [*reads, ("LicenseRef-CC-BY", "cc-name") if is_cc else alone]
    if reads and claim.name in ("", "cc"):
        return reads
    if (ours := re.fullmatch(r"licenseref-([a-z0-9.-]+)", claim.plain)) and not reads:
        spdx, rule = _read_name(normalized(ours[1]))
        return [(spdx, rule) if spdx.lower() == claim.plain else _NOT_READ]
    return [*reads, _read_name(claim.name)]


def _read_url(url: str) -> _Read:
    try:
        parts = urlsplit(re.sub(r"^(?:https?:)?/*", "https://", url, flags=re.I))
    except ValueError:
        return _NOT_READ
    host, path = parts.netloc.lower().removeprefix("www."), parts.path.lower()
    address = host + path + (f"#{parts.fragment.lower()}" if parts.fragment else "")
    if (term := _CC_TERM.fullmatch(address)) and not parts.query:
        return (PD if term["term"] == PUBLIC_DOMAIN_TERM else UNKNOWN), "cc-term"
    if parts.fragment or not _QUERY.fullmatch(parts.query):
        return _NOT_READ
    if host != "creativecommons.org":
        return _read_page(re.sub(r"(?:\.[a-z]{2})?\.(?:html|php|txt)$|/+$", "", host + path))
    match = _CC_PATH.fullmatch(path)
    if match is None:
        return _NOT_READ
    code, version = match["code"], match["version"]
    if code is None or code == "publicdomain":
        tools = {"zero": "CC0-1.0", "mark": "CC-PDM-1.0", None: "CC-PDDC"}
        return (tools[match["tool"]], "cc-url") if version is None else _NOT_READ
    if spdx := HOSTED.get(f"{code} {version}" if version else code):
        return (spdx, "cc-url") if match["port"] is None else _NOT_READ
    if spdx := RETIRED.get(f"{code} {version}"):
        return (spdx, "cc-url") if match["port"] is None else _NOT_READ
    spdx = cc_id(code.split("-"), version, match["port"]) if code in CODES else None
    return (spdx, "cc-url") if spdx else _NOT_READ


def _read_page(page: str) -> _Read:
    if page in PAGES:
        return PAGES[page], "known-page"
    if (match := _RIGHTS_PAGE.fullmatch(page)) and match["code"] in RIGHTS_STATEMENTS:
        return RIGHTS_STATEMENTS[match["code"]], "rights-statement"
    if match := _NAMED_PAGE.fullmatch(page):
        spdx, _ = _read_one(normalized(match["name"]))
        if not spdx.startswith("LicenseRef-") and spdx.lower().startswith(match["stem"]):
            return spdx, "named-page"
    return UNKNOWN, "other-host"


def _read_name(name: str) -> _Read:
    """Read a normalized name: one license, or several among which the user may choose."""
    if name in _WHOLE:
        return _WHOLE[name], "known-name"
    if dual := re.fullmatch(r"(?:dual|multi) (.+ (?:and|or|/) .+)", name):
        name = re.sub(" (?:and|/) ", " or ", dual[1])
    reads = [_read_one(side) for side in re.split(r" or | / | \| ", name)]
    spdx_ids = sorted({spdx for spdx, _ in reads})
    if len(spdx_ids) == 1:
        return reads[0]
    if not all(_is_offered(spdx) for spdx in spdx_ids):
        return _NOT_READ
    # A slash may as well part the license of the code from that of the pictures; beside GFDL it is a choice by custom.
    if re.search(r" [/|] ", name) and not any(family(spdx) == "GFDL" for spdx in spdx_ids):
        return _NOT_READ
    return " OR ".join(spdx_ids), "choice"


def _is_offered(spdx: str) -> bool:
    """Tell whether it is a license, which one may choose; a claim that there are no rights, or all, is none."""
    if spdx.startswith("LicenseRef-"):
        return family(spdx).startswith("CC-") or family(spdx) in _STEMS
    return spdx not in ("CC-PDM-1.0", "CC-PDDC")


def _read_one(name: str) -> _Read:
    if name in _WHOLE:
        return _WHOLE[name], "known-name"
    if spdx := other_id(name):
        return spdx, "versioned-name"
    if "cczero" in name:
        name = re.sub(r" ?\b(?:pd|dedication)\b", "", name)
    elif "cc" not in name and re.search(r" \d\b(?!\.)", name):
        return _NOT_READ  # "by 4" may be anything; "CC BY 4" is not
    mentions = [part.strip() for part in re.split(r"\bcc\b|(?=\bcczero\b)", name)]
    return _agreed([_read_cc_name(mention) for mention in mentions if mention] or [_NOT_READ])


def _read_cc_name(name: str) -> _Read:
    if tool := _CC_TOOL.fullmatch(name):
        return "CC-PDM-1.0" if tool[1] == "pdm" else "CC0-1.0", "cc-name"
    match = _CC_NAME.fullmatch(name)
    if match is None:
        return _NOT_READ
    version, port = match["version"], match["where"]
    if version in ("1", "3", "4"):  # "2" may be 2.0 or 2.5
        version += ".0"
    if port in SCOPES:
        version, port = version if version in SCOPES[port] else "none such", None
    versions = [version, *(match["list"] or "").replace("V", "").split()]
    spdx_ids = {cc_id(match["elements"].split(), version, port) for version in versions}
    if None in spdx_ids or len(spdx_ids) < len(versions):
        return _NOT_READ
    return " OR ".join(sorted(filter(None, spdx_ids))), "cc-name" if len(versions) == 1 else "choice"
