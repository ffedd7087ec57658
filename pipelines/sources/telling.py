"""What is told of sources, in lines: rows that could not be read, and what is in them and not used."""

from collections.abc import Iterator, Mapping, Sequence

from byline.catalog.corpora.manifest import Release
from byline.pipelines.sources.notes import Unread, not_used_of, unread_of

NUM_REASONS = 8
NUM_NAMES = 20


def source_lines(release: Release, anew: Sequence[str]) -> Iterator[str]:
    """Yield what could not be read and, of the sources that a build read `anew`, what is in them and not used."""
    for unread in unread_of(release):
        yield from unread_lines(unread)
    for source, names in not_used_of(release, anew).items():
        yield f"source {source}: {not_used_line(names)}"


def unread_lines(unread: Unread) -> list[str]:
    """Return the first rows that could not be read with place and problem, a count by reason, and where all are."""
    rows = "row" if unread.num_rows == 1 else "rows"
    lines = [f"source {unread.source}: {unread.num_rows:,} {rows} could not be read"]
    lines += [f"  {row.place}: {row.problem}" for row in unread.first]
    if unread.num_rows > len(unread.first):
        counted = list(unread.reasons.items())
        lines.append("  by reason:")
        lines += [f"  {number:>9,}  {reason}" for reason, number in counted[:NUM_REASONS]]
        if rest := sum(number for _, number in counted[NUM_REASONS:]):
            lines.append(f"  {rest:>9,}  for {len(counted) - NUM_REASONS} other reasons")
    return [*lines, f"  all of them are in {unread.listed}"]


def not_used_line(names: Mapping[str, str]) -> str:
    """Return which names are not used, those that come near a field first, and how they would be."""
    ordered = sorted(names, key=lambda name: not names[name])
    shown = [f"{name} (nearest: {names[name]})" if names[name] else name for name in ordered[:NUM_NAMES]]
    more = f", and {len(ordered) - NUM_NAMES} more" if len(ordered) > NUM_NAMES else ""
    near = [name for name in ordered if names[name]]
    hint = f'; to use one: columns = {{ {names[near[0]]} = "{near[0]}" }}' if near else ""
    return f"in it and not used: {', '.join(shown)}{more}{hint}"
