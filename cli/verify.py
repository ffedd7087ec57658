"""byline verify"""

from typing import Annotated

import typer

from byline.catalog.bars import bar


def verify(
    what: Annotated[str, typer.Argument(help="<corpus>, <corpus>/releases/<name>, or with /<version>, or an export.")],
    deep: Annotated[bool, typer.Option(help="Of a corpus every byte, and not only footers, names and sizes.")] = False,
) -> None:
    """Check a release from its bytes, or all files of a corpus, and name everything that is wrong.

    Example: byline verify demo/corpus/releases/demo
    Example: byline verify demo/corpus --deep
    """
    from byline.pipelines.rights.verify_corpus import is_corpus

    if is_corpus(what):
        _verify_corpus(what, deep=deep)
    else:
        _verify_release(what)


def _verify_release(url: str) -> None:
    from byline.catalog.corpora.manifest import Release
    from byline.pipelines.releases.verify import verify as problems_of

    opened = Release(url)
    samples = sum(shard.num_samples for shard in opened.manifest.shards)
    with bar() as progress:
        task = progress.add_task("verify", total=samples)
        problems = list(problems_of(opened, lambda more: progress.advance(task, more)))
    _tell(problems)
    print(f"{opened.store.url(opened.path)} is whole: {samples:,} samples in {len(opened.manifest.shards)} shards")


def _verify_corpus(url: str, *, deep: bool) -> None:
    from byline.catalog.disk.storage import Store
    from byline.pipelines.rights.verify_corpus import paths_of, verify_corpus

    store, unsealed = Store(url), list[str]()
    num_files = sum(1 for _ in paths_of(store))
    with bar() as progress:
        task = progress.add_task("verify", total=num_files)
        problems = list(verify_corpus(store, unsealed, deep=deep, count=lambda more: progress.advance(task, more)))
    if unsealed:
        print(f"{len(unsealed):,} files carry no digest, since an older byline wrote them; the first: {unsealed[0]}")
    _tell(problems)
    print(f"{url} is whole: {num_files:,} files{'' if deep else ', by footers, names and sizes; --deep reads all'}")


def _tell(problems: list[str]) -> None:
    from byline.catalog.text import one_line

    for problem in problems:
        print(one_line(problem))
    if problems:
        raise typer.Exit(1)
