"""Recipes at equal cost: python -m benchmarks.speedrun RELEASE FOLDER [--core-seconds 600] [--seeds 1] [--only NAME]

Cost is counted in seconds of one core, since what a clock says on a machine that does other things too says nothing.
What an image costs is measured before: a forward and a backward pass and a step, on one thread. Each recipe then trains
on as many images as its cost allows, by `byline train` with one rank, and is measured by `byline evaluate`. A row goes
to speedrun.jsonl as soon as it is there; the same command goes on after any stop, and leaves out what has a row.
Grids, of the same prompts and seeds and not picked, are in FOLDER/<recipe>-<seed>/samples.
"""

import json
import subprocess
import sys
from argparse import ArgumentParser
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
from harness.recipes import EVERY, config_of, recipes, to_do
from harness.run_configs import write_toml

ROWS = Path(__file__).with_suffix(".jsonl")
WARM, TIMED = 2, 8
"""Steps before an image's cost is measured, and steps that are measured."""
COLUMNS = ("recipe", "parameters", "images", "core-ms an image", "held-out error", "KID", "95 %")


def core_s_per_image(config: DiffusionRun) -> float:
    """Return the seconds of one core that training on an image takes: the median of some steps."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = build_network(config)
    optimizer = build_optimizer(network, config.optimizer, zero_stage=0)
    inputs = [torch.rand_like(tensor) if tensor.is_floating_point() else tensor for tensor in _inputs(config)]
    seconds = []
    for _ in range(WARM + TIMED):
        before = process_time()
        network(*inputs).backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(process_time() - before)
    return median(seconds[WARM:]) / config.batch_size


def _inputs(config: DiffusionRun) -> tuple[torch.Tensor, ...]:
    x0, _, t, text = empty_inputs(config, config.batch_size)
    return x0, torch.empty_like(x0), t + 500, text


def row_of(name: str, table: dict[str, Any], release: str, folder: Path, *, seed: int, core_s: int) -> dict[str, Any]:
    """Train and measure a recipe; go on with what is there."""
    run, path = folder / f"{name}-{seed}", folder / f"{name}-{seed}.toml"
    if not path.exists():  # else it goes on with as many images as were reckoned then
        run.mkdir(parents=True, exist_ok=True)
        each = core_s_per_image(config_of(table, release, run, seed=seed, images=10 * EVERY))
        images = max(1, int(core_s / each) // EVERY) * EVERY
        write_toml(path, config_of(table, release, run, seed=seed, images=images))
    config = load_train_config(path)
    assert isinstance(config, DiffusionRun)
    _byline("train", str(path))
    report_path = run / "evaluation.json"
    _byline("evaluate", str(run), release, "--measures", "kid", "--no-controls", "--out", str(report_path))
    (kid,) = (report for report in json.loads(report_path.read_text())["reports"] if "KID" in report["claim"])
    held_out = json.loads((run / "validation.jsonl").read_text().splitlines()[-1])
    return {
        "recipe": name,
        "seed": seed,
        "core_s": core_s,
        "config": digest_of(config.identity()),
        "parameters": sum(weight.numel() for weight in build_network(config).parameters()),
        "images": config.images,
        "core_s_per_image": core_s / config.images,
        "held_out": held_out["levels"],
        "kid": kid["value"],
        "kid_interval": kid["interval"],
    }


def _byline(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "byline.cli.main", *arguments], check=True)


def rows() -> list[dict[str, Any]]:
    """Return the rows that are there."""
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def table_of(results: list[dict[str, Any]]) -> str:
    """Return a Markdown table, the least KID first."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for row in sorted(results, key=lambda row: float(row["kid"])):
        error = sum(row["held_out"]) / len(row["held_out"])
        low, high = row["kid_interval"]
        cells = [f"{row['recipe']}, seed {row['seed']}", f"{row['parameters'] / 1e6:.1f} M", f"{row['images']:,}"]
        cells += [
            f"{1e3 * row['core_s_per_image']:.1f}",
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
    parser.add_argument("--core-seconds", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], choices=list(recipes()))
    given = parser.parse_args()
    tables, folder, core_s = recipes(), given.folder.resolve(), given.core_seconds
    folder.mkdir(parents=True, exist_ok=True)
    load_features(DEFAULT, device="cpu")  # what is not installed is told now, and not when a recipe is trained
    for name, seed in to_do(given.seeds, core_s, given.only, rows()):
        row = row_of(name, tables[name], str(Path(given.release).resolve()), folder, seed=seed, core_s=core_s)
        with ROWS.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)
    results = [row for row in rows() if row["core_s"] == core_s]
    write_section(
        f"Recipes at equal cost, {core_s} seconds of a core",
        f"python -m benchmarks.speedrun RELEASE FOLDER --core-seconds {core_s} --seeds {given.seeds}",
        table_of(results),
    )


if __name__ == "__main__":
    main()
