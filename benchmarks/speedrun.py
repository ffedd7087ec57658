"""Recipes at equal cost: python -m benchmarks.speedrun RELEASE FOLDER [--demo-images 38400] [--seeds 1] [--only NAME]

Every recipe may cost as much as the demo's network costs on so many images. What an image costs, against one of the
demo's network, is the ratio of forward and backward passes and steps of both, one after the other on one thread: other
work on the machine slows both alike. Networks and batches that are the demo's cost what the demo's cost. Each recipe
then trains by `byline train` with one rank, and is measured by `byline evaluate`. A row goes to speedrun.jsonl as soon
as it is there; the same command goes on after any stop, and leaves out what has a row. Grids, of the same prompts and
seeds and not picked, are in FOLDER/<recipe>-<seed>/samples.
"""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import torch

from benchmarks.side_by_side import write_section
from byline.catalog.digests import digest_of
from byline.evaluation.features import DEFAULT, load_features
from byline.training.config import DiffusionRun, load_train_config
from byline.training.estimate import build_network, empty_inputs
from byline.training.optimizers import build_optimizer
from harness.recipes import EVERY, config_of, recipes
from harness.rows import append_rows, byline, read_rows, to_do
from harness.run_configs import write_toml

ROWS = Path(__file__).with_suffix(".jsonl")
WARM, TIMED = 2, 8
"""Steps before an image's cost is measured, and steps that are measured."""
COLUMNS = ("recipe", "parameters", "cost of an image", "images", "held-out error", "KID", "95 %")


def relative_cost(config: DiffusionRun, demo: DiffusionRun) -> float:
    """Return the processor time that training on an image takes, divided by what an image of the demo takes.

    The mean over the images of the phases.
    """
    starts = (0, *(phase.from_images for phase in config.phases))
    return sum(
        (config.end_of_phase(start) - start) / config.images * _relative_cost(config.at(start), demo)
        for start in starts
    )


def _relative_cost(config: DiffusionRun, demo: DiffusionRun) -> float:
    """Return the ratio of medians over steps that are taken in turns."""
    if _costs(config) == _costs(demo):
        return 1.0
    torch.set_num_threads(1)
    steps = [_stepper(config), _stepper(demo)]
    seconds: list[list[float]] = [[], []]
    for _ in range(WARM + TIMED):
        for step, taken in zip(steps, seconds, strict=True):
            before = process_time()
            step()
            taken.append(process_time() - before)
    each, of_demo = (median(taken[WARM:]) for taken in seconds)
    return (each / config.batch_size) / (of_demo / demo.batch_size)


def _costs(config: DiffusionRun) -> tuple[object, ...]:
    losses = config.routing, config.dispersive_loss
    return config.unet, config.transformer, *losses, config.batch_size, config.autoencoder, config.optimizer.name


def _stepper(config: DiffusionRun) -> Callable[[], None]:
    """Return a function that does a forward and a backward pass and a step."""
    torch.manual_seed(0)
    network = build_network(config)
    optimizer = build_optimizer(network, config.optimizer, zero_stage=0)
    inputs = [torch.rand_like(tensor) if tensor.is_floating_point() else tensor for tensor in _inputs(config)]

    def step() -> None:
        network(*inputs).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _inputs(config: DiffusionRun) -> tuple[torch.Tensor, ...]:
    x0, noise, t, *rest = empty_inputs(config, config.batch_size)
    return x0, noise, t + 500, *rest


def row_of(
    name: str, table: dict[str, Any], release: str, folder: Path, *, seed: int, demo_images: int
) -> dict[str, Any]:
    """Train and measure a recipe; go on with what is there."""
    run, path = folder / f"{name}-{seed}", folder / f"{name}-{seed}.toml"
    if not path.exists():  # else it goes on with as many images as were reckoned then
        run.mkdir(parents=True, exist_ok=True)
        demo, alike = (
            config_of(each, release, run, seed=seed, images=100 * EVERY) for each in (recipes()["demo"], table)
        )
        cost = relative_cost(alike, demo)
        images = max(1, round(demo_images / cost / EVERY)) * EVERY
        write_toml(path, config_of(table, release, run, seed=seed, images=images))
    config = load_train_config(path)
    assert isinstance(config, DiffusionRun)
    byline("train", str(path))
    report_path = run / "evaluation.json"
    byline("evaluate", str(run), release, "--measures", "kid", "--no-controls", "--out", str(report_path))
    (kid,) = (report for report in json.loads(report_path.read_text())["reports"] if "KID" in report["claim"])
    held_out = json.loads((run / "validation.jsonl").read_text().splitlines()[-1])
    return {
        "recipe": name,
        "seed": seed,
        "demo_images": demo_images,
        "config": digest_of(config.identity()),
        "parameters": sum(weight.numel() for weight in build_network(config).parameters()),
        "images": config.images,
        "held_out": held_out["levels"],
        "kid": kid["value"],
        "kid_interval": kid["interval"],
    }


def table_of(results: list[dict[str, Any]]) -> str:
    """Return a Markdown table, the least KID first."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for row in sorted(results, key=lambda row: float(row["kid"])):
        error = sum(row["held_out"]) / len(row["held_out"])
        low, high = row["kid_interval"]
        cells = [f"{row['recipe']}, seed {row['seed']}", f"{row['parameters'] / 1e6:.1f} M"]
        cells += [
            f"{row['demo_images'] / row['images']:.2f}",
            f"{row['images']:,}",
            f"{error:.4f}",
            f"{row['kid']:.4f}",
            f"{low:.4f} to {high:.4f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Train what has no row yet."""
    parser = ArgumentParser()
    parser.add_argument("release")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--demo-images", type=int, default=38_400)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], choices=list(recipes()))
    given = parser.parse_args()
    tables, folder, images = recipes(), given.folder.resolve(), given.demo_images
    folder.mkdir(parents=True, exist_ok=True)
    load_features(DEFAULT, device="cpu")  # what is not installed is told now, and not when a recipe is trained

    def alike() -> list[dict[str, Any]]:
        return [row for row in read_rows(ROWS) if row["demo_images"] == images]

    for name, seed in to_do(given.only or tables, given.seeds, alike(), key="recipe"):
        row = row_of(name, tables[name], str(Path(given.release).resolve()), folder, seed=seed, demo_images=images)
        append_rows(ROWS, [row])
        print(json.dumps(row), flush=True)
    write_section(
        f"Recipes at equal cost, that of {images:,} images of the demo's network",
        f"python -m benchmarks.speedrun RELEASE FOLDER --demo-images {images} --seeds {given.seeds}",
        table_of(alike()),
    )


if __name__ == "__main__":
    main()
