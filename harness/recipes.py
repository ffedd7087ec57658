"""Recipes of diffusion models that are compared at equal cost, as configs; `benchmarks/speedrun.py` trains them."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from byline.training.config import DiffusionRun

RECIPES = Path(__file__).with_suffix(".toml")
"""Recipe -> what it changes of the demo's config; `"-"` takes a key away."""
DEMO = RECIPES.parent.parent / "configs/training/demo.toml"
EVERY = 640
"""Images between lines of the log, of which the images of a run are a multiple."""


def recipes() -> dict[str, dict[str, Any]]:
    """Return the name of each recipe and its whole config, as a table."""
    demo = tomllib.loads(DEMO.read_text())
    changed = {}
    for name, changes in tomllib.loads(RECIPES.read_text()).items():
        table = {**demo, **changes}
        changed[name] = {key: value for key, value in table.items() if value != "-"}
    return changed


def config_of(table: dict[str, Any], release: str, folder: Path, *, seed: int, images: int) -> DiffusionRun:
    """Return the run of a recipe, on one rank; it draws once, when it is done."""
    places: dict[str, Any] = {"release": release, "run": str(folder), "seed": seed, "images": images}
    if "autoencoder" in table:
        places["autoencoder"] = str((DEMO.parent / table["autoencoder"]).resolve())
    if "phases" in table:
        places["phases"] = [_phase(phase, images) for phase in table["phases"]]
    watch = {
        "validation": {**table["watch"]["validation"], "every_images": images},
        "samples": {**table["watch"]["samples"], "every_images": images},
    }
    machine = {**table["machine"], "num_ranks": 1, "log_every_images": EVERY, "save_every_images": 10 * EVERY}
    return DiffusionRun.model_validate({**table, **places, "watch": watch, "machine": machine})


def _phase(phase: dict[str, Any], images: int) -> dict[str, Any]:
    """Return a phase that begins after a part of the images, where a line of the log is due."""
    changes = {key: value for key, value in phase.items() if key != "from_part"}
    return {**changes, "from_images": round(phase["from_part"] * images / EVERY) * EVERY}


def to_do(seeds: int, demo_images: int, only: list[str], rows: list[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    """Yield recipes and seeds that have no row yet, all recipes before the next seed."""
    done = {(row["recipe"], row["seed"]) for row in rows if row["demo_images"] == demo_images}
    for seed in range(seeds):
        yield from ((name, seed) for name in only or recipes() if (name, seed) not in done)
