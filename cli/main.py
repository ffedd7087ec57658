"""`byline`: the list of verbs, and errors as one line."""

import logging
import sys

import typer
from rich.console import Console
from rich.markup import escape

from byline.catalog.errors import BylineError
from byline.catalog.text import one_line
from byline.cli.build import build
from byline.cli.diff import diff
from byline.cli.duplicates import duplicates
from byline.cli.export import export
from byline.cli.harvest import app as harvest
from byline.cli.hashes import hashes
from byline.cli.init import init
from byline.cli.lint import lint
from byline.cli.plan import plan
from byline.cli.recheck import recheck
from byline.cli.report import report
from byline.cli.sample import sample
from byline.cli.takedown import app as takedown
from byline.cli.trace import trace
from byline.cli.train import train
from byline.cli.verify import verify

app = typer.Typer(
    name="byline",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Image-text corpora whose every picture is licensed and credited, and diffusion models trained on them.",
)

for verb, panel in (
    (init, "Corpus"),
    (build, "Corpus"),
    (verify, "Corpus"),
    (lint, "Corpus"),
    (export, "Corpus"),
    (hashes, "Corpus"),
    (plan, "Rights"),
    (diff, "Rights"),
    (trace, "Rights"),
    (recheck, "Rights"),
    (train, "Model"),
    (sample, "Model"),
    (report, "Look"),
    (duplicates, "Look"),
):
    app.command(rich_help_panel=panel)(verb)


app.add_typer(harvest, name="harvest", rich_help_panel="Corpus")
app.add_typer(takedown, name="takedown", rich_help_panel="Rights")


def main() -> None:
    """Run the command line. Exits with 1 when a check fails, with 2 when people's input cannot be used."""
    logging.basicConfig(level=logging.ERROR)  # libraries warn of what they lack and we do not use
    try:
        app()
    except BylineError as error:
        message = escape(one_line(str(error)))
        Console(stderr=True).print(f"[bold red]byline:[/] {message}", soft_wrap=True, highlight=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
