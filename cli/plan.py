"""byline plan"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from byline.catalog.bars import bar
from byline.cli.plan_cluster import cluster_lines
from byline.cli.verb import say, size_of

if TYPE_CHECKING:
    from byline.pipelines.rights.plans.caption_costs import CaptionRate
    from byline.pipelines.rights.plans.plan_report import Plan

SOURCE_TEXT = "source-text"
MOST_ROWS = 12
"""Most rows of a table that the terminal shows; the JSON has all of them."""


def plan(
    config: Annotated[str, typer.Argument(help="A corpus config, such as configs/corpora/demo.toml.")],
    policy: Annotated[str | None, typer.Option(help="The new policy; by default the one that CONFIG names.")] = None,
    on: Annotated[str | None, typer.Option(help="What captions: a device of configs/hardware/captions.toml.")] = None,
    images_per_s: Annotated[float | None, typer.Option(help="Pictures that it captions in a second.")] = None,
    price: Annotated[float | None, typer.Option(help="What it costs, in dollars an hour.")] = None,
    cluster: Annotated[int | None, typer.Option(min=1, help="Hours and cost on so many workers.")] = None,
    records: Annotated[int | None, typer.Option(min=1, help="With --cluster: so many records like these too.")] = None,
    hardware: Annotated[
        str | None, typer.Option(help="With --cluster: a table like cluster.toml of configs/hardware.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole plan as JSON.")] = False,
) -> None:
    """Say what a build under a policy would change: by license, source, creator and reason; shards, bytes, captions.

    Compared is with the newest release that CONFIG names. Nothing is written. The keys of --json, which stay: before,
    policy_before, policy (version and digests), sources, is_exact, is_empty, counts_before, counts, licenses,
    admitted_by_source, reasons_before, reasons, added, removed, promoted, relicensed, moved, creators, to_fetch,
    to_fetch_again, to_caption, captions, to_measure, latents, shards.

    How long captions take is told at the rate of --on or --images-per-s, else at that of the corpus' last build.
    --cluster tells what a build and latents take on so many workers, from what earlier builds took: docs/cost.md. In
    --json it is `cluster`, beside the keys of the plan.

    Example: byline plan configs/corpora/demo.toml --policy configs/policies/public-domain.toml
    """
    import json

    from byline.cli.corpus import leave_pandas_out

    leave_pandas_out()

    from byline.pipelines.corpora.config import check_measured, load_corpus_config, load_policy
    from byline.pipelines.rights.plans.caption_costs import find_rate
    from byline.pipelines.rights.plans.clusters.cluster_plan import plan_cluster
    from byline.pipelines.rights.plans.clusters.prices import read_prices
    from byline.pipelines.rights.plans.planning import make_plan

    made, rules = load_corpus_config(config)
    if policy is not None:
        rules = load_policy(policy, [source.name for source in made.sources])
        check_measured(made, rules, policy)
    rates = {
        by.instrument: find_rate(on, by.instrument, made.store, images_per_s=images_per_s, usd_per_hour=price)
        for by in made.instruments.captioners
    }
    with bar() as progress:
        task = progress.add_task("plan", total=None)
        new_plan = make_plan(made, rules, lambda more: progress.advance(task, more))
    on_cluster = None
    if cluster is not None:
        on_cluster = plan_cluster(made, new_plan, rates, workers=cluster, records=records, prices=read_prices(hardware))
    if as_json:
        more = {"cluster": on_cluster.model_dump(mode="json")} if on_cluster else {}
        print(json.dumps({**new_plan.model_dump(mode="json"), **more}, indent=1, sort_keys=True))
        return
    console = Console(highlight=False, emoji=False)
    show(new_plan, console, rates)
    for line in cluster_lines(on_cluster) if on_cluster else ():
        say(console, line)


def show(plan: "Plan", console: Console, rates: "Mapping[str, CaptionRate | None]" = MappingProxyType({})) -> None:
    """Draw a plan for a terminal of 80 columns."""
    compared = f"release {plan.name} {plan.before}" if plan.before else f"no release {plan.name} yet"
    console.print(f"Policy {plan.policy[:16]}, compared with {_safe(compared)}. Nothing was written.")
    for source, state in plan.sources.items():
        if state != "as ingested":
            console.print(f"[yellow]Source {_safe(source)}: {state}.[/]")
    if plan.is_empty:
        console.print("[bold red]Nothing would be left: byline build would make no release.[/]")
    for table in _tables(plan):
        if table.row_count:
            console.print()
            console.print(table)
    console.print()
    for line in [*_costs(plan), *_captions(plan, rates)]:
        console.print(line)


def _tables(plan: "Plan") -> Iterable[Table]:
    counts = Table("", "before", "after", box=None, title="records", title_justify="left")
    for name, number in plan.counts.items():
        counts.add_row(name, _number(plan.counts_before.get(name)), _number(number))
    yield _right(counts)
    columns = {"added": plan.added, "removed": plan.removed}
    for title, field in (("by license", "by_license"), ("by source", "by_source")):
        sides = {name: getattr(change, field) for name, change in columns.items()}
        yield _groups(title, {**sides, "to fetch": getattr(plan.to_fetch, field)})
    yield _groups("removed, because", {"records": plan.removed.by_reason})
    yield _groups("added, no longer refused by", {"records": plan.added.by_reason})
    yield _groups("license changed", {"records": plan.relicensed})
    yield _groups("split changed", {"records": plan.moved})
    names = [f"{who.creator or 'creator not stated'} ({who.source})" for who in plan.creators]
    added, removed = ([getattr(who, side) for who in plan.creators] for side in ("added", "removed"))
    yield _rows("creators", {"added": added, "removed": removed}, names)


def _groups(title: str, columns: Mapping[str, Mapping[str, int]]) -> Table:
    """Make a table of counts, most changed first."""
    keys = {key for counts in columns.values() for key in counts}
    ordered = sorted(keys, key=lambda key: (-sum(counts.get(key, 0) for counts in columns.values()), key))
    return _rows(title, {name: [counts.get(key, 0) for key in ordered] for name, counts in columns.items()}, ordered)


def _rows(title: str, columns: Mapping[str, list[int]], names: list[str]) -> Table:
    more = len(names) - MOST_ROWS
    title = f"{title} ({more} more in --json)" if more > 0 else title
    table = Table("", *columns, box=None, title=title, title_justify="left")
    for name, numbers in list(zip(names, zip(*columns.values(), strict=True), strict=True))[:MOST_ROWS]:
        table.add_row(_safe(name), *(_number(number or None) for number in numbers))
    return _right(table)


def _right(table: Table) -> Table:
    table.title_style = "bold"
    table.columns[0].overflow, table.columns[0].max_width = "ellipsis", 44
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _costs(plan: "Plan") -> Iterable[str]:
    shards = plan.shards
    images = f"{plan.added.images:,} images added, {plan.removed.images:,} removed"
    yield f"{images}; {plan.promoted:,} take the place of a copy."
    stay = f"{shards.kept + shards.found:,} stay ({size_of(shards.bytes_kept)})"
    copied = f", {size_of(shards.bytes_copied)} of it copied" if shards.bytes_copied else ""
    yield (
        f"Shards: {shards.written:,} to write ({size_of(shards.bytes_to_write)}{copied}), {stay}, "
        f"{shards.dropped:,} no longer listed."
    )
    yield f"To fetch: {plan.to_fetch.records:,} pictures, and {plan.to_fetch_again:,} to ask for again."
    yield f"To make: {plan.to_caption.records:,} captions, {plan.to_measure:,} measures."
    for instrument, number in plan.latents.items():
        yield f"Latents to make: {number:,} by {_safe(instrument)}."
    if not plan.latents:
        yield f"Latents to make: all {plan.counts['train']:,}; the corpus has none."
    if not plan.is_exact:
        yield "What is yet to be ingested, fetched, measured or captioned is judged by the build, and not counted here."


def _captions(plan: "Plan", rates: "Mapping[str, CaptionRate | None]") -> Iterable[str]:
    """Say how long the captions take that are missing; those of source text take no time."""
    for instrument, number in plan.captions.items():
        if instrument.startswith(f"{SOURCE_TEXT}-"):
            continue
        if (rate := rates.get(instrument)) is None:
            yield f"{number:,} by {_safe(instrument)}: --on or --images-per-s tells the hours."
            continue
        hours = rate.hours(number)
        price = f", ${hours * rate.usd_per_hour:,.2f} ({_safe(rate.price_from)})" if rate.usd_per_hour else ""
        yield (
            f"{number:,} by {_safe(instrument)}: {hours:,.2f} hours of {_safe(rate.name)}, {rate.images_per_s:,.2f} a "
            f"second ({_safe(rate.images_from)}){price}."
        )


def _number(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _safe(text: str) -> str:
    """Return a source's words as they may be shown in a terminal."""
    from byline.catalog.text import one_line

    return escape(one_line(text))
