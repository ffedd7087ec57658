"""byline runs"""

import time
from pathlib import Path
from typing import Annotated

import typer


def runs(
    folders: Annotated[
        list[str] | None, typer.Argument(help="Folders of training runs; all in or below this one if none is named.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the page goes; with .svg, the losses alone.")] = Path("runs.html"),
    live: Annotated[
        int | None, typer.Option(min=1, help="Write it again every so many seconds while they train, until Ctrl-C.")
    ] = None,
) -> None:
    """Compare training runs on one HTML page: curves, held-out loss, drawn grids, what differs in their configs.

    Example: byline runs demo/run demo/emoji --out runs.html
    """
    from byline.reports.runs import find_runs

    folders_found = find_runs(folders or [])
    _write(folders_found, out, reload_s=live)
    print(f"{out} ({len(folders_found)} {'run' if len(folders_found) == 1 else 'runs'})", flush=True)
    if live is None:
        return
    try:
        while True:
            time.sleep(live)
            _write(folders_found, out, reload_s=live)
    except KeyboardInterrupt:
        _write(folders_found, out, reload_s=None)
        raise


def _write(folders_found: list[str], out: Path, *, reload_s: int | None) -> None:
    """Write the page whole, so that a browser that loads it meets no half of it."""
    from byline.catalog.errors import ConfigError
    from byline.pages.chart import chart_file
    from byline.reports.runs import read_run
    from byline.reports.runs_page import loss_chart, runs_page

    read = [read_run(folder) for folder in folders_found]
    if out.suffix == ".svg":
        chart = loss_chart(read)
        if chart is None:
            raise ConfigError(f"no entry in the log of {', '.join(folders_found)} yet, so there is nothing to draw")
        text = chart_file(chart)
    else:
        text = runs_page(read, reload_s=reload_s)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(out)
