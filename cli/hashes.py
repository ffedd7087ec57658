"""byline hashes"""

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from byline.catalog.bars import bar

if TYPE_CHECKING:
    from byline.pipelines.facts.evaluation_hashing import Hashed


def hashes(
    pictures: Annotated[list[Path], typer.Argument(help="Folders, picture files, tars or Parquet files.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="Where the list goes, a Parquet file.")],
    name: Annotated[str | None, typer.Option(help="What the set is called; by default the name of the file.")] = None,
    stored_by: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Config of a corpus: hash each picture also as this corpus would store it."),
    ] = None,
) -> None:
    """Write a list of hashes of the pictures of an evaluation set, to keep what looks like them out of a corpus.

    The same pictures give the same file. What cannot be read is named, one line each.

    Example: byline hashes coco/val2017 --out coco-val.parquet
    """
    from byline.cli.corpus import leave_pandas_out

    leave_pandas_out()

    from byline.catalog.configs.loading import load_config
    from byline.catalog.text import one_line
    from byline.pictures.files import find_pictures, size_of
    from byline.pipelines.corpora.config import CorpusConfig
    from byline.pipelines.facts.evaluation_hashing import make_evaluation_set

    _prepare(out)
    pixels = load_config(stored_by, CorpusConfig).pixels if stored_by else None
    with bar() as progress:
        task = progress.add_task("hash", total=size_of(pictures))
        made = make_evaluation_set(
            find_pictures(pictures),
            name=one_line(name or out.stem),
            stored_by=pixels,
            advance=lambda num_bytes: progress.advance(task, num_bytes),
        )
    _write(out, made.data)
    _tell(out, made)


def _prepare(out: Path) -> None:
    """Hours of hashing are not to be lost to a folder that cannot be written to."""
    from byline.catalog.disk.storage_errors import explained

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(out if out.exists() else out.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise explained(error, str(out), writing=True) from error


def _write(out: Path, data: bytes) -> None:
    from byline.catalog.disk.storage_errors import explained

    try:
        out.write_bytes(data)
    except OSError as error:
        raise explained(error, str(out), writing=True) from error


def _tell(out: Path, made: "Hashed") -> None:
    aside = Console(stderr=True, highlight=False, emoji=False, markup=False)
    for problem in made.problems:
        aside.print(f"{problem.name}: {problem.problem}", soft_wrap=True)
    if num := len(made.problems):
        was, it = ("was", "it") if num == 1 else ("were", "them")
        of = f"{num:,} of {num + made.num_pictures:,} files"
        aside.print(f"warning: {of} {was} not read; nothing is compared with {it}", soft_wrap=True)
    counts = [f"{made.num_pictures:,} pictures", f"{made.num_flat:,} of them flat"]
    if made.beside:
        counts.append("beside them " + ", ".join(f"{num:,} {suffix}" for suffix, num in made.beside.items()))
    print(f"{out} ({len(made.data) / 1e6:.1f} MB): {', '.join(counts)}")
