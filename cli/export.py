"""byline export"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from byline.catalog.bars import bar
from byline.catalog.text import one_line

if TYPE_CHECKING:
    from byline.catalog.corpora.manifest import Format

FORMATS: "dict[str, Format]" = {"webdataset": "webdataset", "parquet": "parquet", "datasets": "parquet"}
"""Name -> format. Parquet is what `datasets` and the viewers of hubs read best: any row, without untarring."""


def export(
    source: Annotated[
        str, typer.Argument(help="<corpus>/releases/<name>, or with /<version>; or a checkpoint, or a run.")
    ],
    dest: Annotated[str, typer.Argument(help="A new folder; for a release also the URL of one: s3://bucket/folder.")],
    format: Annotated[
        str | None,
        typer.Option(
            help="Of a release. webdataset: tars, to train on. parquet, or datasets: rows with pictures in them."
        ),
    ] = None,
    release: Annotated[
        str | None, typer.Option(help="Of a checkpoint: what it was trained on, to copy credits and licenses of.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="Of a checkpoint's weights: fp32, bf16 or fp16.")] = None,
    averaged: Annotated[bool, typer.Option(help="Of a checkpoint: the EMA of the weights.")] = True,
    measured: Annotated[
        list[Path] | None, typer.Option(help="Of a checkpoint: JSON of a measurement, for the card; several times.")
    ] = None,
) -> None:
    """Copy a release, or a model, into one folder that needs nothing of byline: to hand on, to upload.

    Of a release every byte is checked on the way. Of a model it is what diffusers loads, with a card, credits and
    checksums. A folder that is there is whole; run again what was killed.

    Example: byline export demo/corpus/releases/demo demo/export

    byline export demo/run demo/model --release demo/corpus/releases/demo
    """
    from byline.catalog.configs.extras import needs
    from byline.catalog.errors import ConfigError
    from byline.cli.corpus import leave_pandas_out

    leave_pandas_out()

    from byline.exports.kinds import is_checkpoint

    of_a_model = {"release": release, "precision": precision, "measured": measured}
    given = [name for name, value in of_a_model.items() if value is not None]
    if is_checkpoint(source):
        if format is not None:
            raise ConfigError(f"--format is of a release, and {source} is a checkpoint; leave it out")
        if sys.stderr.isatty():
            print(f"byline export {one_line(source)}: loading", file=sys.stderr, flush=True)
        with needs("train", "byline export of a model"):
            _export_model(source, dest, release, precision or "fp32", averaged, measured or [])
    elif given or not averaged:
        raise ConfigError(f"--{(*given, 'no-averaged')[0]} is of a checkpoint, and {source} holds none; leave it out")
    else:
        _export_release(source, dest, format or "webdataset")


def _export_model(
    checkpoint: str, dest: str, release: str | None, precision: str, averaged: bool, measured: list[Path]
) -> None:
    from byline.catalog.corpora.manifest import Release
    from byline.catalog.corpora.written import note_written
    from byline.exports.model import ModelExport, export_model

    opened = None if release is None else Release(release)
    what = ModelExport(averaged=averaged, precision=precision, release=opened, reports=tuple(measured))
    info = export_model(checkpoint, dest, what)
    if opened is not None:
        note_written(opened.store, dest, "byline export")
    print(f"{dest}: checkpoint {info.digest[:12]}, {info.images_seen:,} images seen")
    if opened is None:
        print("its credits and licenses were not copied; give --release to copy them", file=sys.stderr)


def _export_release(release: str, dest: str, format: str) -> None:
    from byline.catalog.corpora.manifest import Release
    from byline.catalog.corpora.written import note_written
    from byline.catalog.errors import ConfigError
    from byline.pipelines.releases.exporting.export import export as write_export
    from byline.pipelines.releases.exporting.export import is_of_one_schema

    if format not in FORMATS:
        raise ConfigError(f"no format is called {format!r}; the formats are {', '.join(FORMATS)}")
    opened, terminal = Release(release), Console(stderr=True)
    shards = opened.manifest.shards
    text = TextColumn("{task.description}")
    columns = (text, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with bar(*columns, console=terminal) as progress:
        task = progress.add_task("export", total=sum(shard.num_bytes for shard in shards))
        write_export(opened, dest, lambda more: progress.advance(task, more), format=FORMATS[format])
    note_written(opened.store, dest, "byline export")
    if FORMATS[format] == "webdataset" and not is_of_one_schema(opened):
        warning = "warning: in this release what is not stated is null, which datasets may refuse; build it again"
        terminal.print(warning, soft_wrap=True, highlight=False)
    samples, size = sum(shard.num_samples for shard in shards), sum(shard.num_bytes for shard in shards)
    print(f"{dest}: {opened.name} {opened.version}, {samples:,} samples in {len(shards)} shards, {size / 1e6:,.1f} MB")
