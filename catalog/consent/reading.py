"""The one reading of evidence: every signal by itself, then the most restrictive of all."""

from collections.abc import Callable, Mapping
from functools import lru_cache

from byline.catalog.consent.embedded import read_c2pa, read_data_mining, read_xmp, source_types, synthetic_type
from byline.catalog.consent.evidence import CUT, DATE, Signal, signals_of
from byline.catalog.consent.reservations import read_tdm_file, read_tdm_header, read_tdm_xmp
from byline.catalog.consent.robots_tag import http_date, read_robots_tag, read_withdrawal
from byline.catalog.consent.states import UNSTATED, ConsentReading
from byline.catalog.consent.usage import read_content_signal, read_content_usage, read_robots_line

READERS: Mapping[str, Callable[[str], ConsentReading]] = {
    "x-robots-tag": read_robots_tag,
    "tdm-reservation": read_tdm_header,
    "content-usage": read_content_usage,
    "content-signal": read_content_signal,
    "robots.txt": read_robots_line,
    "tdmrep.json": read_tdm_file,
    "xmp": read_xmp,
    "xmp:plus:DataMining": read_data_mining,
    "xmp:tdm:reservation": read_tdm_xmp,
    "c2pa": read_c2pa,
}
"""`tdm-policy` names what a license would cost, and `xmp:plus:OtherConstraints` is free text; on their own they say
nothing."""


@lru_cache(maxsize=65_536)
def read_consent(evidence: str | None) -> ConsentReading:
    """Read evidence: "opted-out" if any signal says no, else "allowed" if one says yes, else "unstated".

    Where a signal is damaged, cut or in doubt nothing is read as "allowed"; what can still be read may say no. Only the
    evidence decides, never the clock. Never raises.
    """
    if evidence is None:
        return UNSTATED
    signals, problem = signals_of(evidence)
    allowed: ConsentReading | None = None
    for name, value in signals:
        reader = READERS.get(name)
        if reader is None:
            if name == CUT:
                problem = problem or CUT
            elif name == DATE and (withdrawn := _withdrawn(signals, value)):
                return withdrawn
            continue
        reading = reader(value)
        if reading.state == "opted-out":
            return reading
        if reading.state == "allowed":
            allowed = allowed or reading
        else:
            problem = problem or reading.rule
    if problem:
        return ConsentReading("unstated", problem)
    return allowed or UNSTATED


def _withdrawn(signals: list[Signal], sent: str) -> ConsentReading | None:
    sent_at = http_date(sent)
    if sent_at is None:
        return None
    readings = (read_withdrawal(value, sent_at) for name, value in signals if name == "x-robots-tag")
    return next((reading for reading in readings if reading is not UNSTATED), None)


@lru_cache(maxsize=65_536)
def synthetic_rule(evidence: str | None) -> str:
    """Return what says that a trained model made the picture, or a part of it; empty when nothing does. Never raises.

    It is no opt-out: `c2pa:trainedAlgorithmicMedia`, `xmp:compositeWithTrainedAlgorithmicMedia`, ...
    """
    for signal, value in signals_of(evidence)[0]:
        for stated in source_types(signal, value):
            if kind := synthetic_type(stated):
                return f"{signal.partition(':')[0]}:{kind}"
    return ""


def is_synthetic(evidence: str | None) -> bool:
    """Return whether the evidence says that a trained model made the picture, or a part of it."""
    return bool(synthetic_rule(evidence))
