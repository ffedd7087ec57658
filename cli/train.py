"""byline train"""

from typing import Annotated

import typer


def train(
    config: Annotated[str, typer.Argument(help="A training config, such as configs/training/demo.toml.")],
) -> None:
    """Train an autoencoder or a diffusion model on a release; run it again to go on after a stop.

    Example: byline train configs/training/demo.toml
    """
    from training.run import run

    raise typer.Exit(run(config))
