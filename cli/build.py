"""byline build"""

from math import floor
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from byline.cli.verb import say

if TYPE_CHECKING:
    from byline.pipelines.facts.attempts import AskAgain


def build(
    config: Annotated[str, typer.Argument(help="A corpus config, such as configs/corpora/demo.toml.")],
    beam: Annotated[list[str] | None, typer.Argument(help="After --: options for Apache Beam.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes of this machine.")] = 2,
    workers_within: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="With --runner: how long the first worker may take.")
    ] = 60.0,
    coordinator: Annotated[
        str | None,
        typer.Option(
            metavar="HOST[:PORT]",
            help="With --runner: how workers reach this machine, which keeps hosts' limits for all.",
        ),
    ] = None,
    ask_again: Annotated[
        str | None,
        typer.Option(
            metavar="OUTCOME[,OUTCOME]", help="Ask once more for pictures of these outcomes, settled ones too."
        ),
    ] = None,
    source: Annotated[list[str] | None, typer.Option(help="With --ask-again: only of this source.")] = None,
    host: Annotated[list[str] | None, typer.Option(help="With --ask-again: only of this host.")] = None,
) -> None:
    """Build a corpus and its release: ingest, judge, fetch, measure, dedup, caption, judge, release.

    Only what is not done yet is done. What follows -- goes to Apache Beam, so that another runner needs no change.
    After an outage, --ask-again asks at once for what a later build would ask for, and for what was settled.

    Example: byline build configs/corpora/demo.toml --workers 2

    Example: byline build big.toml -- --runner=PortableRunner --job_endpoint=host:8073

    Example: byline build big.toml --ask-again unreachable,http-error --host images.example.org
    """
    from byline.cli.corpus import leave_pandas_out

    leave_pandas_out()

    from byline.pipelines.beam.build import build as run_build
    from byline.pipelines.beam.build import last_record
    from byline.pipelines.releases.outcomes import READ_ANEW
    from byline.pipelines.sources.telling import source_lines

    console = Console(stderr=True)
    named = _named(config, ask_again, source or [], host or [])
    release = run_build(
        config,
        workers=workers,
        beam_args=beam or (),
        workers_within_s=workers_within,
        coordinator=coordinator,
        console=console,
        ask_again=named,
    )
    record = last_record(release.store)
    console.print(_outcomes(record))
    if message := _may_pass(record):
        console.print(message, highlight=False, soft_wrap=True)
    counts, reasons = release.manifest.counts, release.manifest.reasons
    table = Table("refused because", "records", box=None)
    for reason, number in sorted(reasons.items(), key=lambda item: -item[1])[:12]:
        table.add_row(reason, f"{number:,}")
    if reasons:
        console.print(table)
    console.print(
        f"{counts['admitted']:,} of {counts['records']:,} records admitted "
        f"({counts['train']:,} to train on, {counts['heldout']:,} held out); every reason is in verdicts/",
        highlight=False,
    )
    console.print(_searched(**record["duplicates"]), highlight=False)
    anew = [name.removeprefix(READ_ANEW) for name in record["done"] if name.startswith(READ_ANEW)]
    for line in source_lines(release, anew):
        say(console, line)
    print(release.store.url(release.path))


def _named(config: str, outcomes: str | None, sources: list[str], hosts: list[str]) -> "AskAgain | None":
    """Return what --ask-again, --source and --host name. Raises `ConfigError` for what there is not."""
    from byline.catalog.errors import ConfigError
    from byline.pipelines.corpora.config import load_corpus_config
    from byline.pipelines.facts.attempts import read_ask_again

    if outcomes is None:
        if sources or hosts:
            raise ConfigError("--source and --host say which pictures --ask-again means; name an outcome with it")
        return None
    known = [source.name for source in load_corpus_config(config)[0].sources]
    return read_ask_again(outcomes, sources, hosts, known_sources=known)


def _may_pass(record: dict[str, Any]) -> str | None:
    """Say what becomes of the pictures that were not had and may be had yet."""
    from byline.catalog.corpora.packs import MAX_ATTEMPTS, TRANSIENT

    counted = {outcome for counts in record["outcomes"].values() for outcome in counts}
    if not (may_pass := sorted(counted & set(map(str, TRANSIENT)))):
        return None
    return (
        f"{', '.join(may_pass)}: later builds ask again, {MAX_ATTEMPTS} times in all and with hours between; "
        f"this asks now: byline build CONFIG --ask-again {','.join(may_pass)}"
    )


def _searched(radius_bits: int, promised_recall: float) -> str:
    """Say what the search for copies promises at the radius of the policy; a share is rounded down."""
    share = (
        "every pair" if promised_recall == 1 else f"at least {floor(promised_recall * 10_000) / 10_000} of all pairs"
    )
    return f"{share} of hashes up to {radius_bits} bits apart was found"


def _outcomes(record: dict[str, Any]) -> Table:
    """Return a table of what became of every row of the sources, and of what was odd about new pictures."""
    from byline.pipelines.releases.outcomes import ODD

    table = Table("source", "outcome", "rows", box=None)
    table.columns[2].justify = "right"
    for source, counts in record["outcomes"].items():
        for outcome, number in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            table.add_row(source, outcome, f"{number:,}")
    for name, number in record["done"].items():
        if name.startswith(ODD):
            table.add_row("of new pictures", name.removeprefix(ODD), f"{number:,}")
    return table
