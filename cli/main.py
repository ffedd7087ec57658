"""`byline`: the list of verbs, and errors as one line."""

import logging
import sys
from importlib.metadata import version as installed_version
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from byline.catalog.errors import BylineError
from byline.catalog.text import one_line
from byline.cli.build import build
from byline.cli.captions import captions
from byline.cli.diff import diff
from byline.cli.doctor import doctor
from byline.cli.duplicates import duplicates
from byline.cli.evaluate import evaluate
from byline.cli.export import export
from byline.cli.harvest import app as harvest
from byline.cli.hashes import hashes
from byline.cli.init import init
from byline.cli.lint import lint
from byline.cli.plan import plan
from byline.cli.recheck import recheck
from byline.cli.report import report
from byline.cli.runs import runs
from byline.cli.sample import sample
from byline.cli.takedown import app as takedown
from byline.cli.trace import trace
from byline.cli.train import train
from byline.cli.verb import Verb
from byline.cli.verify import verify

app = typer.Typer(
    name="byline",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
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
    (evaluate, "Model"),
    (report, "Look"),
    (runs, "Look"),
    (duplicates, "Look"),
    (captions, "Look"),
    (doctor, "Look"),
):
    app.command(rich_help_panel=panel)(verb)

app.add_typer(harvest, name="harvest", rich_help_panel="Corpus")
app.add_typer(takedown, name="takedown", rich_help_panel="Rights")
for command in (*app.registered_commands, *harvest.registered_commands, *takedown.registered_commands):
    command.cls = Verb


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"byline {installed_version('byline')}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Image-text corpora whose every picture is licensed and credited, and diffusion models trained on them."""


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
