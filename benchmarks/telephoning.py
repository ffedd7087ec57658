"""Does telephoning help? python -m benchmarks.telephoning FOLDER [--seeds 3] [--images 9600]

`byline build` makes a release of the demo's pictures for each arm of `harness/telephoning.toml`: with the sources' own
titles, a model's caption, both, several of a model. Pictures and split are the same, or nothing is trained. `byline
train` fits one small model to each, which then draws for the titles of held-out pictures, and for captions that it was
trained on. One scorer judges all of them: it learned from held-out pictures that no model saw and no prompt is of. A
row goes to telephoning.jsonl as soon as it is there; the same command goes on after any stop, and leaves out what has a
row. With --seeds 0 it writes the section of the rows that are there.
"""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks.side_by_side import write_section
from byline.audits.memorization import nearest_training_pictures
from byline.catalog.corpora.manifest import Release
from byline.catalog.digests import digest_of
from byline.catalog.errors import ConfigError
from byline.diffusion.configs import SamplingConfig
from byline.diffusion.sampling import TextToImage
from byline.evaluation.agreed import Agreed, agree
from byline.evaluation.features import DEFAULT, Features, load_features
from byline.evaluation.measures import Measured, compare
from byline.evaluation.pictures import Pictures, read_pictures
from byline.evaluation.report import Floats
from byline.evaluation.scorers import CARD, TrainedScorer, load_scorer, train_scorer
from harness.extraction import Bytes, are_copies, count
from harness.recipes import OF_ROWS, config_of, recipes
from harness.rows import Row, append_rows, byline, read_rows, to_do
from harness.run_configs import write_toml
from harness.telephoned import answer, captioner_of, differences_of, of_which_weights, table_of
from harness.telephoning import (
    about_captions,
    arms,
    captioned_in,
    captioner_digest,
    draw_captions,
    require_same_pictures,
    write_corpora,
    write_judges_corpus,
)

ROWS = Path(__file__).with_suffix(".jsonl")
RANKS = 2
"""Processes that train, and threads that draw."""
SEED = 0
"""Of the scorer, of intervals, and of the captions that are drawn from, whatever the seed of a model."""
Setup = dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Judge:
    """What looks at the pictures of all models, and what it compares them with."""

    scorer: TrainedScorer
    features: Features
    prompts: Pictures
    """The held-out pictures whose titles are the prompts."""
    held_out_ND: Floats  # noqa: N815
    """The features of all held-out pictures."""
    training: Bytes
    """The pictures that all models train on, by digest."""


def main() -> None:
    """Train what has no row yet."""
    parser = ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3, help="0 trains nothing, and writes what there is")
    parser.add_argument("--images", type=int, default=9_600)
    parser.add_argument("--prompts", type=int, default=240, help="titles of held-out pictures that are drawn")
    parser.add_argument("--pictures", type=int, default=128, help="training pictures whose captions are drawn")
    parser.add_argument("--draws", type=int, default=2, help="pictures for each of these")
    given = parser.parse_args()
    setup = {name: getattr(given, name) for name in ("images", "prompts", "pictures", "draws")}
    torch.set_num_threads(RANKS)
    done = [row for row in _alike(setup) if captioner_of(row) == captioner_digest()]
    if left := list(to_do(arms(), given.seeds, done)):
        folder = given.folder.resolve()
        releases = build_releases(folder)
        judge = make_judge(releases["titles"], folder, num_prompts=setup["prompts"])
        for arm, seed in left:
            row = row_of(arm, releases[arm], judge, folder, setup, seed=seed)
            append_rows(ROWS, [row])
            print(json.dumps({name: value for name, value in row.items() if name != "ranks"}), flush=True)
    if not (rows := _alike(setup)):
        parser.error("there are no rows of these options; leave out --seeds 0")
    options = " ".join(f"--{name} {number}" for name, number in {"seeds": _num_seeds(rows), **setup}.items())
    words = {name: arm["words"] for name, arm in arms().items()}
    write_section(
        "Telephoning: titles and synthetic captions",
        f"python -m benchmarks.telephoning FOLDER {options}",
        "\n\n".join([answer(rows, words), explained(rows), table_of(rows, words), differences_of(rows, words)]),
    )


def _alike(setup: Setup) -> list[Row]:
    """Return the rows of these options and of one captioner, the newest row's."""
    rows = [row for row in read_rows(ROWS) if all(row[name] == number for name, number in setup.items())]
    return [row for row in rows if captioner_of(row) == captioner_of(rows[-1])]


def _num_seeds(rows: list[Row]) -> int:
    return len({row["seed"] for row in rows})


def build_releases(folder: Path) -> dict[str, Release]:
    """Build a release for each arm. Raises `CorpusError` when their pictures or splits differ."""
    releases = {}
    for arm, config in write_corpora(folder).items():
        byline("build", str(config))
        releases[arm] = Release(str(folder / "corpus/releases" / arm))
    require_same_pictures(releases)
    return releases


def make_judge(titles: Release, folder: Path, *, num_prompts: int) -> Judge:
    """Return the judge; its scorer is trained once, and kept."""
    side_px = int(recipes()[OF_ROWS]["resolution_px"])
    held_out = read_pictures(titles, "heldout", side_px=side_px)
    features = load_features(DEFAULT, device="cpu")
    return Judge(
        scorer=_scorer(titles, folder / f"judge-{num_prompts}", num_prompts=num_prompts, side_px=side_px),
        features=features,
        prompts=replace(
            held_out,
            pixels_nchw=held_out.pixels_nchw[:num_prompts],
            facts=held_out.facts[:num_prompts],
            captions=held_out.captions[:num_prompts],
        ),
        held_out_ND=features.of(held_out.pixels_nchw),
        training=read_pictures(titles, "train", side_px=side_px).pixels_nchw,
    )


def _scorer(titles: Release, folder: Path, *, num_prompts: int, side_px: int) -> TrainedScorer:
    if not (folder / "scorer" / CARD).exists():
        byline("build", str(write_judges_corpus(folder, titles, prompts=num_prompts)))
        release = Release(str(folder / "corpus/releases/judge"))
        train_scorer(release, side_px=side_px, seed=SEED, device="cpu", begin=_untold).save(folder / "scorer")
    scorer = load_scorer(str(folder / "scorer"), device="cpu")
    assert isinstance(scorer, TrainedScorer), "the card is of one"
    return scorer


def _untold(stage: str, total: int) -> Callable[[int], None]:
    return lambda more: None


def row_of(arm: str, release: Release, judge: Judge, folder: Path, setup: Setup, *, seed: int) -> Row:
    """Train a model and measure it; go on with what is there."""
    start = perf_counter()
    run = folder / f"{arm}-{seed}-{setup['images']}"
    release_url = f"{release.store.root}/{release.path}"
    config = config_of(recipes()[OF_ROWS], release_url, run, seed=seed, images=setup["images"], num_ranks=RANKS)
    byline("train", str(write_toml(run.with_suffix(".toml"), config)))
    trained = perf_counter()
    model = TextToImage.load(run)
    sampling = SamplingConfig(seed=1_000_000 * seed)
    drawn = model.sample(list(judge.prompts.captions), sampling).numpy()
    row = {
        "arm": arm,
        "seed": seed,
        **setup,
        **about_captions(captioned_in(release)),
        **_agreement(drawn, judge),
        **_distance(drawn, judge),
        "held_out_copies": sum(near.is_copy for near in nearest_training_pictures(drawn, judge.training)),
        **_memory(model, release, judge, setup, sampling),
        "config": digest_of(config.identity()),
        "release": release.manifest.digest,
        "checkpoint": model.info.digest,
    }
    return {**row, "train_s": round(trained - start), "measure_s": round(perf_counter() - trained)}


def _agreement(drawn: Bytes, judge: Judge) -> dict[str, Any]:
    """Return how far pictures agree with prompts. Raises `ConfigError` when the scorer cannot judge real ones."""
    agreed = agree(drawn, judge.prompts.captions, judge.prompts, judge.scorer, seed=SEED, begin=_untold)
    if not isinstance(agreed, Agreed):
        raise ConfigError(agreed.reason)
    return {
        "scorer": agreed.scorer,
        "scorer_digest": agreed.digest,
        "different_prompts": agreed.drawn.num_prompts,
        "real_ranks": agreed.real.ranks,
        "ranks": agreed.drawn.ranks,
    }


def _distance(drawn: Bytes, judge: Judge) -> dict[str, Any]:
    seen = judge.features.of(drawn)
    (kid,) = compare(judge.held_out_ND, seen, judge.features, measures=["kid"], seed=SEED)
    if not isinstance(kid, Measured):
        raise ConfigError(kid.reason)
    return {"kid": kid.value, "kid_interval": kid.interval, "references": kid.num_references}


def _memory(
    model: TextToImage, release: Release, judge: Judge, setup: Setup, sampling: SamplingConfig
) -> dict[str, Any]:
    """Draw for captions of the first training pictures, and count those that are given back."""
    pictures, draws = captioned_in(release)[: setup["pictures"]], setup["draws"]
    drawn = model.sample(draw_captions(pictures, draws=draws, seed=SEED), sampling).numpy()
    own = [number for number in range(len(pictures)) for _ in range(draws)]
    (counted,) = count([1] * len(pictures), are_copies(drawn, own, judge.training))
    any_copies = sum(near.is_copy for near in nearest_training_pictures(drawn, judge.training))
    return {**{name: counted[name] for name in ("extracted", "drawn", "copied")}, "any_copies": any_copies}


def explained(rows: list[Row]) -> str:
    """Say how it was measured, from the rows."""
    return f"{_trained(rows)}\n\n{_judged(rows)}"


def _trained(rows: list[Row]) -> str:
    first, seeds = rows[0], _num_seeds(rows)
    synthetic = next((row for row in rows if row["arm"] == "synthetic"), first)
    return (
        f"Recipe {OF_ROWS} (harness/recipes.toml) on {first['images']:,} images of {first['trained_on']:,} pictures, "
        f"{seeds} seed{'s' * (seeds > 1)}: **models this short are far from trained**, and what captions do for a "
        "trained one may be otherwise. tiny-blip2 is far from BLIP-2, and its card says that it learned from the "
        f"titles of these very pictures: of {first['captioner_learned']:,} of the {first['trained_on']:,} pictures. "
        f"{of_which_weights(first, captioner_digest())} "
        f"One caption a picture, they are {synthetic['different_captions']:,} different ones, of word F1 "
        f"{synthetic['word_f1']:.3f} with the titles; the card has that of random titles. "
        f"Prompts are the titles of {first['prompts']} held-out pictures, so those who trained on titles are asked in "
        "the words that they know."
    )


def _judged(rows: list[Row]) -> str:
    first, others = rows[0], rows[0]["different_prompts"] - 1
    real = 1 - (np.array(first["real_ranks"]) - 1).mean() / others
    copies, prompts = (sum(row[name] for row in rows) for name in ("held_out_copies", "prompts"))
    return (
        f"Agreement is the share of the {others} other prompts from which a picture is farther than from its own; by "
        f"chance it is half, and real pictures have {real:.3f}. One scorer judges all: {first['scorer']}, which holds "
        "held-out pictures of no prompt, seen by no model. KID is to all "
        f"{first['references']:,} held-out pictures. Each model is asked for {first['pictures']} training pictures, "
        f"with {first['draws']} draws for captions that it was trained on. One is given back when a draw is a copy of "
        "it, and nearer to it than to any other; a draw is a copy when it is one of any training picture. So are "
        f"{copies:,} of {prompts:,} drawings for held-out titles. Intervals of 95 % are over prompts and seeds, for "
        "KID over seeds, and for copies exact; nothing allows for how many there are. Differences are paired by prompt "
        "and seed, but for copies."
    )


if __name__ == "__main__":
    main()
