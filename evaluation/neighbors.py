"""Whether pictures lie among the references, and whether they reach all of them: by nearest neighbors.

Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).
"""

# Shapes: N references, M pictures, D features.

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from byline.evaluation.report import Floats

NEAREST = 5
"""How many neighbors a ball reaches to: the number of Naeem et al."""


@dataclass(frozen=True, kw_only=True)
class Neighborhoods:
    """What each picture, and each reference, contributes; the measures are the means."""

    precision: Floats
    """1 where a picture lies in the ball of some reference."""
    recall: Floats
    """1 where a reference lies in the ball of some picture."""
    density: Floats
    """Number of references in whose balls a picture lies, over `NEAREST`: 1 on the average of equal sets."""
    coverage: Floats
    """1 where the ball of a reference holds some picture: unlike recall, no outlier can pretend it."""


def neighborhoods(references_ND: Floats, pictures_MD: Floats) -> Neighborhoods:
    """Compare two sets. The ball of an item reaches to the `NEAREST`-th other item of its own set."""
    distances_NM = cdist(references_ND, pictures_MD)
    radii_N, radii_M = _radii(references_ND), _radii(pictures_MD)
    in_ball_NM = distances_NM < radii_N[:, None]
    return Neighborhoods(
        precision=in_ball_NM.any(0).astype(float),
        recall=(distances_NM < radii_M).any(1).astype(float),
        density=in_ball_NM.sum(0) / NEAREST,
        coverage=(distances_NM.min(1) < radii_N).astype(float),
    )


def _radii(x_ND: Floats) -> Floats:
    radii: Floats = np.partition(cdist(x_ND, x_ND), NEAREST, axis=1)[:, NEAREST]  # the nearest one is itself
    return radii
