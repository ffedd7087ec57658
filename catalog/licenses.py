"""Read what a source says about a license, as an SPDX id or as a `LicenseRef-` that says why not. Never a guess.

A text is read whole or not at all: one word that no rule knows ("CC BY, no AI training") makes it unknown. A version
that is not stated stays unstated (`LicenseRef-CC-BY-SA`), except for CC0 and the Public Domain Mark, of which only
version 1.0 exists. A choice ("GFDL or CC BY-SA 3.0", "CC-BY-SA-3.0 / GFDL") becomes a sorted SPDX expression with `OR`,
unless one side is NC or ND. "And", lists of versions and every other double claim are unknown.
"""

import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

UNKNOWN = "LicenseRef-unknown"
MISSING = "LicenseRef-missing"
CONTRADICTED = "LicenseRef-contradicted"

_ELEMENTS = ("by", "nc", "nd", "sa")
_SCOPES = {"generic": ("1.0", "2.0", "2.5"), "unported": ("3.0",), "international": ("4.0",)}
_SPDX_PORTED = {
    "CC-BY-2.5-AU", "CC-BY-3.0-AT", "CC-BY-3.0-AU", "CC-BY-3.0-DE", "CC-BY-3.0-IGO", "CC-BY-3.0-NL", "CC-BY-3.0-US",
    "CC-BY-NC-3.0-DE", "CC-BY-NC-ND-3.0-DE", "CC-BY-NC-ND-3.0-IGO", "CC-BY-NC-SA-2.0-DE", "CC-BY-NC-SA-2.0-FR",
    "CC-BY-NC-SA-2.0-UK", "CC-BY-NC-SA-3.0-DE", "CC-BY-NC-SA-3.0-IGO", "CC-BY-ND-3.0-DE", "CC-BY-SA-2.0-UK",
    "CC-BY-SA-2.1-JP", "CC-BY-SA-3.0-AT", "CC-BY-SA-3.0-DE", "CC-BY-SA-3.0-IGO",
}  # fmt: skip
_PORT = re.compile(
    r"a[rtuz]|b[egr]|c[ahlnorz]|d[ek]|e[cegs]|f[ir]|g[ert]|h[kru]|i[elnt]|igo|jp|kr|lu|m[ktxy]|n[gloz]|p[ehlrt]|r[os]"
    r"|s[egi]|scotland|t[hw]|u[agks]|v[en]|za"
)
_VERSIONS = {
    "AGPL": ("1.0", "3.0"), "Apache": ("1.0", "1.1", "2.0"), "GFDL": ("1.1", "1.2", "1.3"), "LAL": ("1.2", "1.3"),
    "GPL": ("1.0", "2.0", "3.0"), "LGPL": ("2.0", "2.1", "3.0"), "MPL": ("1.0", "1.1", "2.0"), "ODbL": ("1.0",),
    "OFL": ("1.0", "1.1"),
}  # fmt: skip
_TOOL_PAGES = {
    "CC0-1.0": "publicdomain/zero/1.0", "CC-PDM-1.0": "publicdomain/mark/1.0", "CC-PDDC": "licenses/publicdomain",
}  # fmt: skip
_GNU = ("AGPL", "GFDL", "GPL", "LGPL")
_WHOLE = {
    "all rights reserved": "LicenseRef-all-rights-reserved", "© all rights reserved": "LicenseRef-all-rights-reserved",
    "no known copyright restrictions": "LicenseRef-no-known-restrictions",
    "no known restrictions": "LicenseRef-no-known-restrictions",
    "us government": "LicenseRef-US-government", "pd usgov": "LicenseRef-US-government",
    "pd": "LicenseRef-public-domain", "cc pd": "LicenseRef-public-domain", "pd dedication": "LicenseRef-public-domain",
    "bsd 2 clause": "BSD-2-Clause", "bsd 3 clause": "BSD-3-Clause", "cc pddc": "CC-PDDC", "expat": "MIT", "isc": "ISC",
    "mit": "MIT", "unlicense": "Unlicense", "wtfpl": "WTFPL", "zlib": "Zlib",
}  # fmt: skip
_PAGES = {
    "flickr.com/commons/usage": "LicenseRef-no-known-restrictions",
    "usa.gov/copyright.shtml": "LicenseRef-US-government",
    "usa.gov/government-works": "LicenseRef-US-government",
    "apache.org/licenses/license-2.0": "Apache-2.0",
}
_REWRITES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"v(?=\d)", " "),
        (r"\b(?:available|licen[cs]ed|published|released|work) by\b", "?"),
        (r"\bor(?: at your option)?(?: any)? (?:later|newer)(?: versions?)?\b", "+"),
        (r"\b(?:gnu )?(?:lesser|library) general public licen[cs]e\b", "lgpl"),
        (r"\b(?:gnu )?affero general public licen[cs]e\b", "agpl"),
        (r"\b(?:gnu )?general public licen[cs]e\b|\bgnu gpl\b", "gpl"),
        (r"\b(?:gnu )?free documentation licen[cs]e\b", "gfdl"),
        (r"\bmozilla public licen[cs]e\b", "mpl"),
        (r"\b(?:sil )?open font licen[cs]e\b|\bsil ofl\b", "ofl"),
        (r"\bfree art\b|\blicence art libre\b|\bfal\b", "lal"),
        (r"\bpublic licen[cs]e\b|\bunder the terms of\b|\blegal code\b", " "),
        (r"\bcreative ?commons\b", "cc"),
        (r"\bcc ?(?:0|zero)\b(?!\.)", "cczero"),
        (r"\battribution licen[cs]e\b", "cc by"),  # Flickr's and Freesound's name for CC BY
        (r"\battribution\b", "by"),
        (r"\bshare ?alike\b", "sa"),
        (r"\bnon ?commercial\b", "nc"),
        (r"\bno ?deriv(?:ative)?s?(?: works?)?\b", "nd"),
        (r"\bpublic ?domain\b", "pd"),
        (r"\bpd mark\b", "pdm"),
        (r"\bu s\b|\bunited states(?: of america)?\b", "us"),
    ]
]
_FILLER = re.compile(
    r"\b(?:an?|are|available|deed|identifier|is|legalcode|licen[cs]ed?|of|published|released|spdx|the|this|under|v|ver"
    r"|version|work)\b"
)
_SEPARATORS = re.compile(r"""[-\u2010-\u201d_,:;()\[\]"']|(?<!\d)\.|\.(?!\d)""")
_RUN_TOGETHER = re.compile(r"(cc)?(by)?(nc)?(sa|nd)?")
_URL = re.compile(r"""(?:https?:)?//[^\s<>"']+|(?<![\w.@/-])(?:www\.)?creativecommons\.org/[^\s<>"']*""", re.I)
_TAG = re.compile(r"</?(?!(?:del|s|strike)\b)[a-zA-Z][a-zA-Z0-9]*(?:\s[^<>]*)?/?>")
_ANGLED_URL = re.compile(r"<((?:https?:)?//[^<>\s]*)>", re.I)
_HREF = re.compile(r"""<a\b[^>]*?\bhref\s*=\s*["']?([^"'\s>]+)""", re.I)
_ENCYCLOPEDIA = re.compile(r"(?:https?:)?//(?:[a-z-]+\.)*(?:wikipedia|wikimedia)\.org/", re.I)
_CC_PATH = re.compile(
    r"/(?:licenses/(?P<code>[a-z-]+)(?:/(?P<version>\d\.\d)(?:/(?P<port>(?!deed|legalcode|rdf)[a-z]+))?)?"
    r"|publicdomain/(?P<tool>zero|mark)/1\.0)(?:/(?:deed|legalcode|rdf)(?:\.[a-z_-]+)?)?/*"
)
_CC_NAME = re.compile(
    r"(?P<elements>(?:by|nc|nd|sa)(?: (?:by|nc|nd|sa))*)(?: (?P<version>\d+(?:\.\d)?)(?: (?P<where>[a-z]+))?)?"
)
_CC_TOOL = re.compile(r"(cczero|pdm)(?: 1(?:\.0)?)?(?: universal)?")
_OTHER_NAME = re.compile(
    r"(?P<name>[a-z]+)(?P<niv> niv)?(?: (?P<version>\d+(?:\.\d+)?))?(?P<no> no invariants)?(?P<more> \+| only)?"
)

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
    """Read one claim: a URL, a name, an SPDX id, or HTML around them. Never raises."""
    if len(text) > 2000:
        return LicenseReading(UNKNOWN, "too-long", text)
    links = [html.unescape(link) for link in _HREF.findall(text)]
    plain = html.unescape(_ANGLED_URL.sub(r" \1 ", _TAG.sub(" ", text))).strip()
    if not plain and not links:
        return LicenseReading(MISSING, "blank", text)
    links = [link for link in links if not _ENCYCLOPEDIA.match(link)]
    urls = [url.rstrip(".,;:)]}") for url in _URL.findall(plain)]
    name = _normalized(_URL.sub(" ", plain))
    reads = [_read_url(url) for url in links + urls]
    if name or not reads:
        reads.append(_read_name(name, plain.lower()))
    return LicenseReading(*_agreed(reads), text)


def read_claims(claims: Sequence[tuple[str, str]]) -> LicenseReading:
    """Read all that a record says, as (field, text); blank claims say nothing, the rest must agree.

    A claim without a version agrees with one that states it. Claims that differ are `LicenseRef-contradicted`; one that
    cannot be read makes the whole `LicenseRef-unknown`.
    """
    readings = [(field, read_license(text)) for field, text in claims]
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


def family(spdx: str) -> str:
    """Return the license without version and port: `CC-BY-SA`, `CC0`, `GPL`, `public-domain`...

    The family of a choice is the choice of families, sorted and once each: `CC-BY-SA OR GFDL`.
    """
    names = {re.sub(r"-\d.*", "", choice.removeprefix("LicenseRef-")) for choice in choices(spdx)}
    return " OR ".join(sorted(names))


def has_version(spdx: str) -> bool:
    """Tell whether the version is settled: False for `LicenseRef-CC-BY`, and for what was not read.

    True for licenses that have no versions (`MIT`, `LicenseRef-public-domain`). A choice needs it on every side.
    """
    names = "|".join(["CC-[A-Z-]+", "unknown", "missing", "contradicted", *_VERSIONS])
    return not any(re.fullmatch(f"LicenseRef-(?:{names})", choice) for choice in choices(spdx))


def license_url(spdx: str) -> str | None:
    """Return the page to link in a credit: Creative Commons' deed, else SPDX's page, else None."""
    if spdx in _TOOL_PAGES:
        return f"https://creativecommons.org/{_TOOL_PAGES[spdx]}/"
    if match := re.fullmatch(r"(?:LicenseRef-)?CC-([A-Z-]+)-(\d\.\d)(?:-([A-Z]+))?", spdx):
        code, version, port = (part.lower() for part in match.groups(default=""))
        if version == "1.0":
            code = code.replace("nc-nd", "nd-nc")
        path = "/".join(filter(None, (code, version, port)))
        return f"https://creativecommons.org/licenses/{path}/"
    if spdx.startswith("LicenseRef-") or " OR " in spdx:
        return None
    return f"https://spdx.org/licenses/{spdx}.html"


def _agreed(reads: Sequence[_Read]) -> _Read:
    """Return what all the readings say together; unknown when they differ or one was not read."""
    spdx_ids = {spdx for spdx, _ in reads}
    settled = {spdx for spdx in spdx_ids if has_version(spdx)} or spdx_ids
    if len({family(spdx) for spdx in spdx_ids}) != 1 or len(settled) != 1:
        return UNKNOWN, "not-one-license"
    return settled.pop(), "+".join(sorted({rule for _, rule in reads}))


def _read_url(url: str) -> _Read:
    try:
        parts = urlsplit(re.sub(r"^(?:https?:)?/*", "https://", url, flags=re.I))
    except ValueError:
        return _NOT_READ
    host, path = parts.netloc.lower().removeprefix("www."), parts.path.lower()
    if parts.fragment or not re.fullmatch(r"(?:ref=[\w.-]*)?", parts.query):
        return _NOT_READ
    if host != "creativecommons.org":
        page = re.sub(r"(?:\.html|\.txt|/+)$", "", host + path)
        return (_PAGES[page], "known-page") if page in _PAGES else (UNKNOWN, "other-host")
    match = _CC_PATH.fullmatch(path)
    if match is None:
        return _NOT_READ
    if match["tool"]:
        return "CC0-1.0" if match["tool"] == "zero" else "CC-PDM-1.0", "cc-url"
    if match["code"] == "publicdomain":
        return "CC-PDDC", "cc-url"
    spdx = _cc_id(match["code"].split("-"), match["version"], match["port"])
    return (spdx, "cc-url") if spdx else _NOT_READ


def _read_name(name: str, plain: str) -> _Read:
    """Read a normalized name; `plain` is the lower-case text that it came from."""
    if name == "by" and plain != "by":  # "Attribution" alone is also a license of Commons' own
        return _NOT_READ
    reads = [_read_one(side) for side in re.split(r" or | / | \| ", name)]
    spdx_ids = sorted({spdx for spdx, _ in reads})
    if len(spdx_ids) == 1:
        return reads[0]
    if UNKNOWN in spdx_ids or any(re.search(r"-N[CD]\b", spdx) for spdx in spdx_ids):
        return _NOT_READ
    return " OR ".join(spdx_ids), "choice"


def _read_one(name: str) -> _Read:
    if name in _WHOLE:
        return _WHOLE[name], "known-name"
    if spdx := _other_id(name):
        return spdx, "versioned-name"
    if "cczero" in name:
        name = re.sub(r" ?\b(?:pd|dedication)\b", "", name)
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
    if port in _SCOPES:
        version, port = version if version in _SCOPES[port] else "none such", None
    spdx = _cc_id(match["elements"].split(), version, port)
    return (spdx, "cc-name") if spdx else _NOT_READ


def _cc_id(elements: Sequence[str], version: str | None, port: str | None) -> str | None:
    """Return the id of a Creative Commons license, or None when there is no such license."""
    unique = set(elements)
    if len(unique) < len(elements) or not unique <= set(_ELEMENTS) or {"nd", "sa"} <= unique:
        return None
    if "by" not in unique and (version, port) != ("1.0", None):
        return None
    name = "-".join(["CC", *(e.upper() for e in _ELEMENTS if e in unique)])
    if version is None:
        return f"LicenseRef-{name}"
    if port is None:
        prefix = "" if "by" in unique or name == "CC-SA" else "LicenseRef-"
        known = ("1.0", "2.0", "2.5", "3.0", "4.0")
        return f"{prefix}{name}-{version}" if version in known else None
    if not _PORT.fullmatch(port) or version not in ("1.0", "2.0", "2.1", "2.5", "3.0"):
        return None
    spdx = f"{name}-{version}-{port.upper()}"
    return spdx if spdx in _SPDX_PORTED else f"LicenseRef-{spdx}"


def _other_id(name: str) -> str | None:
    """Return the id of a license outside Creative Commons that has versions, or None."""
    match = _OTHER_NAME.fullmatch(name)
    spdx = {known.lower(): known for known in _VERSIONS}.get(match["name"]) if match else None
    if match is None or spdx is None:
        return None
    invariants = "-no-invariants" if match["niv"] or match["no"] else ""
    if (invariants and spdx != "GFDL") or (match["more"] and spdx not in _GNU):
        return None
    if match["version"] is None:
        return None if invariants or match["more"] else f"LicenseRef-{spdx}"
    version = match["version"] if "." in match["version"] else match["version"] + ".0"
    if version not in _VERSIONS[spdx]:
        return None
    ending = ("-or-later" if match["more"] == " +" else "-only") if spdx in _GNU else ""
    return f"{spdx}-{version}{invariants}{ending}"


def _normalized(text: str) -> str:
    """Return the words of a name in one spelling, without those that say nothing."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    spaced = " ".join(_SEPARATORS.sub(" ", folded).split())
    for pattern, replacement in _REWRITES:
        spaced = pattern.sub(replacement, spaced)
    words = re.findall(r"[^\W\d_]+|\d+(?:\.\d+)*|\S", _FILLER.sub(" ", spaced))
    parts = [match.groups() if (match := _RUN_TOGETHER.fullmatch(w)) else (w,) for w in words]
    return " ".join(part for word in parts for part in word if part)
