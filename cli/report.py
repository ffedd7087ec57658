"""byline report"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from byline.catalog.bars import bar

PROMPTS = [
    "red heart",
    "blue heart",
    "yellow circle",
    "green square",
    "flag: Japan",
    "flag: France",
    "flag: Sweden",
    "sun",
    "grinning face",
    "cat face",
    "deciduous tree",
    "red apple",
]


def report(
    release: Annotated[str, typer.Argument(help="<corpus>/releases/<name>, or with /<version>.")],
    run: Annotated[str | None, typer.Argument(help="Also draw from the model of this training run.")] = None,
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("report.html"),
    prompt: Annotated[list[str] | None, typer.Option(help="What the model draws; several times.")] = None,
    measured: Annotated[
        Path | None, typer.Option(help="Of the run: what byline evaluate wrote about its newest checkpoint.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the samples.")] = 0,
) -> None:
    """Write one HTML page: what went in and why, whose it is, what was refused, and what a model draws from it.

    Example: byline report demo/corpus/releases/demo demo/run --out demo/report.html
    """
    from byline.catalog.configs.extras import needs
    from byline.catalog.corpora.manifest import in_corpus
    from byline.catalog.corpora.written import note_written
    from byline.catalog.errors import ConfigError
    from byline.reports.collecting import collect
    from byline.reports.page import fingerprint, is_up_to_date, page

    if measured is not None and run is None:
        raise ConfigError(f"--measured {measured} is about a model; name the run that it measures, after the release")
    if run is not None:
        with needs("train", "byline report with a run"):
            from byline.reports.drawing import checkpoint_digest, draw
        from byline.evaluation.report import read_reports

    opened = in_corpus(release)
    prompts = prompt or PROMPTS
    drawn, reports = [], []
    if run is not None:
        digest = checkpoint_digest(run)
        reports = [] if measured is None else [asdict(measurement) for measurement in read_reports(measured, digest)]
        drawn = [digest, prompts, seed, reports]
    shown = fingerprint(opened, drawn)
    if is_up_to_date(out, shown):
        print(f"{out} is up to date")
        return
    with bar() as progress:
        reading = progress.add_task("read verdicts and pictures", total=opened.manifest.counts["records"])
        data = collect(opened, lambda more: progress.advance(reading, more))
        model = None
        if run is not None:
            drawing = progress.add_task("draw from the model", total=len(prompts))
            model = draw(opened, run, prompts, seed=seed, count=lambda more: progress.advance(drawing, more))
            model["reports"] = reports
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(opened, data, model, shown), encoding="utf-8")
    note_written(opened.store, str(out), "byline report", version=opened.version)
    print(f"{out} ({out.stat().st_size / 1e6:.1f} MB)")
