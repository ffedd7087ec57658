"""What `byline trace` prints: a table a record, 80 columns wide, or JSON. What sources said is made safe to show."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from byline.catalog.text import one_line
from byline.pipelines.releases.papers.distances import distance_text
from byline.pipelines.rights.traces.release_traces import Copy, InRelease, Keeper
from byline.pipelines.rights.traces.tracing import Attempt, Kind, Statement, Trace

Line = tuple[str, str]
"""One line of a trace: a label and a text."""
COPIES = 8
"""Members of a cluster that are named; the others are counted. JSON names all."""


def json_of(kind: Kind, x: str, traces: Sequence[Trace], not_known: Sequence[str]) -> str:
    """Return everything, in ASCII, so that no terminal can be tricked by it."""
    document = {
        "looked_for": {"kind": kind, "value": x},
        "records": [asdict(trace) for trace in traces],
        "checkpoints_not_known": list(not_known),
    }
    return json.dumps(document, indent=1)


def print_traces(traces: Sequence[Trace], not_known: Sequence[str]) -> None:
    """Print a table for each record."""
    console = Console(highlight=False)
    for trace in traces:
        away = "" if trace.distance_bits is None else f" ({distance_text(trace.distance_bits, trace.view)})"
        console.rule(f"[bold]{escape(one_line(trace.record_id))}[/]{away}", align="left")
        table = Table.grid(padding=(0, 1))
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")
        for label, text in _lines(trace):
            table.add_row(label, escape(one_line(text)))
        console.print(table)
    if not_known:
        table = Table.grid(padding=(0, 1))
        for path in not_known:
            table.add_row("not known", escape(one_line(f"{path}: trained on no release that this corpus can tell of")))
        console.print(table)


def _lines(trace: Trace) -> Iterator[Line]:
    first: list[Line] = []
    for statement in trace.said:
        lines = list(_statement_lines(statement))
        if first:
            yield "also said", f"in {statement.run}"
        yield from (line for line in lines if line not in first)
        first = first or lines
    yield "pack", trace.pack
    if not trace.attempts:
        yield "picture", "never asked for"
    for attempt in trace.attempts:
        yield from _attempt(attempt)
    for fact in trace.facts:
        if fact.text is not None:
            yield "caption", f"{fact.text} ({fact.model})"
        yield "measured", f"{fact.measure}: {fact.instrument}"
    if not trace.releases:
        yield "release", "none"
    for release in trace.releases:
        yield from _release(release)


def _statement_lines(statement: Statement) -> Iterator[Line]:
    shown = [("title", statement.title), ("creator", statement.creator), ("", statement.creator_url)]
    shown += [("url", statement.url), ("page", statement.landing_url)]
    yield from ((label, text) for label, text in shown if text)
    read = statement.license
    yield "license", f"{read.spdx} (read by rule {read.rule})"
    if len(read.choices) > 1:
        yield "", f"a choice of {', '.join(read.choices)}"
    yield from (("  stated", f"{field}: {text}") for field, text in read.claims)
    yield "evidence", f"{statement.evidence_file}, {statement.evidence_place}"
    yield "  sha256", statement.evidence_sha256
    yield "  read", statement.retrieved_at or "its source does not state when it was retrieved"


def _attempt(attempt: Attempt) -> Iterator[Line]:
    error = f": {attempt.error}" if attempt.error else ""
    yield "picture", f"{attempt.outcome}{error}, {attempt.fetched_at or 'time not known'}"
    if attempt.sha256:
        yield "  sha256", attempt.sha256
    if attempt.original_width:
        yield "  size", f"{attempt.original_width}x{attempt.original_height} px, {attempt.media_type}"
    if attempt.stored_sha256:
        yield "  stored", f"{attempt.width}x{attempt.height} px, {attempt.stored_bytes or 0:,} bytes in {attempt.tar}"
        yield "", attempt.stored_sha256
    rule = f" by {attempt.consent_rule}" if attempt.consent_rule else ""
    yield "  consent", f"{attempt.consent_state}{rule}" + (f"; said: {attempt.consent}" if attempt.consent else "")


def _release(release: InRelease) -> Iterator[Line]:
    yield "release", f"{release.release}{' (newest)' if release.is_newest else ''}"
    if release.problem:
        yield "  problem", release.problem
    elif release.verdict is None:
        yield "  verdict", "none: this version judged no such record"
    else:
        verdict = release.verdict
        decision = f"admitted to {verdict.split} as {verdict.license}" if verdict.admitted else "refused"
        yield "  verdict", "; ".join([decision, *verdict.reasons])
    if release.place:
        yield "  shard", f"{release.place.shard}, sample {release.place.row}"
    if keeper := release.keeper:
        yield "  keeper", f"{keeper.record_id}, {_distance(keeper)}"
        yield "", keeper.sha256
    for copy in release.stands_for[:COPIES]:
        yield "  keeps", f"{copy.record_id} ({copy.license}), {_distance(copy)}"
    if len(release.stands_for) > COPIES:
        yield "", f"and {len(release.stands_for) - COPIES:,} more"
    for sighting in release.seen_by:
        yield "  seen", f"{_times(sighting.times_seen)} in {sighting.images_seen:,} images: {sighting.checkpoint}"


def _distance(other: Keeper | Copy) -> str:
    return distance_text(other.distance_bits, other.view, other.cosine)


def _times(number: int) -> str:
    return {0: "never", 1: "once"}.get(number, f"{number:,} times")
