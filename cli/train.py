"""byline train"""

import os
from typing import Annotated

import typer


def train(
    config: Annotated[str, typer.Argument(help="A training config, such as configs/training/demo.toml.")],
) -> None:
    """Train an autoencoder or a diffusion model on a release; run it again to go on after a stop.

    Example: byline train configs/training/demo.toml
    """
    # Threads that spin while they wait make a shared machine crawl. It must be said before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

    from byline.catalog.configs.extras import needs

    with needs("train", "byline train"):
        from byline.training.run import run

    raise typer.Exit(run(config))
