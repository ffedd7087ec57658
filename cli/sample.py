"""byline sample"""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from byline.catalog.bars import bar


def sample(
    checkpoint: Annotated[str, typer.Argument(help="A checkpoint folder, or a run folder for its newest.")],
    prompt: Annotated[list[str], typer.Option(help="What to draw; give it several times.")],
    out: Annotated[Path, typer.Option(help="Where the PNG goes.")] = Path("grid.png"),
    seed: Annotated[int, typer.Option(min=0, help="Of the first picture's noise; each next one has the next.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Of the sampler, for each picture.")] = 25,
    guidance_scale: Annotated[
        float, typer.Option(min=1.0, help="How much the words count; 1 is without guidance.")
    ] = 4.0,
    guidance_rescale: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How far guidance is kept from adding contrast.")
    ] = 0.0,
    sampler: Annotated[str, typer.Option(help="ddim, dpm++, euler or heun.")] = "dpm++",
    images_per_prompt: Annotated[int, typer.Option(min=1, help="Pictures of each prompt.")] = 1,
    averaged: Annotated[bool, typer.Option(help="Sample from the EMA of the weights.")] = True,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1; left out, a GPU where there is one.")] = None,
    precision: Annotated[str, typer.Option(help="fp32, bf16 or fp16: of the weights, and computed in.")] = "fp32",
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures drawn at once.")] = 16,
) -> None:
    """Draw pictures for prompts, as one labelled PNG. The same arguments give the same bytes on the same machine.

    Example: byline sample demo/run --prompt "a red circle" --prompt "a flag" --out grid.png
    """
    from byline.catalog.configs.extras import needs
    from byline.catalog.configs.loading import parse_config

    with needs("train", "byline sample"):
        from byline.diffusion.configs import SamplingConfig
        from byline.diffusion.grid import grid_png
        from byline.diffusion.sampling import TextToImage, default_device

    settings = {
        "sampler": sampler,
        "num_inference_steps": steps,
        "guidance_scale": guidance_scale,
        "guidance_rescale": guidance_rescale,
        "images_per_prompt": images_per_prompt,
        "seed": seed,
        "batch_size": batch_size,
    }
    config = parse_config(settings, SamplingConfig, where="byline sample")
    device = device or default_device()
    model = TextToImage.load(checkpoint, averaged=averaged, device=device, precision=precision)
    with bar(TextColumn("draw"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task("draw", total=len(prompt) * images_per_prompt)
        pictures = model.sample(prompt, config, lambda more: progress.advance(task, more)).numpy()
    where = f"{device} {precision}"
    notes = {"byline": config.model_dump_json(), "byline checkpoint": model.info.digest, "byline device": where}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(grid_png(pictures, prompt, notes=notes))
    print(f"{out} ({len(pictures)} pictures, checkpoint {model.info.digest[:12]})")
