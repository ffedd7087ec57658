"""How well a CLIP finds held-out pictures by their captions, and captions by their pictures, beside chance.

python -m byline.evaluation.retrieval demo/corpus/releases/demo demo/text-encoder-model
"""

# Shapes: N pictures with their captions.

import sys
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import BylineError
from byline.evaluation.clip_scorer import ClipScorer
from byline.evaluation.pictures import read_pictures
from byline.evaluation.report import Floats, Report, proportion_interval

FIRST = (1, 5)
"""How many of the best are looked at, for one that is right."""
SEED = 0


def found_among(similarities_NN: Floats, captions: Sequence[str], first: int) -> npt.NDArray[np.bool_]:
    """Return, for each row, whether one of the `first` most similar columns has the row's caption.

    Equal captions are all right.
    """
    texts = np.array(captions)
    best = np.argsort(similarities_NN, axis=1, kind="stable")[:, ::-1][:, :first]
    is_found: npt.NDArray[np.bool_] = (texts[best] == texts[:, None]).any(axis=1)
    return is_found


def by_chance(captions: Sequence[str], first: int) -> float:
    """Return how often one of `first` columns taken at random has the row's caption."""
    texts, total = np.array(captions), len(captions)
    shares = []
    for same in (texts[:, None] == texts).sum(1).tolist():
        missed = [(total - same - taken) / (total - taken) for taken in range(min(first, total))]
        shares.append(1 - float(np.prod(np.maximum(missed, 0))))
    return float(np.mean(shares))


def measure_retrieval(release_url: str, model: str) -> Iterator[Report]:
    """Yield the share of held-out captions whose picture is among the first, and of pictures whose caption is."""
    release, scorer = Release(release_url), ClipScorer.load(model, device="cpu")
    pictures = read_pictures(release, "heldout", side_px=scorer.features.tower.side_px)
    similarities_NN = scorer.similarities(pictures.pixels_nchw, pictures.captions)
    for what, table in {"captions, a picture": similarities_NN.T, "pictures, a caption": similarities_NN}.items():
        for first in FIRST:
            is_found = found_among(table, pictures.captions, first)
            chance = by_chance(pictures.captions, first)
            yield Report(
                claim=f"share of held-out {what} of which is among the first {first}; by chance {chance:.4f}",
                value=float(is_found.mean()),
                interval=proportion_interval(int(is_found.sum()), len(is_found)),
                n=len(is_found),
                seed=SEED,
                digests={"release": release.manifest.digest, "model": scorer.digest},
                command=f"python -m byline.evaluation.retrieval {release_url} {model}",
            )


if __name__ == "__main__":
    try:
        for report in measure_retrieval(*sys.argv[1:]):
            print(report.to_json())
    except BylineError as error:
        sys.exit(f"byline: {error}")
