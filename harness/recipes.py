"""Recipes of diffusion models that are compared at equal cost, as configs; `benchmarks/speedrun.py` trains them."""

import tomllib
from pathlib import Path
from typing import Any

from byline.training.config import DiffusionRun

RECIPES = Path(__file__).with_suffix(".toml")
"""Recipe -> what it changes of the demo's config; `"-"` takes a key away."""
DEMO = RECIPES.parent.parent / "configs/training/demo.toml"
OF_ROWS = "unet-zero-snr"
"""What `benchmarks/telephoning.py` and `benchmarks/memorized.py` train: rows compare with each other only."""
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


def config_of(
    table: dict[str, Any], release: str, folder: Path, *, seed: int, images: int, num_ranks: int = 1
) -> DiffusionRun:
    """Return the run of a recipe; it draws once, when it is done."""
    every = min(EVERY, images)
    places: dict[str, Any] = {"release": release, "run": str(folder), "seed": seed, "images": images}
    if "autoencoder" in table:
        places["autoencoder"] = str((DEMO.parent / table["autoencoder"]).resolve())
    if "phases" in table:
        places["phases"] = [_phase(phase, images) for phase in table["phases"]]
    watch = {
        "validation": {**table["watch"]["validation"], "every_images": images},
        "samples": {**table["watch"]["samples"], "every_images": images},
    }
    machine = {**table["machine"], "num_ranks": num_ranks, "log_every_images": every, "save_every_images": 10 * every}
    return DiffusionRun.model_validate({**table, **places, "watch": watch, "machine": machine})


def _phase(phase: dict[str, Any], images: int) -> dict[str, Any]:
    """Return a phase that begins after a part of the images, where a line of the log is due."""
    changes = {key: value for key, value in phase.items() if key != "from_part"}
    return {**changes, "from_images": round(phase["from_part"] * images / EVERY) * EVERY}
