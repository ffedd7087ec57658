"""byline verify"""

from typing import Annotated

import typer

from byline.catalog.bars import bar


def verify(
    release: Annotated[str, typer.Argument(help="<corpus>/releases/<name>, or with /<version>.")],
) -> None:
    """Check a release from its bytes and name everything that is wrong with it.

    Example: byline verify demo/corpus/releases/demo
    """
    from byline.catalog.corpora.manifest import Release
    from byline.catalog.text import one_line
    from byline.pipelines.releases.verify import verify as problems_of

    opened = Release(release)
    samples = sum(shard.num_samples for shard in opened.manifest.shards)
    with bar() as progress:
        task = progress.add_task("verify", total=samples)
        problems = list(problems_of(opened, lambda more: progress.advance(task, more)))
    for problem in problems:
        print(one_line(problem))
    if problems:
        raise typer.Exit(1)
    print(f"{opened.store.url(opened.path)} is whole: {samples:,} samples in {len(opened.manifest.shards)} shards")
