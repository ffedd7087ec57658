"""The ids of the licenses that exist: from what a name or a URL states to SPDX's id or a `LicenseRef-`, or none."""

import re
from collections.abc import Sequence

from byline.catalog.licenses.names import ELEMENTS, GNU, PORTS, SPDX_PORTED, UNPORTED, VERSIONED

_OTHER_NAME = re.compile(
    r"(?P<name>[a-z]+)(?P<niv> niv)?(?: (?P<version>\d+(?:\.\d+)?))?(?P<no> no invariants)?(?P<more> \+| only)?"
)


def cc_id(elements: Sequence[str], version: str | None, port: str | None) -> str | None:
    """Return the id of a Creative Commons license, or None when there is no such license."""
    unique = set(elements)
    if len(unique) < len(elements) or not unique <= set(ELEMENTS) or {"nd", "sa"} <= unique:
        return None
    if "by" not in unique and version != "1.0" and (version, port) != ("2.0", "jp"):
        return None
    name = "-".join(["CC", *(e.upper() for e in ELEMENTS if e in unique)])
    if version is None:
        return f"LicenseRef-{name}"
    if port is None:
        prefix = "" if "by" in unique or name == "CC-SA" else "LicenseRef-"
        return f"{prefix}{name}-{version}" if version in UNPORTED else None
    if port not in PORTS.get(version, "").split():
        return None
    spdx = f"{name}-{version}-{port.upper()}"
    return spdx if spdx in SPDX_PORTED else f"LicenseRef-{spdx}"


def other_id(name: str) -> str | None:
    """Return the id of a license outside Creative Commons that has versions, or None."""
    match = _OTHER_NAME.fullmatch(re.sub(r"^([a-z]+) \1\b", r"\1", name))  # "Open Font License (OFL)"
    if match is None or match["name"] not in VERSIONED:
        return None
    stem, versions = VERSIONED[match["name"]]
    invariants = "-no-invariants" if match["niv"] or match["no"] else ""
    if (invariants and stem != "GFDL") or (match["more"] and stem not in GNU):
        return None
    if match["version"] is None:
        return None if invariants or match["more"] else f"LicenseRef-{stem}"
    version = match["version"] if "." in match["version"] else match["version"] + ".0"
    if version not in versions:
        return None
    ending = ("-or-later" if match["more"] == " +" else "-only") if stem in GNU else ""
    return f"{stem}-{version}{invariants}{ending}"
