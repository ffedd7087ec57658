"""byline evaluate"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from byline.catalog.bars import bar


def evaluate(
    checkpoint: Annotated[str, typer.Argument(help="A checkpoint folder, or a run folder for its newest.")],
    release: Annotated[str, typer.Argument(help="The release that it was trained on: <corpus>/releases/<name>.")],
    measures: Annotated[
        list[str] | None, typer.Option(help="Only these; several times. Left out: all that say something here.")
    ] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Pictures drawn; one for each held-out caption.")] = None,
    features: Annotated[
        str, typer.Option(help="Looks at pictures: this, a folder of a vision model, or OWNER/NAME@COMMIT of a hub.")
    ] = "efficientnet-lite0",
    scorer: Annotated[
        str | None,
        typer.Option(
            help="Of agreement: a CLIP, or the folder of a scorer; a new folder gets one trained on the release."
        ),
    ] = None,
    controls: Annotated[bool, typer.Option(help="Measure pictures that are wrong on purpose, too.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of the first picture's noise, and of intervals.")] = 0,
    sampler: Annotated[str, typer.Option(help="ddim, dpm++, euler or heun.")] = "dpm++",
    steps: Annotated[int, typer.Option(min=1, help="Of the sampler, for each picture.")] = 25,
    guidance_scale: Annotated[float, typer.Option(min=1.0, help="How much the words count.")] = 4.0,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1; left out, a GPU where there is one.")] = None,
    out: Annotated[Path, typer.Option(help="Where the JSON goes; the page gets its name with .html.")] = Path(
        "evaluation.json"
    ),
) -> None:
    """Say how good a model is, with intervals, as JSON and as a page with the pictures behind the numbers.

    Distances to held-out pictures, agreement with prompts, and the loss on what is held out, by noise level. Real
    pictures and ones that are wrong on purpose stand beside the model's, so that the numbers can be judged. The same
    arguments give the same bytes on the same machine.

    Example: byline evaluate demo/run demo/corpus/releases/demo --out demo/evaluation.json
    """
    from byline.catalog.configs.extras import needs
    from byline.catalog.configs.loading import parse_config
    from byline.catalog.corpora.manifest import Release
    from byline.catalog.corpora.written import note_written
    from byline.catalog.errors import ConfigError

    if out.suffix == ".html":
        raise ConfigError(f"--out {out} names the page, and it takes the JSON; write --out {out.with_suffix('.json')}")
    with needs("train", "byline evaluate"):
        from byline.diffusion.configs import SamplingConfig
        from byline.diffusion.sampling import default_device
        from byline.evaluation.evaluating import Choices, evaluate_checkpoint
        from byline.evaluation.telling import as_plain_data, command_of
        from byline.reports.evaluation_page import evaluation_page

    settings = {"seed": seed, "sampler": sampler, "num_inference_steps": steps, "guidance_scale": guidance_scale}
    choices = Choices(
        measures=tuple(dict.fromkeys(measures or ())),
        features=features,
        num_samples=samples,
        scorer=scorer,
        controls=controls,
        sampling=parse_config(settings, SamplingConfig, where="byline evaluate"),
    )
    opened = Release(release)
    with bar() as progress:

        def begin(stage: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(stage, total=total)
            return lambda more: progress.advance(task, more)

        evaluation = evaluate_checkpoint(checkpoint, opened, choices, device=device or default_device(), begin=begin)
    plain_data = as_plain_data(evaluation, command_of(checkpoint, release, choices))
    page = out.with_suffix(".html")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(plain_data, indent=2) + "\n", encoding="utf-8")
    page.write_text(evaluation_page(evaluation, plain_data), encoding="utf-8")
    note_written(opened.store, str(page), "byline evaluate", version=opened.version)
    for report in plain_data["reports"]:
        low, high = report["interval"]
        print(f"{report['value']:9.4f}  [{low:.4f}, {high:.4f}]  {report['claim'].split(';')[0]}")
    for refused in plain_data["refused"]:
        print(f"        -  {refused['reason']}")
    print(f"{out} and {page} (checkpoint {evaluation.checkpoint.digest[:12]})")
