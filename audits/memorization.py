"""How close are generated pictures to training pictures? Nearest neighbors, and Carlini's adaptive score.

Carlini et al. 2023 (arXiv 2301.13188, section 5.1): `score = l2(x, nearest) / (alpha * mean l2(x, its n nearest))`,
here with `alpha = 0.5` and `n = 50`. Under 1 the nearest picture stands out from the others as a copy would. Training
pictures that look alike fill each other's neighborhood and can hide a copy, so the count is a lower bound: a release
holds one picture of each cluster of duplicates, but families (skin tones, flags) stay.

python -m byline.audits.memorization demo/corpus/releases/demo demo/run "a red circle" "a flag"
"""

# Shapes: N generated pictures, M training pictures, P values of a picture, K nearest ones.

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import BylineError
from byline.diffusion.checkpoint import require_trained_on
from byline.diffusion.configs import SamplingConfig
from byline.diffusion.sampling import TextToImage
from byline.evaluation.pictures import read_pictures
from byline.evaluation.report import Report, proportion_interval

ALPHA = 0.5
NEIGHBORS = 50
SEED = 0
Floats = npt.NDArray[np.floating[Any]]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """The training picture that is nearest to a generated one."""

    index: int
    """Index among the training pictures that were given."""
    mirrored: bool
    """Whether its mirror image is what is near."""
    l2: float
    """Root mean squared difference of pixel values in `[0, 1]`."""
    score: float
    """Carlini's adaptive score; under 1 is a copy."""

    @property
    def is_copy(self) -> bool:
        """Whether the adaptive score calls this a copy."""
        return self.score < 1


def nearest_training_pictures(generated_nchw: Bytes, training_mchw: Bytes) -> list[Nearest]:
    """Return the nearest training picture of each generated one, upright or mirrored. All have one size.

    With fewer than 50 training pictures the score is over all of them.
    """
    upright, mirrored = _rows(training_mchw), _rows(training_mchw[..., ::-1])
    generated_NP = _rows(generated_nchw)
    results = []
    for row_P, *squared in zip(
        generated_NP, _squared(generated_NP, upright), _squared(generated_NP, mirrored), strict=True
    ):
        candidates_K = np.argsort(np.minimum(*squared), kind="stable")[: NEIGHBORS + 14]
        exact_2K = np.stack([_l2(row_P, side[candidates_K]) for side in (upright, mirrored)])
        nearest_first = np.argsort(exact_2K.min(0), kind="stable")[:NEIGHBORS]
        l2_K = exact_2K.min(0)[nearest_first]
        results.append(
            Nearest(
                index=int(candidates_K[nearest_first[0]]),
                mirrored=bool(exact_2K[:, nearest_first[0]].argmin()),
                l2=float(l2_K[0]),
                score=float(l2_K[0] / max(ALPHA * l2_K.mean(), 1e-12)),
            )
        )
    return results


def _rows(pictures: Bytes) -> Floats:
    return pictures.reshape(len(pictures), -1).astype(np.float32) / 255


def _squared(x_NP: Floats, y_MP: Floats) -> Floats:
    """Return all squared distances by one matrix product: fast, but too rough for near-copies (so they are redone)."""
    squared_NM = (x_NP**2).sum(1)[:, None] + (y_MP**2).sum(1) - 2 * x_NP @ y_MP.T
    return np.asarray(squared_NM)


def _l2(row_P: Floats, others_KP: Floats) -> Floats:
    l2_K = np.sqrt(((others_KP - row_P) ** 2).mean(1))
    return np.asarray(l2_K)


def audit_memorization(
    release_url: str, checkpoint: str, prompts: list[str]
) -> tuple[Report, list[tuple[Nearest, dict[str, Any]]]]:
    """Sample the prompts and return the share of copies, and for each sample the nearest training picture.

    The dict is what the release says about that picture: its `sha256`, `license`, `creator`, ...
    """
    release = Release(release_url)
    model = TextToImage.load(checkpoint)
    require_trained_on(model.info, release)
    training = read_pictures(release, "train", side_px=model.info.resolution_px)
    generated = model.sample(prompts, SamplingConfig(seed=SEED)).numpy()
    nearest = nearest_training_pictures(generated, training.pixels_nchw)
    copies = np.array([float(neighbor.is_copy) for neighbor in nearest])
    report = Report(
        claim="share of samples that are copies of a training picture (adaptive score under 1)",
        value=float(copies.mean()),
        interval=proportion_interval(int(copies.sum()), len(copies)),
        n=len(copies),
        seed=SEED,
        digests={"release": release.manifest.digest, "checkpoint": model.info.digest},
        command=f"python -m byline.audits.memorization {release_url} {checkpoint} {' '.join(map(repr, prompts))}",
    )
    return report, [(neighbor, training.facts[neighbor.index]) for neighbor in nearest]


if __name__ == "__main__":
    try:
        summary, neighbors = audit_memorization(sys.argv[1], sys.argv[2], sys.argv[3:])
        print(summary.to_json())
        for picture, facts in neighbors:
            print(f"{picture.score:.2f} {picture.l2:.3f} {facts['sha256'][:12]} {facts['title']}, {facts['creator']}")
    except BylineError as error:
        sys.exit(f"byline: {error}")
