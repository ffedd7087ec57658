"""byline takedown"""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from byline.catalog.bars import bar
from byline.catalog.disk import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from byline.catalog.disk.storage import Store
    from byline.pipelines.rights.takedown.receipts import Receipt
    from byline.pipelines.rights.takedown.selecting import Request, Selection

app = typer.Typer(
    no_args_is_help=True,
    help="Take a picture out of a corpus and of every release of it, provably, and keep it out.",
)
Corpus = Annotated[str | None, typer.Option(help="A folder or an fsspec URL; by default the only corpus here.")]
Records = Annotated[list[str] | None, typer.Option("--record", help="A record's id. All of these can be repeated.")]
Urls = Annotated[list[str] | None, typer.Option("--url", help="URL of a picture, or of the page that shows it.")]
Creators = Annotated[list[str] | None, typer.Option("--creator", help="Name or page of a creator: all their pictures.")]
Exactly = Annotated[bool, typer.Option("--exactly", help="Of --creator: take the name as it is; do not ask which.")]
Domains = Annotated[list[str] | None, typer.Option("--domain", help="All pictures from this host and those below it.")]
Sha256s = Annotated[list[str] | None, typer.Option("--sha256", help="Of a picture's bytes, as fetched or as stored.")]
Pictures = Annotated[list[str] | None, typer.Option("--picture", help="A file: this picture, and what looks like it.")]
Radius = Annotated[
    int, typer.Option(help="Copies to take too: greatest distance of their hashes in bits; 0: equal ones.")
]
Views = Annotated[
    bool, typer.Option("--views/--no-views", help="Take and deny copies too that are mirrored, turned or framed.")
]
Runs = Annotated[list[str] | None, typer.Option("--run", help="Folder of a training run; by default every run here.")]
Page = Annotated[str, typer.Option(help="Where to write the page to look at before; apply deletes it at the end.")]


@app.command()
def find(
    corpus: Corpus = None,
    record: Records = None,
    url: Urls = None,
    creator: Creators = None,
    exactly: Exactly = False,
    domain: Domains = None,
    sha256: Sha256s = None,
    picture: Pictures = None,
    radius: Radius = 12,
    views: Views = True,
    run: Runs = None,
    page: Page = "takedown.html",
) -> None:
    """Show what a takedown would remove, with its copies, and write a page to look at. Nothing is removed.

    Example: byline takedown find --url https://example.org/a.jpg
    """
    from byline.cli.corpus import find_corpus
    from byline.pipelines.rights.takedown.creators import chosen_creators

    store = find_corpus(corpus)
    creators = chosen_creators(store, creator or (), exactly=exactly, ask=_asker())
    request = _request(record, url, creators, domain, sha256, picture, radius, views=views)
    _show(store, request, _select(store, request), run, page)


@app.command()
def apply(
    corpus: Corpus = None,
    record: Records = None,
    url: Urls = None,
    creator: Creators = None,
    exactly: Exactly = False,
    domain: Domains = None,
    sha256: Sha256s = None,
    picture: Pictures = None,
    radius: Radius = 12,
    views: Views = True,
    run: Runs = None,
    page: Page = "takedown.html",
    pages: Annotated[
        bool, typer.Option("--pages", help="Delete too what byline wrote elsewhere that shows it: pages, reports.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove pictures from packs, facts, shards and every release, publish the releases anew, and write a receipt.

    What is removed is denied from then on, whatever source offers it. What has it elsewhere is named. Killed at any
    moment and run again, with any arguments or none, it completes what was begun.

    Example: byline takedown apply --record commons:M42 --yes
    """
    from byline.catalog.corpora.corpus import owned
    from byline.cli.corpus import find_corpus
    from byline.pipelines.rights.takedown.apply import begin, is_pending
    from byline.pipelines.rights.takedown.creators import chosen_creators
    from byline.pipelines.rights.takedown.near_by import near_by
    from byline.reports.takedown_cases import exposures_of

    store = find_corpus(corpus)
    with owned(store):
        asked = any((record, url, creator, domain, sha256, picture))
        if is_pending(store):
            _say("completing the takedown that was begun")
            _complete(store, page, deletes=pages)
            if not asked:
                return
        creators = chosen_creators(store, creator or (), exactly=exactly, ask=None if yes else _asker())
        request = _request(record, url, creators, domain, sha256, picture, radius, views=views)
        selection = _select(store, request)
        _show(store, request, selection, run, page)
        if not yes:
            _ask(selection, page)
        begin(store, request, selection, exposures_of(run, store), near_by(store))
        _complete(store, page, deletes=pages)


@app.command()
def check(
    corpus: Corpus = None,
    receipt: Annotated[list[str] | None, typer.Option(help="Id of a takedown; by default all of them.")] = None,
    picture: Pictures = None,
) -> None:
    """Read every byte of a corpus, decoded too, and prove that no run of bytes of what was removed is left.

    The receipts are held against their seals. Exits with 1 when something is left, or a file could not be read.

    Example: byline takedown check --corpus demo/corpus
    """
    from rich.progress import TextColumn, TransferSpeedColumn

    from byline.catalog.text import one_line
    from byline.cli.corpus import find_corpus
    from byline.pipelines.rights.takedown.checking import check_corpus

    store = find_corpus(corpus)
    files = {path: Path(path).read_bytes() for path in picture or ()}
    counts, num_bytes = Counter[str](), 0
    columns = [TextColumn("{task.description}"), TransferSpeedColumn()]
    with bar(*columns) as progress:
        task = progress.add_task("check", total=None)

        def advance(path: str, more: int) -> None:
            nonlocal num_bytes
            num_bytes += more
            progress.update(task, advance=more, description=escape(one_line(path))[:60])

        for hit in check_corpus(store, receipt or (), files, advance):
            counts[hit.kind] += 1
            if hit.kind != "shared":
                print(one_line(f"{hit.kind}: {hit.where}: {hit.problem or f'{hit.num_windows:,} runs of 64 bytes'}"))
    shared, more = counts["shared"], f"; {counts['unread']:,} files could not be read, of which nothing is shown"
    noted = f"; {shared:,} places in kept pictures hold the same bytes as their own" if shared else ""
    noted += more if counts["unread"] else ""
    if counts["left"]:
        print(f"{counts['left']:,} places in {store.root} hold bytes of what was removed{noted}")
    else:
        result = "nothing is left" if not counts["unread"] else "nothing was found in what could be read"
        read = f"{num_bytes:,} bytes read, every run of 127 bytes or more compared"
        print(f"{result} in {store.root}: {read}{noted}")
    if counts["left"] or counts["unread"]:
        raise typer.Exit(1)


def _asker() -> "Callable[[str], str] | None":
    """Return what asks a question and returns the answer; none where nobody is there to answer."""
    return (lambda question: str(typer.prompt(question, err=True))) if sys.stdin.isatty() else None


def _request(
    records: list[str] | None,
    urls: list[str] | None,
    creators: "Sequence[str]",
    domains: list[str] | None,
    sha256s: list[str] | None,
    pictures: list[str] | None,
    radius: int,
    *,
    views: bool,
) -> "Request":
    from byline.pipelines.rights.takedown.selecting import Request

    return Request(
        records=tuple(records or ()),
        urls=tuple(urls or ()),
        creators=tuple(creators),
        domains=tuple(domains or ()),
        sha256s=tuple(sha256s or ()),
        pictures=tuple(pictures or ()),
        radius_bits=radius,
        views=views,
    )


def _select(store: "Store", request: "Request") -> "Selection":
    from byline.catalog.corpora.corpus import read_settings
    from byline.catalog.errors import CorpusError
    from byline.pipelines.rights.takedown.selecting import select

    pixels = read_settings(store).get("pixels")
    if pixels is None:
        raise CorpusError(f"{store.url(layout.CORPUS_FILE)} is missing: it says how pictures were stored; restore it")
    return select(store, request, pixels)


def _show(store: "Store", request: "Request", selection: "Selection", runs: list[str] | None, page: str) -> None:
    from rich.table import Table

    from byline.catalog.corpora.written import note_written
    from byline.catalog.text import one_line
    from byline.pipelines.rights.takedown.own_page import PAGE_TITLE, require_own
    from byline.pipelines.rights.takedown.page import review_page
    from byline.reports.takedown_cases import cases_of

    table = Table("record", "why", "copy of", box=None)
    for victim in selection.victims[:20]:
        table.add_row(escape(one_line(victim.record_id)), victim.reason, escape(one_line(victim.asked or "")))
    Console(stderr=True).print(table)
    if not selection.victims:
        _say("nothing in the corpus is what was asked for; --yes denies it for the future")
        return
    require_own(store, page)
    Path(page).write_bytes(review_page(cases_of(store, selection, runs), f"{PAGE_TITLE} {store.root}"))
    note_written(store, page, "byline takedown")
    more = f" ({len(selection.victims) - 20:,} pictures more)" if len(selection.victims) > 20 else ""
    num = len(selection.record_ids)
    _say(f"{num:,} of {selection.num_records:,} records{more}; look at them: {page}")


def _ask(selection: "Selection", page: str) -> None:
    from byline.catalog.errors import ConfigError

    num, total = len(selection.record_ids), selection.num_records
    question = f"remove {num:,} of {total:,} records and what was made of them"
    if num == 0:
        question = "nothing matches; deny it for the future"
    elif num >= total:
        question = f"this removes ALL {total:,} records"
    if not sys.stdin.isatty():
        raise ConfigError(f"{question}? Nothing was done; look at {page}, then run it again with --yes")
    typer.confirm(f"{question}? This cannot be undone", abort=True)


def _complete(store: "Store", page: str, *, deletes: bool) -> None:
    """Do what was begun, delete the page that was looked at before, and tell what was done."""
    from rich.progress import TextColumn, TimeElapsedColumn

    from byline.pipelines.rights.takedown.apply import complete
    from byline.pipelines.rights.takedown.own_page import delete_own

    columns = [TextColumn("{task.description}"), TextColumn("{task.completed} files"), TimeElapsedColumn()]
    with bar(*columns) as progress:
        task = progress.add_task("remove", total=None)
        receipt = complete(store, lambda what: progress.update(task, advance=1, description=escape(what)[:60]))
    if receipt.removed:
        for line in delete_own(store, page):
            _say(line)
    _tell(store, receipt, deletes=deletes)


def _tell(store: "Store", receipt: "Receipt", *, deletes: bool) -> None:
    from byline.pipelines.rights.takedown.near_by import told_beyond
    from byline.pipelines.rights.takedown.receipts import receipt_path

    seen = sum(bool(sum(checkpoint["times_seen"].values())) for checkpoint in receipt.checkpoints)
    changed = f"{len(receipt.files):,} files, {len(receipt.shards):,} shards changed"
    _say(f"{len({row['record_id'] for row in receipt.removed}):,} records removed; {changed}")
    for release in receipt.releases:
        _say(f"release {release['name']}: {release['before']} -> {release['after'] or 'withdrawn, nothing was left'}")
    if seen:
        _say(f"{seen:,} checkpoints have seen it: only training anew makes them forget")
    for line in told_beyond(store, receipt.beyond, deletes=deletes):
        _say(line)
    _say("the receipt names nobody and nothing that was removed; keep elsewhere who asked, and for what, if you must")
    print(store.url(receipt_path(receipt.id)))


def _say(text: str) -> None:
    Console(stderr=True).print(escape(text), highlight=False, soft_wrap=True)
