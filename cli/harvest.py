"""byline harvest"""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from byline.catalog.bars import bar

if TYPE_CHECKING:
    from byline.pipelines.sources.harvest.run import Api

app = typer.Typer(
    no_args_is_help=True,
    help="Ask the API of Openverse or Wikimedia Commons for metadata, and save its answers. Loads no picture.",
)
Out = Annotated[str, typer.Option(help="File to write, .jsonl; if it is there, it is gone on with.")]
Contact = Annotated[str | None, typer.Option(help="Your mail address or a URL of yours, told to the API. Needed.")]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Stop when so many pictures are saved; whole answers stay whole.")
]
Tries = Annotated[int, typer.Option(min=1, help="How often to ask for one answer.")]


@app.command()
def commons(
    out: Out,
    contact: Contact = None,
    category: Annotated[str | None, typer.Option(help="Files of this category, without those below it.")] = None,
    search: Annotated[str | None, typer.Option(help="Files that the wiki's search finds.")] = None,
    image_usage: Annotated[str | None, typer.Option(help="Files whose pages show this file.")] = None,
    titles: Annotated[list[str] | None, typer.Option(help="These files: File:A.jpg|File:B.jpg. Repeatable.")] = None,
    limit: Limit = None,
    page_size: Annotated[int, typer.Option(min=1, max=50, help="Files in one answer.")] = 50,
    api: Annotated[
        str, typer.Option(help="URL of the API of a MediaWiki.")
    ] = "https://commons.wikimedia.org/w/api.php",
    tries: Tries = 8,
) -> None:
    """Save what Wikimedia Commons says of its files: URL, size, author, licenses.

    Example: byline harvest commons --category "Lighthouses in Iceland" --contact you@example.org --out a.jsonl
    """
    from byline.pipelines.sources.harvest.commons import commons as requests

    asked = requests(
        category=category, search=search, image_usage=image_usage, titles=titles or [], page_size=page_size, api=api
    )
    _run(asked, out, contact, limit, tries)


@app.command()
def openverse(
    out: Out,
    contact: Contact = None,
    q: Annotated[str | None, typer.Option("--q", help="Words to search for.")] = None,
    license: Annotated[str | None, typer.Option(help="Licenses, with commas: cc0,pdm,by,by-sa.")] = None,
    license_type: Annotated[
        str | None, typer.Option(help="Kinds of licenses: commercial, modification, all-cc.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Openverse's sources, with commas: flickr,wikimedia.")] = None,
    extension: Annotated[str | None, typer.Option(help="Kinds of files, with commas: jpg,png.")] = None,
    category: Annotated[str | None, typer.Option(help="photograph, illustration or digitized_artwork.")] = None,
    creator: Annotated[str | None, typer.Option(help="Name of a creator.")] = None,
    limit: Limit = None,
    page_size: Annotated[
        int, typer.Option(min=1, max=500, help="Results in one answer; 20 at most without a key.")
    ] = 20,
    api: Annotated[str, typer.Option(help="URL of the API.")] = "https://api.openverse.org",
    tries: Tries = 8,
) -> None:
    """Save what Openverse finds. A key is taken from OPENVERSE_CLIENT_ID and OPENVERSE_CLIENT_SECRET, if they are set.

    Example: byline harvest openverse --q lighthouse --license cc0,by --contact you@example.org --out a.jsonl
    """
    from byline.pipelines.sources.harvest.openverse import openverse as requests

    filters = {"q": q, "license": license, "license_type": license_type, "source": source, "extension": extension}
    asked = requests(page_size=page_size, api=api, category=category, creator=creator, **filters)
    _run(asked, out, contact, limit, tries)


def _run(api: "Api", out: str, contact: str | None, limit: int | None, tries: int) -> None:
    import asyncio

    from byline.pipelines.sources.harvest.asking import Patience
    from byline.pipelines.sources.harvest.run import harvest

    console = Console(stderr=True, highlight=False, emoji=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with bar(*columns, console=console) as progress:
        task = progress.add_task("pictures", total=limit)

        def show(pictures: int, total: int | None) -> None:
            known = [number for number in (limit, total) if number is not None]
            progress.update(task, completed=pictures, total=min(known) if known else None)

        def tell(line: str) -> None:
            progress.console.print(f"[yellow]byline:[/] {escape(line)}", soft_wrap=True)

        done = asyncio.run(
            harvest(api, out, contact=contact, limit=limit, patience=Patience(tries=tries), tell=tell, show=show)
        )
    state = "complete" if done.is_complete else "there is more: run it again with a higher --limit"
    print(f"{out}: {done.pictures:,} pictures, {done.answers:,} answers asked for; {state}.")
    if done.remark:
        print(f"{done.remark}.")
