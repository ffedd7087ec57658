"""byline recheck"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from byline.catalog.bars import bar

if TYPE_CHECKING:
    from byline.pipelines.rights.recheck.running import Rechecked


def recheck(
    release: Annotated[str, typer.Argument(help="<corpus>/releases/<name>, or with /<version>.")],
    budget: Annotated[int, typer.Option(help="Requests at most.")] = 10_000,
    older_than: Annotated[int, typer.Option(min=0, help="Days since a picture was looked at last.")] = 7,
    rate_per_s: Annotated[
        float | None,
        typer.Option(help="Requests to one host in a second, where the corpus config allows more."),
    ] = None,
    api: Annotated[
        list[str] | None,
        typer.Option(help="SOURCE=URL of the API that says which license a source states now; Commons, Openverse."),
    ] = None,
) -> None:
    """Find what was removed, opted out, relicensed or changed since it was fetched; what the next build applies.

    Pictures that were never looked at come first, then the oldest look. What was found is kept in rechecks/, so that a
    sweep that was stopped goes on where it was. Each request, redirects included, counts for the budget. Hosts are
    asked as the last build asked them; of a host that answers 429 nothing is found, its pictures stay due.

    Example: byline recheck demo/corpus/releases/demo --budget 1000

    Example: byline recheck big/releases/big --api commons=https://commons.wikimedia.org/w/api.php
    """
    import asyncio
    from datetime import timedelta

    from byline.cli.corpus import leave_pandas_out

    leave_pandas_out()

    from byline.catalog.corpora.manifest import in_corpus
    from byline.pipelines.rights.recheck.running import recheck as run_recheck

    opened, console = in_corpus(release), Console(stderr=True)
    bases = dict(_base(text) for text in api or ())
    with bar(console=console) as progress:

        def begin(total: int) -> Callable[[int], None]:
            task = progress.add_task("recheck", total=total)
            return lambda more: progress.advance(task, more)

        try:
            done = run_recheck(
                opened,
                budget=budget,
                older_than=timedelta(days=older_than),
                bases=bases,
                rate_per_s=rate_per_s,
                begin=begin,
            )
        except asyncio.CancelledError:  # SIGTERM: as Ctrl-C
            raise KeyboardInterrupt from None
    _show(done, console)
    print(opened.store.url(done.path))


def _base(text: str) -> tuple[str, str]:
    from byline.catalog.errors import ConfigError

    source, is_pair, base = text.partition("=")
    if not is_pair or not source or not base:
        raise ConfigError(f"--api takes SOURCE=URL, got {text!r}")
    return source, base


def _show(done: "Rechecked", console: Console) -> None:
    swept, delta = done.swept, done.delta
    table = Table("finding", "now", "of all pictures", box=None)
    for name in sorted({*swept.findings, *delta["findings"]}):
        table.add_row(name, f"{swept.findings[name]:,}", f"{delta['findings'].get(name, 0):,}")
    console.print(table)
    outcomes = ", ".join(f"{name} {number:,}" for name, number in sorted(swept.outcomes.items()))
    left = swept.num_due - swept.num_checked
    console.print(
        f"{swept.num_checked:,} of {swept.num_due:,} pictures that were due looked at by {swept.num_requests:,} "
        f"requests ({outcomes or 'none'}); {left:,} are left"
        + (f"; {done.num_held:,} are files of this machine, of which nobody is asked" if done.num_held else ""),
        highlight=False,
    )
    counts = {name: len(delta[name]) for name in ("removed", "opted-out", "relicensed", "changed")}
    console.print(
        f"{', '.join(f'{number:,} {name}' for name, number in counts.items())}; the policy decides which of them go: "
        "see byline plan CONFIG, and run byline build CONFIG to apply",
        highlight=False,
    )
