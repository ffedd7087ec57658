"""What each measure says of sets whose order is known: real pictures, ones made wrong on purpose, two checkpoints.

python -m benchmarks.measures [RELEASE [EARLY_CHECKPOINT CHECKPOINT]]

Without arguments the drawings and the photographs of `samples/`, each halved at random, at 64 px; with them the
held-out side of a release against its training side, what checkpoints draw for held-out captions, and agreement.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from byline.catalog.corpora.manifest import Release
from byline.diffusion.configs import SamplingConfig
from byline.diffusion.pixels import square
from byline.diffusion.sampling import TextToImage
from byline.evaluation.agreement import Pixels, Scorer, measure_agreement, of_other_prompts
from byline.evaluation.controls import CONTROLS
from byline.evaluation.features import Features, load_features
from byline.evaluation.measures import Measured, compare
from byline.evaluation.pictures import Pictures, read_pictures
from byline.evaluation.report import Floats
from byline.evaluation.scorers import train_scorer

SIDE_PX = 64
SEED = 0
MOST = 200
"""Pictures of each half of `samples/`."""
MEASURES = ("kid", "mmd", "precision", "recall", "density", "coverage")
SAMPLES = Path(__file__).parent.parent / "samples"


def main(arguments: list[str]) -> None:
    """Print a table for each source of pictures."""
    features = load_features()
    print(f"features: {features.instrument}\n")
    if not arguments:
        for name, pattern in (("drawings", "*.png"), ("photographs", "*.jpg")):
            first, second = _halves(SAMPLES / name, pattern)
            _print_table(name, features, first, _with_controls(second))
        return
    release, checkpoints = Release(arguments[0]), arguments[1:]
    held_out, training = (read_pictures(release, split, side_px=SIDE_PX) for split in ("heldout", "train"))
    rows = np.random.default_rng(SEED).permutation(len(training.captions))[: len(held_out.captions)]
    sets = dict(_with_controls(training.pixels_nchw[rows]))
    drawn = {f"checkpoint {checkpoint}": _draw(checkpoint, held_out) for checkpoint in checkpoints}
    _print_table(release.name, features, held_out.pixels_nchw, (sets | drawn).items())
    scorer = train_scorer(release, side_px=SIDE_PX, seed=SEED, device="cpu", begin=_silent)
    _print_agreement(scorer, held_out, drawn)


def _silent(stage: str, total: int) -> Callable[[int], None]:
    return lambda _: None


def _halves(folder: Path, pattern: str) -> tuple[Pixels, Pixels]:
    """Return two sets of pictures that have none in common."""
    paths = sorted(folder.glob(pattern))
    chosen = np.random.default_rng(SEED).permutation(len(paths))[: 2 * MOST]
    pixels_NCHW = np.stack([square(paths[index].read_bytes(), SIDE_PX) for index in chosen])
    return pixels_NCHW[::2], pixels_NCHW[1::2]


def _with_controls(real_NCHW: Pixels) -> Iterator[tuple[str, Pixels]]:
    yield "other real pictures", real_NCHW
    for words, make in CONTROLS.items():
        yield words, make(real_NCHW)


def _draw(checkpoint: str, held_out: Pictures) -> Pixels:
    model = TextToImage.load(checkpoint)
    drawn: Pixels = model.sample(list(held_out.captions), SamplingConfig(seed=SEED)).numpy()
    return drawn


def _print_table(name: str, features: Features, references: Pixels, sets: Iterable[tuple[str, Pixels]]) -> None:
    references_ND: Floats = features.of(references)
    print(f"{name}: {len(references)} references\n\n| pictures | n | {' | '.join(MEASURES)} |")
    print(f"|---|---:|{'---:|' * len(MEASURES)}", flush=True)
    for words, pixels in sets:
        results = compare(references_ND, features.of(pixels), features, measures=MEASURES, seed=SEED)
        cells = [_cell(result.value, result.interval) for result in results if isinstance(result, Measured)]
        print(f"| {words} | {len(pixels)} | {' | '.join(cells)} |", flush=True)
    print()


def _print_agreement(scorer: Scorer, held_out: Pictures, drawn: dict[str, Pixels]) -> None:
    captions = list(held_out.captions)
    print(f"agreement: {scorer.what}\n\n| pictures | nearest | 5 nearest | mean cosine |\n|---|---:|---:|---:|")
    sets = {"held-out pictures, their captions": (held_out.pixels_nchw, captions)}
    sets |= {"held-out pictures, captions of others": (held_out.pixels_nchw, of_other_prompts(captions))}
    sets |= {words: (pixels, captions) for words, pixels in drawn.items()}
    for control, make in CONTROLS.items():
        sets[f"held-out pictures, {control}"] = (make(held_out.pixels_nchw), captions)
    for words, (pixels, prompts) in sets.items():
        agreement = measure_agreement(pixels, prompts, scorer, seed=SEED)
        cells = (
            _cell(agreement.first, agreement.first_interval),
            _cell(agreement.near, agreement.near_interval),
            _cell(agreement.similarity, agreement.similarity_interval),
        )
        print(f"| {words} | {' | '.join(cells)} |", flush=True)


def _cell(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.4f} [{interval[0]:.4f}, {interval[1]:.4f}]"


if __name__ == "__main__":
    main(sys.argv[1:])
