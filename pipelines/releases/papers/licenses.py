"""Licenses as the papers name them: in words, with their page, as the Hub's tag."""

import re
from collections.abc import Mapping
from functools import lru_cache

from byline.catalog.licenses.reading import choices

_WORDS = {
    "CC-PDM-1.0": "Public Domain Mark 1.0",
    "CC-PDDC": "Public Domain Dedication",
    "LicenseRef-public-domain": "public domain",
    "LicenseRef-no-known-restrictions": "no known copyright restrictions",
    "LicenseRef-US-government": "work of the United States government",
}
_MARKS = ("CC0-1.0", "CC-PDM-1.0", "CC-PDDC")
HUB_TAGS = {
    "CC0-1.0": "cc0-1.0", "CC-BY-2.0": "cc-by-2.0", "CC-BY-2.5": "cc-by-2.5", "CC-BY-3.0": "cc-by-3.0",
    "CC-BY-4.0": "cc-by-4.0", "CC-BY-SA-3.0": "cc-by-sa-3.0", "CC-BY-SA-4.0": "cc-by-sa-4.0",
    "CC-BY-NC-2.0": "cc-by-nc-2.0", "CC-BY-NC-3.0": "cc-by-nc-3.0", "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "CC-BY-ND-4.0": "cc-by-nd-4.0", "CC-BY-NC-ND-3.0": "cc-by-nc-nd-3.0", "CC-BY-NC-ND-4.0": "cc-by-nc-nd-4.0",
    "CC-BY-NC-SA-2.0": "cc-by-nc-sa-2.0", "CC-BY-NC-SA-3.0": "cc-by-nc-sa-3.0", "CC-BY-NC-SA-4.0": "cc-by-nc-sa-4.0",
    "MIT": "mit", "Apache-2.0": "apache-2.0", "Unlicense": "unlicense", "WTFPL": "wtfpl", "ISC": "isc", "Zlib": "zlib",
    "BSD-2-Clause": "bsd-2-clause", "BSD-3-Clause": "bsd-3-clause",
}  # fmt: skip
"""SPDX id -> Hugging Face's tag, where the Hub has one that says the same
(https://huggingface.co/docs/hub/repositories-licenses). Its `gpl-3.0` does not say whether later versions count."""


def license_words(spdx: str) -> str:
    """Return the name of a license as a credit writes it: `CC BY-SA 4.0`, `public domain`, else the SPDX id."""
    if spdx in _WORDS:
        return _WORDS[spdx]
    sides = choices(spdx)
    if len(sides) > 1:
        return " or ".join(map(license_words, sides))
    match = re.fullmatch(r"(?:LicenseRef-)?CC(0|(?:-(?:BY|NC|ND|SA))+)(?:-(\d\.\d))?(?:-([A-Z]+))?", spdx)
    if match is None:
        return spdx.removeprefix("LicenseRef-")
    elements, version, port = match.groups()
    name = "CC0" if elements == "0" else f"CC {elements[1:]}"
    return " ".join(filter(None, (name, version or "(version not stated)", port)))


@lru_cache(maxsize=4096)
def licensed_as(spdx: str) -> str:
    """Return how a sentence about a work goes on: `licensed under CC BY 2.0`, `marked with CC0 1.0`."""
    words = license_words(spdx)
    if spdx in _MARKS:
        return f"marked with {words}"
    if spdx == "LicenseRef-public-domain":
        return "in the public domain"
    return words if spdx in _WORDS else f"licensed under {words}"


def hub_tag(licenses: Mapping[str, int]) -> str:
    """Return the Hub's license tag that is true of every row: that of the one license, otherwise `other`."""
    (spdx, *others) = licenses
    return "other" if others else HUB_TAGS.get(spdx, "other")
