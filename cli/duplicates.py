"""byline duplicates"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from byline.catalog.bars import bar

if TYPE_CHECKING:
    from byline.pipelines.rights.duplicates.collecting import Count, Duplicates


def duplicates(
    release: Annotated[str, typer.Argument(help="<corpus>/releases/<name>, or with /<version>.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="Where the page goes.")] = Path("duplicates.html"),
    limit: Annotated[int, typer.Option(min=1, help="Clusters on the page, those with the most copies first.")] = 500,
) -> None:
    """Write one HTML page of duplicates: which pictures count as one, how far apart, and why which of them was kept.

    The page needs no server and no network. What was taken down is never on it.

    Example: byline duplicates demo/corpus/releases/demo --out demo/duplicates.html
    """
    from byline.cli.corpus import leave_pandas_out

    leave_pandas_out()

    from byline.catalog.corpora.manifest import in_corpus
    from byline.catalog.corpora.written import note_written
    from byline.pipelines.rights.duplicates.collecting import collect
    from byline.pipelines.rights.duplicates.page import page

    opened = in_corpus(release)
    with bar() as progress:

        def begin(total: int) -> "Count":
            task = progress.add_task("read packs", total=total)
            return lambda more: progress.advance(task, more)

        collected = collect(opened, limit=limit, begin=begin)
    data = page(opened, collected)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(data)
    note_written(opened.store, str(out), "byline duplicates")
    size = f"{len(data) / 1e6:.1f} MB"
    Console(highlight=False, emoji=False, markup=False).print(f"{out} ({size}): {_summary(collected)}", soft_wrap=True)


def _summary(duplicates: "Duplicates") -> str:
    ledger = duplicates.ledger
    if not ledger.num_clusters:
        return "the release has no duplicates"
    counts = [
        f"{len(duplicates.clusters):,} of {ledger.num_clusters:,} clusters",
        f"{ledger.num_copies:,} copies in all",
    ]
    counts += [f"{ledger.num_same_bytes:,} with their keeper's bytes", f"{ledger.num_conflicts:,} in license conflict"]
    if duplicates.num_taken_down:
        counts.append(f"{duplicates.num_taken_down:,} left out as taken down")
    if duplicates.num_lost:
        counts.append(f"{duplicates.num_lost:,} not in the corpus any more")
    return ", ".join(counts)
