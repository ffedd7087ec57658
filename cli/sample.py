"""byline sample"""

from pathlib import Path
from typing import Annotated

import typer


def sample(
    checkpoint: Annotated[str, typer.Argument(help="A checkpoint folder, or a run folder for its newest.")],
    prompt: Annotated[list[str], typer.Option(help="What to draw; give it several times.")],
    out: Annotated[Path, typer.Option(help="Where the PNG goes.")] = Path("grid.png"),
    seed: Annotated[int, typer.Option(min=0, help="Of the noise that pictures begin as.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Of the sampler, for each picture.")] = 25,
    guidance_scale: Annotated[
        float, typer.Option(min=0.0, help="How much the words count; 1 is without guidance.")
    ] = 4.0,
    guidance_rescale: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How far guidance is kept from adding contrast.")
    ] = 0.0,
    sampler: Annotated[str, typer.Option(help="ddim or dpm++.")] = "dpm++",
    images_per_prompt: Annotated[int, typer.Option(min=1, help="Pictures of each prompt.")] = 1,
    averaged: Annotated[bool, typer.Option(help="Sample from the EMA of the weights.")] = True,
) -> None:
    """Draw pictures for prompts, as one labelled PNG. The same arguments give the same bytes.

    Example: byline sample demo/run --prompt "a red circle" --prompt "a flag" --out grid.png
    """
    from byline.catalog.configs.extras import needs
    from byline.catalog.configs.loading import parse_config

    with needs("train", "byline sample"):
        from byline.diffusion.grid import grid_png
        from byline.diffusion.sampling import SamplingConfig, TextToImage

    settings = {
        "sampler": sampler,
        "num_inference_steps": steps,
        "guidance_scale": guidance_scale,
        "guidance_rescale": guidance_rescale,
        "images_per_prompt": images_per_prompt,
        "seed": seed,
    }
    config = parse_config(settings, SamplingConfig, where="byline sample")
    model = TextToImage.load(checkpoint, averaged=averaged)
    pictures = model.sample(prompt, config).numpy()
    notes = {"byline": config.model_dump_json(), "byline checkpoint": model.info.digest}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(grid_png(pictures, prompt, notes=notes))
    print(f"{out} ({len(pictures)} pictures, checkpoint {model.info.digest[:12]})")
