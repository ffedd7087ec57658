"""How every verb looks: help that is whole at 80 columns, a first line at once, lines, and what Ctrl-C says."""

import sys
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperCommand

from byline.catalog.text import one_line

STOPPED = 130
"""Exit code after Ctrl-C, as of shells."""
GOES_ON = "what is done is kept: run the same command again, it goes on where it was"
AFTER_A_STOP = {
    **dict.fromkeys(("build", "train", "recheck", "commons", "openverse", "apply"), GOES_ON),
    **dict.fromkeys(("hashes", "export"), "nothing is half done: run the same command again"),
}
"""Verb -> what the next run makes of what a stopped one left. A verb that is not listed leaves nothing."""
LOADS_FOR_SECONDS = frozenset(("build", "train", "sample", "evaluate", "report", "hashes"))
"""Verbs that import large libraries before they can show anything."""


class Verb(TyperCommand):
    """A verb whose help is plain text: rich's panels cut names and types that do not fit into a column.

    On a terminal, one that loads for seconds says so at once. Ctrl-C ends any with one line and exit code 130.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "rich_markup_mode": None})

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        name = str(self.name)
        try:
            if name in LOADS_FOR_SECONDS and sys.stderr.isatty():
                first = next(param.name for param in self.params if param.param_type_name == "argument")
                print(f"byline {name} {one_line(str(ctx.params[first]))}: loading", file=sys.stderr, flush=True)
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _stopped(name)
            raise typer.Exit(STOPPED) from None
        except typer.Exit as end:
            if end.exit_code == STOPPED:
                _stopped(name)
            raise


def _stopped(name: str) -> None:
    after_c = "\n" if sys.stderr.isatty() else ""  # the terminal shows ^C
    print(f"{after_c}byline: stopped; {AFTER_A_STOP.get(name, 'nothing is half done')}", file=sys.stderr)


def say(console: Console, line: str) -> None:
    """Print a line whole, spaces as they are: names and paths are not cut, a terminal wraps them."""
    console.print(escape(" ".join(one_line(part) for part in line.split(" "))), soft_wrap=True, highlight=False)


def size_of(num_bytes: float) -> str:
    """Return how much that is, as people say it.

    >>> size_of(812), size_of(13_900_000_000)
    ('812 bytes', '13.9 GB')
    """
    size, unit = float(num_bytes), "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:,.0f} bytes" if unit == "bytes" else f"{size:,.1f} {unit}"
