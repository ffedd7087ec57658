"""Draw the loss of a run over the images that it has seen, as SVG.

python -m byline.training.curve demo/run loss.svg
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from byline.catalog.errors import BylineError, CheckpointError, ConfigError
from byline.pages.chart import chart_file, line_chart
from byline.training.log import LOG, LogEntry, read_log


def draw_curve(run: str, out: str) -> None:
    """Write the curve of a run: the log's values and their running mean, a logarithmic axis of the loss."""
    if Path(out).suffix != ".svg":
        raise ConfigError(f"the curve is drawn as SVG, and {out} does not end in .svg")
    entries = read_log(Path(run) / LOG)
    if len(entries) < 2:
        raise CheckpointError(f"{run} has no log of two entries; train it first")
    Path(out).write_text(chart_file(loss_chart(entries, f"loss of {run}")), encoding="utf-8")


def loss_chart(entries: Sequence[LogEntry], title: str = "loss") -> Markup:
    """Return the chart of the loss of at least two entries, as a page or a file shows it."""
    return line_chart([(one.images_seen, one.loss) for one in entries], title=title, unit="images seen", log=True)


if __name__ == "__main__":
    try:
        draw_curve(*sys.argv[1:])
    except BylineError as error:
        sys.exit(f"byline: {error}")
