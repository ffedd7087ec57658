"""TDMRep: `tdm-reservation` as a header, in /.well-known/tdmrep.json, and in XMP. 1 reserves the rights, 0 does not."""

import json

from byline.catalog.consent.states import UNSTATED, ConsentReading, allowed, doubtful, opted_out
from byline.catalog.consent.usage import UNREACHABLE

MALFORMED = "malformed"
"""Value of the signal `tdmrep.json` where the file is none that can be read."""


def read_tdm_header(value: str) -> ConsentReading:
    """Read the header. Of several values (joined lines) a 1 wins."""
    return _read(value.split(","), "tdm-reservation")


def read_tdm_file(value: str) -> ConsentReading:
    """Read the entry for the path of the picture; one without a reservation says nothing, as the protocol has it."""
    if value in (MALFORMED, UNREACHABLE):
        return doubtful(f"tdmrep.json:{value}")
    try:
        entry = json.loads(value)
    except (ValueError, RecursionError):
        return UNSTATED
    reservation = entry.get("tdm-reservation") if isinstance(entry, dict) else None
    if reservation is True:  # no number, and still plain
        return opted_out("tdmrep.json:1")
    if isinstance(reservation, bool) or not isinstance(reservation, int | str):
        return UNSTATED
    return _read([str(reservation)], "tdmrep.json")


def read_tdm_xmp(value: str) -> ConsentReading:
    """Read `tdm:reservation` of a picture's XMP."""
    return _read(value.split(","), "xmp:tdm:reservation")


def _read(texts: list[str], signal: str) -> ConsentReading:
    values = {text.strip(" \t\r\n\"'") for text in texts}
    if "1" in values:
        return opted_out(f"{signal}:1")
    return allowed(f"{signal}:0") if values == {"0"} else UNSTATED
