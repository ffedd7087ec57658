"""byline export"""

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

if TYPE_CHECKING:
    from byline.catalog.corpora.manifest import Format

FORMATS: "dict[str, Format]" = {"webdataset": "webdataset", "parquet": "parquet", "datasets": "parquet"}
"""Name -> format. Parquet is what `datasets` and the viewers of hubs read best: any row, without untarring."""


def export(
    release: Annotated[str, typer.Argument(help="<corpus>/releases/<name>, or with /<version>.")],
    dest: Annotated[str, typer.Argument(help="A new folder, or the URL of one: s3://bucket/folder.")],
    format: Annotated[
        str, typer.Option(help="webdataset: tars, to train on. parquet, or datasets: rows with pictures in them.")
    ] = "webdataset",
) -> None:
    """Copy a release into one folder that needs nothing beside it: to hand on, to upload, to read with other tools.

    Every byte is checked on the way. A folder that is there is whole; run again what was killed.

    Example: byline export demo/corpus/releases/demo demo/export
    """
    from byline.cli.corpus import leave_pandas_out

    leave_pandas_out()

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
