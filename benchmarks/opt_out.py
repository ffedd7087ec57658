"""Opt-outs: our reading and img2dataset's parser on the conformance table, and headers a second.

python -m benchmarks.opt_out
"""

import io
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from email.message import Message
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.side_by_side import ROUNDS, write_section
from byline.catalog.consent import AGENT, OPT_OUTS, consent_evidence, is_synthetic, read_consent
from byline.pictures.stated import embedded_signals
from tests.consent_cases import Case, load_cases

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from img2dataset.downloader import is_disallowed

NUM_HEADERS = 50_000
THEIRS = ("noai", "noimageai", "noindex", "noimageindex")
"""img2dataset's default `disallowed_header_directives`."""
NOT_LOOKED_AT = "not looked at"
KINDS = {
    "headers": "headers",
    "robots.txt": "robots.txt",
    "tdmrep.json": "tdmrep.json",
    "xmp": "XMP",
    "c2pa": "C2PA, CAWG",
    "origin": "digital source type",
}


def our_answer(case: Case) -> str:
    """Return the state and rule that we read."""
    evidence = case.evidence
    if case.kind == "origin":
        return "synthetic" if is_synthetic(evidence) else "not-synthetic"
    reading = read_consent(evidence)
    return f"{reading.state} {reading.rule}"


def _expected(case: Case) -> str:
    return case.state if case.kind == "origin" else f"{case.state} {case.rule}"


def says_no(case: Case, directives: Iterable[str]) -> bool:
    """Return whether img2dataset's parser calls the headers of a row an opt-out."""
    return bool(is_disallowed(message_of(case.headers), AGENT, set(directives)))


def message_of(headers: Iterable[tuple[str, str]]) -> Message:
    """Return the headers as urllib hands them to img2dataset."""
    message = Message()
    for name, value in headers:
        message[name] = value
    return message


def withdrawn_rows(cases: Sequence[Case]) -> int:
    """Return how many opt-outs are by `unavailable_after`."""
    return sum(case.rule == "x-robots-tag:unavailable_after" for case in cases)


def _is_of_robots_tag(case: Case) -> bool:
    return case.kind == "headers" and "x-robots-tag" in {name.lower() for name, _ in case.headers}


def conformance(cases: Sequence[Case]) -> str:
    """Return the table of how many rows each gets wrong. An opt-out or not is all that img2dataset's parser answers."""
    lines = [
        "| said in | rows | opt-outs among them | ours wrong | img2dataset wrong | the same, told our directives |",
        "|:--|---:|---:|---:|---:|---:|",
    ]
    groups = {"X-Robots-Tag": [case for case in cases if _is_of_robots_tag(case)]}
    groups["other headers"] = [case for case in cases if case.kind == "headers" and not _is_of_robots_tag(case)]
    groups |= {
        shown: [case for case in cases if case.kind == kind] for kind, shown in KINDS.items() if kind != "headers"
    }
    totals: Counter[str] = Counter()
    for shown, rows in groups.items():
        wrong = sum(our_answer(case) != _expected(case) for case in rows)
        num_noes = sum(case.state == "opted-out" for case in rows)
        theirs = [
            _wrong(rows, directives) if shown == "X-Robots-Tag" else NOT_LOOKED_AT for directives in (THEIRS, OPT_OUTS)
        ]
        lines.append(f"| {shown} | {len(rows)} | {num_noes} | {wrong} | {' | '.join(theirs)} |")
        totals += Counter(rows=len(rows), noes=num_noes, wrong=wrong)
    lines.append(f"| all | {totals['rows']} | {totals['noes']} | {totals['wrong']} | | |")
    return "\n".join(lines)


def _wrong(rows: Sequence[Case], directives: Iterable[str]) -> str:
    missed = sum(case.state == "opted-out" and not says_no(case, directives) for case in rows)
    invented = sum(case.state != "opted-out" and says_no(case, directives) for case in rows)
    return f"{missed + invented} ({missed} opt-outs missed, {invented} invented)"


def rates(cases: Sequence[Case]) -> str:
    """Return headers a second of both: equal lines as they come from one server, and lines that are all different."""
    lines = [value for case in cases if _is_of_robots_tag(case) for name, value in case.headers if value and name]
    equal = [lines[index % len(lines)] for index in range(NUM_HEADERS)]
    different = [f"{line}, max-snippet: {index}" for index, line in enumerate(equal)]
    shown = []
    for words, headers in (("equal lines, each remembered", equal), ("all lines different", different)):
        evidence = [consent_evidence([("x-robots-tag", line)]) for line in headers]
        messages = [message_of([("X-Robots-Tag", line)]) for line in headers]
        ours, theirs = _seconds(
            lambda evidence=evidence: [read_consent(entry) for entry in evidence],  # type: ignore[misc]
            lambda messages=messages: [is_disallowed(message, AGENT, set(THEIRS)) for message in messages],  # type: ignore[misc]
        )
        shown.append(
            f"{words} {NUM_HEADERS / median(ours):,.0f}/s ({NUM_HEADERS / max(ours):,.0f} to "
            f"{NUM_HEADERS / min(ours):,.0f}), img2dataset {NUM_HEADERS / median(theirs):,.0f}/s"
        )
    return "; ".join(shown)


def _seconds(*arms: Callable[[], object]) -> list[list[float]]:
    """Time the arms in turn. What was read is forgotten before each round, so that each different line is read once."""
    times: list[list[float]] = [[] for _ in arms]
    for _ in range(ROUNDS):
        for seconds, work in zip(times, arms, strict=True):
            read_consent.cache_clear()
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
    return times


def look() -> str:
    """Return what looking into a picture costs that says nothing."""
    noise = np.random.default_rng(0).integers(0, 256, (660, 850, 3), dtype=np.uint8)
    sink = io.BytesIO()
    Image.fromarray(noise).save(sink, "JPEG", quality=58)
    data = sink.getvalue()
    [seconds] = _seconds(lambda: [embedded_signals(data) for _ in range(200)])
    return f"a JPEG of {len(data) / 1e3:.0f} kB without XMP or C2PA: {median(seconds) / 200 * 1e3:.3f} ms"


if __name__ == "__main__":
    table = load_cases()
    write_section(
        "Opt-outs",
        "python -m benchmarks.opt_out",
        "The rows of `tests/catalog/consent.tsv`: headers and files as text, pictures made and signed for the purpose. "
        "Ours is wrong where the state or the rule is another than the table's. img2dataset 1.47's `is_disallowed` "
        "answers opted out or not, of X-Robots-Tag alone, so that alone is asked of it: with its default directives, "
        f"and with ours. Of what it misses, {withdrawn_rows(table)} are rows of `unavailable_after`, which it does not "
        "claim to read.\n\n"
        + conformance(table)
        + f"\n\nLines of X-Robots-Tag read from evidence: {rates(table)}. Embedded signals of {look()}.",
    )
