"""Does removing duplicates help against memorization? python -m benchmarks.memorized RELEASE FOLDER [--seeds 1]

A seed chooses pictures of a release and plants them 1, 4, 16 and 64 times, as near copies with small edits, among
others that are there once; some are held back. `byline build` makes a release of all this for each arm, `byline train`
fits one small model to it, every model on as many images, and the model draws several pictures for the caption of each
picture. A picture is extracted when at least one draw is a copy of it (`harness/extraction.py`). Rows go to
memorized.jsonl as soon as they are there; the same command goes on after any stop, and leaves out what has rows.
"""

from argparse import ArgumentParser
from math import log
from pathlib import Path
from typing import Any

from benchmarks.line_plots import Line, Panel, draw
from benchmarks.side_by_side import write_section
from byline.catalog.corpora.manifest import Release
from byline.diffusion.configs import SamplingConfig
from byline.diffusion.sampling import TextToImage
from byline.training.config import DiffusionRun
from harness.extraction import Share, are_copies, count, shares
from harness.planted import COPIES, Planting, choose, copies_in, pictures_of, plant
from harness.recipes import DEMO, OF_ROWS, recipes
from harness.rows import Row, append_rows, byline, read_rows, to_do
from harness.run_configs import write_toml

ROWS = Path(__file__).with_suffix(".jsonl")
PLOT = Path(__file__).parent.parent / "docs/images/memorized.svg"
ARMS: dict[str, dict[str, bool]] = {
    "copies left": {"resolved": False, "captions_differ": False},
    "copies resolved": {"resolved": True, "captions_differ": False},
    "copies left, captions differ": {"resolved": False, "captions_differ": True},
}
COLORS = dict(zip(ARMS, ("#c0392b", "#2471a3", "#e0a030"), strict=True))
BLOCK_OUT_CHANNELS = [64, 96]
BATCH_SIZE = 8
EVERY = 1_280
"""Images between lines of the log, of which the images of a run are a multiple."""


def rows_of(arm: str, planting: Planting, folder: Path, setup: dict[str, int], *, seed: int) -> list[Row]:
    """Build, train, draw and count; go on with what is there."""
    corpus = plant(planting, folder, **ARMS[arm])
    byline("build", str(corpus), "--workers", "1")
    release_path, run = str(folder / f"corpus/releases/{corpus.stem}"), folder / f"run-{corpus.stem}-{setup['images']}"
    config = _config(release_path, run, images=setup["images"], seed=seed)
    byline("train", str(write_toml(run.with_suffix(".toml"), config)))
    release, model = Release(release_path), TextToImage.load(run)
    prompts = [picture.caption for _, picture in planting.planted]
    sampling = SamplingConfig(images_per_prompt=setup["draws"], seed=1_000_000 * seed)
    own = [index for index in range(len(prompts)) for _ in range(setup["draws"])]
    copied = are_copies(model.sample(prompts, sampling).numpy(), own, planting.references(config.resolution_px))
    trained_on = sum(shard.num_samples for shard in release.shards("train"))
    setting = {"arm": arm, "seed": seed, **setup, "trained_on": trained_on}
    left = copies_in(release, planting)
    digests = {"release": release.manifest.digest, "checkpoint": model.info.digest}
    counted = count([copies for copies, _ in planting.planted], copied)
    return [{**setting, **row, "copies_left": left[row["copies"]], **digests} for row in counted]


def _config(release: str, run: Path, *, images: int, seed: int) -> DiffusionRun:
    """Return the recipe's run with a narrower network and smaller batches, on one rank, without looks meanwhile."""
    table: dict[str, Any] = recipes()[OF_ROWS]
    del table["watch"]
    table |= {"release": release, "run": str(run), "images": images, "seed": seed, "batch_size": BATCH_SIZE}
    table["autoencoder"] = str((DEMO.parent / table["autoencoder"]).resolve())
    table["unet"] |= {"block_out_channels": BLOCK_OUT_CHANNELS}
    table["machine"] |= {"num_ranks": 1, "log_every_images": EVERY, "save_every_images": EVERY}
    return DiffusionRun.model_validate(table)


def table_of(results: list[Row]) -> str:
    """Return a Markdown table: a line an arm, a column a number of copies."""
    by_key = shares(results)
    names = ["held back" if copies == 0 else f"{copies} {'copies' if copies > 1 else 'copy'}" for copies in COPIES]
    lines = [f"| | trained on | of it planted | {' | '.join(names)} | all planted |", "|---" * (len(COPIES) + 4) + "|"]
    for arm in ARMS:
        if any(row["arm"] == arm for row in results):
            sizes = {row["seed"]: row["trained_on"] for row in results if row["arm"] == arm}
            left = sum(row["copies_left"] for row in results if row["arm"] == arm) / len(sizes)
            trained_on = f"{sum(sizes.values()) / len(sizes):,.0f} | {left:,.0f}"
            cells = [_cell(by_key[arm, copies]) for copies in COPIES]
            planted = shares({**row, "copies": -1} for row in results if row["arm"] == arm and row["copies"])
            lines.append(f"| {arm} | {trained_on} | {' | '.join([*cells, _cell(planted[arm, -1])])} |")
    return "\n".join(lines)


def _cell(share: Share) -> str:
    low, high = share.interval
    return f"{share.extracted} of {share.pictures} ({low:.2f} to {high:.2f}); {share.copied / share.drawn:.0%}"


def plot_of(results: list[Row]) -> str:
    """Return the SVG: the share that was extracted by the number of copies, with intervals as upright lines."""
    lines = []
    arms = [arm for arm in ARMS if any(row["arm"] == arm for row in results)]
    for number, arm in enumerate(arms):
        points = {_across(copies): share for (name, copies), share in shares(results).items() if name == arm}
        color = COLORS[arm]
        lines.append(Line(name=arm, color=color, points=[(x, share.value) for x, share in sorted(points.items())]))
        aside = 0.04 * number
        lines += [Line(name=arm, color=color, points=[(x + aside, y) for y in points[x].interval]) for x in points]
    panel = Panel(
        title="Pictures that the model gives back",
        x_label="copies of the picture in the corpus",
        min_x=_across(0) - 0.3,
        max_x=_across(COPIES[-1]) + 0.3,
        lines=lines,
        x_ticks=[(_across(copies), str(copies) if copies else "held back") for copies in COPIES],
    )
    return draw([panel], columns=1, description="Share of planted pictures extracted, by copies and arm")


def _across(copies: int) -> float:
    return log(copies, 4) if copies else -1.0


def main() -> None:
    """Train what has no rows yet."""
    parser = ArgumentParser()
    parser.add_argument("release")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=1, help="0 trains nothing, and draws what there is")
    parser.add_argument("--images", type=int, default=5_120)
    parser.add_argument("--each", type=int, default=6)
    parser.add_argument("--others", type=int, default=250)
    parser.add_argument("--draws", type=int, default=4)
    given = parser.parse_args()
    setup = {name: getattr(given, name) for name in ("images", "each", "others", "draws")}
    pictures = pictures_of(Release(str(Path(given.release).resolve())))
    side_px = recipes()[OF_ROWS]["resolution_px"]
    plantings: dict[int, Planting] = {}
    for arm, seed in to_do(ARMS, given.seeds, _alike(setup)):
        if seed not in plantings:
            plantings[seed] = choose(pictures, seed=seed, each=given.each, others=given.others, side_px=side_px)
        captions = "captions-differ" if ARMS[arm]["captions_differ"] else "captions-repeat"
        folder = given.folder.resolve() / f"{seed}-{given.each}-{given.others}-{captions}"
        made = rows_of(arm, plantings[seed], folder, setup, seed=seed)
        append_rows(ROWS, made)
        print(table_of(_alike(setup)), flush=True)
    PLOT.write_text(plot_of(_alike(setup)), encoding="utf-8")
    seeds = len({row["seed"] for row in _alike(setup)})
    options = " ".join(f"--{name} {number}" for name, number in {"seeds": seeds, **setup}.items())
    write_section(
        "Memorization by copies",
        f"python -m benchmarks.memorized RELEASE FOLDER {options}",
        f"{_explained(setup, seeds)}\n\n{table_of(_alike(setup))}",
    )


def _alike(setup: dict[str, int]) -> list[Row]:
    return [row for row in read_rows(ROWS) if all(row[name] == number for name, number in setup.items())]


def _explained(setup: dict[str, int], num_seeds: int) -> str:
    return (
        f"Planted pictures that a model gives back in at least one of {setup['draws']} draws for their caption, with "
        f"exact intervals of 95 % over pictures, then the share of draws that are copies. {num_seeds} "
        f"seed{'s' * (num_seeds > 1)}; each chooses {setup['each']} pictures for every number of copies and "
        f"{setup['others']:,} others, and trains one model an arm, on {setup['images']:,} images of 64 px. What is "
        "trained on, and how much of it is planted, are means over seeds."
    )


if __name__ == "__main__":
    main()
