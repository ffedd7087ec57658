"""byline lint"""

from typing import Annotated

import typer


def lint(
    folder: Annotated[str, typer.Argument(help="A release, or a Hugging Face dataset: a card and Parquet files.")],
) -> None:
    """Compare the license that a dataset's card states with the license that each of its rows states.

    Example: byline lint demo/corpus/releases/demo
    """
    from byline.catalog.text import one_line
    from byline.pipelines.releases.papers.lint import lint_folder

    lines = lint_folder(folder)
    for line in lines:
        print(one_line(line))
    if lines:
        raise typer.Exit(1)
    print(f"{folder}: no row contradicts the license of the whole")
