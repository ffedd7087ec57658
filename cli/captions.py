"""byline captions"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from byline.catalog.bars import bar


def captions(
    release: Annotated[str, typer.Argument(help="<corpus>/releases/<name>, or with /<version>, or an export.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="Where the page goes.")] = Path("captions.html"),
    limit: Annotated[int, typer.Option(min=1, help="Pictures on the page.")] = 500,
) -> None:
    """Write one HTML page of captions: pictures with what each captioner wrote, lengths, words, and what may be wrong.

    The page needs no server and no network.

    Example: byline captions demo/corpus/releases/demo --out demo/captions.html
    """
    from byline.cli.corpus import leave_pandas_out

    leave_pandas_out()

    from byline.catalog.corpora.manifest import Release
    from byline.catalog.corpora.written import note_written
    from byline.reports.captions import collect_captions
    from byline.reports.captions_page import captions_page

    opened = Release(release)
    with bar() as progress:
        task = progress.add_task("read captions", total=sum(shard.num_samples for shard in opened.manifest.shards))
        collected = collect_captions(opened, limit=limit, count=lambda more: progress.advance(task, more))
    data = captions_page(opened, collected)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(data)
    note_written(opened.store, str(out), "byline captions", version=opened.version)
    counts = [
        f"{len(collected.shown):,} of {collected.num_pictures:,} pictures",
        f"by {len(collected.by_captioner):,} {'captioner' if len(collected.by_captioner) == 1 else 'captioners'}",
    ]
    line = f"{out} ({len(data) / 1e6:.1f} MB): {', '.join(counts)}"
    Console(highlight=False, emoji=False, markup=False).print(line, soft_wrap=True)
