"""byline hashes"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

if TYPE_CHECKING:
    from pipelines.evaluation_hashing import Hashed


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
    from cli.corpus import leave_pandas_out

    leave_pandas_out()

    from catalog.configs import load_config
    from catalog.text import one_line
    from pipelines.config import CorpusConfig
    from pipelines.evaluation_hashing import make_evaluation_set
    from pipelines.picture_files import find_pictures, size_of

    _write(out, b"")  # hours are not lost to a folder that cannot be written to
    pixels = load_config(stored_by, CorpusConfig).pixels if stored_by else None
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("hash", total=size_of(pictures))
        made = make_evaluation_set(
            find_pictures(pictures),
            name=one_line(name or out.stem),
            stored_by=pixels,
            advance=lambda num_bytes: progress.advance(task, num_bytes),
        )
    _write(out, made.data)
    _tell(out, made)


def _write(path: Path, data: bytes) -> None:
    from catalog.storage_errors import explained

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab" if not data else "wb") as file:
            file.write(data)
    except OSError as error:
        raise explained(error, str(path), writing=True) from error


def _tell(out: Path, made: "Hashed") -> None:
    aside = Console(stderr=True, highlight=False, emoji=False, markup=False)
    for problem in made.problems:
        aside.print(f"{problem.name}: {problem.problem}", soft_wrap=True)
    if made.problems:
        aside.print(f"warning: {len(made.problems):,} files were not read, so nothing is compared with them")
    told = [f"{made.num_pictures:,} pictures", f"{made.num_flat:,} of them flat"]
    if made.beside:
        told.append("beside them " + ", ".join(f"{num:,} {suffix}" for suffix, num in made.beside.items()))
    print(f"{out} ({len(made.data) / 1e6:.1f} MB): {', '.join(told)}")
