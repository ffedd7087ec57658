"""byline doctor"""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from byline.doctor.machine import Line

COLUMNS, ABOUT = 80, 16


def doctor(
    config: Annotated[str | None, typer.Argument(help="A corpus or training config: also what it needs.")] = None,
) -> None:
    """Check what byline needs here: versions, extras, disk, cores, GPU, clock; with CONFIG its store and sources.

    Each line is ok, or - (not there, and not needed by what was looked at), or mend with what to do. Exits with 1 when
    there is something to mend. A store is checked by writing and deleting a small file.

    Example: byline doctor configs/corpora/demo.toml
    """
    from byline.doctor.machine import disk_line, machine_lines

    num_wrong = 0
    for line in machine_lines():
        num_wrong += _show(line)
    if config is None:
        num_wrong += _show(disk_line(Path()))
    else:
        from byline.cli.corpus import leave_pandas_out

        leave_pandas_out()

        from byline.doctor.config import config_lines

        for line in config_lines(config):
            num_wrong += _show(line)
    if num_wrong:
        print(f"{num_wrong} to mend")
        raise typer.Exit(1)


def _show(line: "Line") -> bool:
    """Print a line and return whether there is something to mend. It has 80 columns at most, but for long paths."""
    start = f"{line.state:<4}  {line.about:<{ABOUT}}  "
    wrapped = textwrap.wrap(line.message, COLUMNS - len(start), break_on_hyphens=False, break_long_words=False) or [""]
    print("\n".join(f"{start if not number else ' ' * len(start)}{text}" for number, text in enumerate(wrapped)))
    return line.state == "mend"
