"""byline train"""

from typing import Annotated

import typer


def train(
    config: Annotated[str, typer.Argument(help="A training config, such as configs/training/demo.toml.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would need and cost; write nothing.")
    ] = False,
    on: Annotated[str, typer.Option(help="With --dry-run: the hardware, such as a100, h100, or cpu.")] = "a100",
    gpus: Annotated[int | None, typer.Option(help="With --dry-run: how many; machine.num_ranks when left out.")] = None,
    price: Annotated[float | None, typer.Option(help="With --dry-run: dollars an hour of one.")] = None,
    mfu: Annotated[float | None, typer.Option(help="With --dry-run: part of the peak rate that it makes.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --dry-run: print it as JSON.")] = False,
) -> None:
    """Train an autoencoder, a text encoder or a diffusion model on a release; run it again to go on after a stop.

    --dry-run tells weights, memory by ZeRO stage, work, time, price, and the size of checkpoints and of what is read.
    It needs neither GPU nor release nor network; docs/cost.md says how far it is right.

    Example: byline train configs/training/demo.toml
    """
    from byline.catalog.configs.extras import needs

    if dry_run:
        from byline.cli.dry_run import show_estimate

        show_estimate(config, on=on, gpus=gpus, price=price, mfu=mfu, as_json=as_json)
        return
    with needs("train", "byline train"):
        from byline.training.run import run

    raise typer.Exit(run(config))
