"""byline diff"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from byline.pipelines.rights.plans.differences import Change, CreditChange, Difference, Group, Moved

FIRST = 20
"""How many entries of each kind the terminal shows unless all are asked for."""


def diff(
    a: Annotated[str, typer.Argument(help="A release: <corpus>/releases/<name>, or with /<version>.")],
    b: Annotated[str, typer.Argument(help="Another one, of the same corpus or of another.")],
    everything: Annotated[bool, typer.Option("--all", help=f"Show all, not the first {FIRST} of each kind.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Say what release B has and A has not: images and records with reasons, licenses, sources, credits.

    The keys of --json, which stay: a, b, added, removed, relicensed, resplit, rekept, images_added, images_removed,
    by_license, by_source, credits.

    Example: byline diff demo/corpus/releases/demo/0123456789abcdef demo/corpus/releases/demo
    """
    import json

    from byline.catalog.corpora.manifest import Release
    from byline.pipelines.rights.plans.differences import difference

    changes = difference(Release(a), Release(b))
    if as_json:
        print(json.dumps(changes.model_dump(mode="json"), indent=1, sort_keys=True))
    else:
        show(changes, Console(highlight=False, emoji=False), None if everything else FIRST)


def show(difference: "Difference", console: Console, first: int | None) -> None:
    """Print a difference, `first` of each kind; whatever a source said is made safe."""
    console.print(f"A {difference.a}")
    console.print(f"B {difference.b}")
    for title, groups in (("by license", difference.by_license), ("by source", difference.by_source)):
        if groups:
            console.print()
            console.print(_counts(title, groups))
    images = (("images added", difference.images_added), ("images removed", difference.images_removed))
    records = (("records added", difference.added), ("records removed", difference.removed))
    for title, moved in (*images, *records):
        _list(console, title, [_moved(entry, title.startswith("images")) for entry in moved], first)
    for title, changes in (
        ("license changed", difference.relicensed),
        ("split changed", difference.resplit),
        ("copies of another keeper", difference.rekept),
    ):
        _list(console, title, [_change(change) for change in changes], first)
    _list(console, "credits changed", [_credit(credit) for credit in difference.credits], first)


def _counts(title: str, groups: "dict[str, Group]") -> Table:
    table = Table("", "A", "B", "added", "removed", box=None, title=f"images {title}", title_justify="left")
    table.title_style = "bold"
    for column in table.columns[1:]:
        column.justify = "right"
    for name, group in groups.items():
        numbers = (group.a, group.b, group.added, group.removed)
        table.add_row(_safe(name), *(f"{number:,}" if number else "" for number in numbers))
    return table


def _list(console: Console, title: str, lines: Sequence[str], first: int | None) -> None:
    console.print(f"\n[bold]{title}: {len(lines):,}[/]" if lines else f"\n{title}: 0")
    for line in lines[:first]:
        console.print(f"  {line}", soft_wrap=True)
    if first is not None and len(lines) > first:
        console.print(f"  and {len(lines) - first:,} more; --all shows them")


def _moved(moved: "Moved", is_image: bool) -> str:
    named = f"{moved.sha256[:16]} {_safe(moved.record_id)}" if is_image else _safe(moved.record_id)
    return f"{named} {_safe(moved.license)}: {_safe(', '.join(moved.reasons))}"


def _change(change: "Change") -> str:
    return f"{_safe(change.record_id)}: {_safe(change.a)} -> {_safe(change.b)}"


def _credit(change: "CreditChange") -> str:
    return f"{change.sha256[:16]} {change.part}: {_safe(change.a)} -> {_safe(change.b)}"


def _safe(text: str | None) -> str:
    """Return a source's words as they may be shown in a terminal."""
    from byline.catalog.text import one_line

    return "none" if text is None else escape(one_line(text))
