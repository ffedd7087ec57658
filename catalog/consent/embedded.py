"""What a picture says of itself: XMP (IPTC, PLUS), training-mining assertions of C2PA and CAWG, and its origin."""

import json
import re
from typing import Any

from byline.catalog.consent.states import UNSTATED, ConsentReading, allowed, doubtful, opted_out

UNREAD = "unread"
"""Value of `xmp` and of `c2pa` where there is something that was not, or could not be, read."""
REMOTE = "remote"
"""Value of `c2pa` where the manifest lies elsewhere. It is not fetched."""
NOT_UNDERSTOOD = "not-understood"

PROHIBITED = frozenset(
    "PROHIBITED PROHIBITED-AIMLTRAINING PROHIBITED-GENAIMLTRAINING PROHIBITED-EXCEPTSEARCHENGINEINDEXING "
    "PROHIBITED-SEECONSTRAINT PROHIBITED-SEEEMBEDDEDRIGHTSEXPR PROHIBITED-SEELINKEDRIGHTSEXPR "
    "SEECONSTRAINT SEEEMBEDDEDRIGHTSEXPR SEELINKEDRIGHTSEXPR".split()
)
"""Terms of the PLUS vocabulary that forbid our use. Those that point to conditions do: nobody here has read them."""
_TERM = re.compile(r"(?:DMI-)?([A-Z][A-Z-]*)\Z")
_PLAIN_NO = re.compile(r"prohibit|forbid|not allowed", re.IGNORECASE)

USES = ("ai_generative_training", "ai_training", "data_mining", "ai_inference")
"""Entries of a training-mining assertion that our use is in; `ai_inference` is, since captioners are shown pictures."""
GENERATIVE = USES[0]
"""The one whose yes is ours: `ai_training` is of models that generate nothing."""
BELIEVED = frozenset({"Valid", "Trusted"})
"""Validation states of the picture's own manifest in which its yes counts."""

SYNTHETIC_TYPES = {
    name.lower(): name
    for name in (
        "trainedAlgorithmicMedia",
        "compositeWithTrainedAlgorithmicMedia",
        "compositeSynthetic",
        "trainedAlgorithmicData",
    )
}
"""Last words of the digital source types (IPTC NewsCodes, C2PA) of pictures that a trained model made, or a part of."""


def read_data_mining(value: str, signal: str = "xmp:plus:DataMining") -> ConsentReading:
    """Read a value of plus:DataMining: the vocabulary's URI, its last word alone, or plain words.

    Whatever says that something is prohibited is a no. Any other word outside the vocabulary is in doubt.
    """
    last = re.split(r"[/#:]", value.strip().rstrip("/"))[-1].strip().upper()
    match = _TERM.match(last)
    term = match[1] if match else ""
    if term in PROHIBITED:
        return opted_out(f"{signal}=DMI-{term}")
    if last.startswith("UNSPECIFIED") or term == "UNSPECIFIED" or not last:
        return UNSTATED  # its label goes on: `no prohibition defined`
    if _PLAIN_NO.search(value):
        return opted_out(f"{signal}=DMI-PROHIBITED")
    return allowed(f"{signal}=DMI-ALLOWED") if term == "ALLOWED" else doubtful(f"{signal}={NOT_UNDERSTOOD}")


def read_xmp(value: str) -> ConsentReading:
    """Read the signal of an XMP packet as a whole: `unread`."""
    return doubtful("xmp:unread") if value == UNREAD else UNSTATED


def read_c2pa(value: str) -> ConsentReading:
    """Read one assertion of a manifest.

    A no counts whatever became of the signature, and whichever manifest of the picture's history says it; a yes only of
    the picture's own manifest, validated.
    """
    if value in (UNREAD, REMOTE):
        return doubtful(f"c2pa:{value}")
    assertion = _object(value)
    if "DataMining" in assertion:
        reading = read_data_mining(str(assertion["DataMining"]), "c2pa:plus:DataMining")
    else:
        reading = _read_entries(_answers(assertion.get("entries")))
    is_believed = reading.state != "allowed" or assertion.get("state") in BELIEVED
    return reading if is_believed else UNSTATED


def _read_entries(answers: dict[str, set[str]]) -> ConsentReading:
    for answer, shown in (("notallowed", "notAllowed"), ("constrained", "constrained")):
        for use in USES:
            if answer in answers.get(use, ()):
                return opted_out(f"c2pa:{use}={shown}")
    for use in USES:
        if answers.get(use, {"allowed"}) != {"allowed"}:
            return doubtful(f"c2pa:{use}={NOT_UNDERSTOOD}")
    return allowed(f"c2pa:{GENERATIVE}=allowed") if GENERATIVE in answers else UNSTATED


def _answers(entries: object) -> dict[str, set[str]]:
    """Return what is said of each use, the uses without their prefix (`c2pa.`, `cawg.`)."""
    answers: dict[str, set[str]] = {}
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        answer = entry.get("use", "") if isinstance(entry, dict) else entry
        answers.setdefault(name.rpartition(".")[2].lower(), set()).add(str(answer).strip().lower())
    return answers


def source_types(signal: str, value: str) -> list[str]:
    """Return the digital source types that one signal states."""
    if signal == "xmp:iptc4xmpext:DigitalSourceType":
        return [value]
    if signal != "c2pa":
        return []
    types = _object(value).get("digitalSourceType", [])
    return [str(source_type) for source_type in types] if isinstance(types, list) else [str(types)]


def synthetic_type(stated: str) -> str:
    """Return the last word of a digital source type that means a trained model's work; empty for all others."""
    return SYNTHETIC_TYPES.get(re.split(r"[/#:]", stated.strip().rstrip("/"))[-1].strip().lower(), "")


def _object(value: str) -> dict[str, Any]:
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
