"""How far two sets are under a kernel: the unbiased squared maximum mean discrepancy (Gretton et al. 2012).

KID is that of the cubic kernel (Binkowski et al. 2018), CMMD that of a Gaussian one on CLIP's image tower (Jayasumana
et al. 2024).
"""

# Shapes: N and M pictures, D features, R resamples.

from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import cdist

from byline.evaluation.report import Floats

RESAMPLES = 1000
CMMD_WIDTH, CMMD_SCALE = 10.0, 1000.0
Kernel = Callable[[Floats, Floats], Floats]


def cubic(x_ND: Floats, y_MD: Floats) -> Floats:
    """Return `(x.y / D + 1)^3`."""
    kernel: Floats = (x_ND @ y_MD.T / x_ND.shape[1] + 1) ** 3
    return kernel


def gaussian(width: float) -> Kernel:
    """Return the kernel `exp(-|x - y|^2 / 2 width^2)`."""

    def kernel(x_ND: Floats, y_MD: Floats) -> Floats:
        similarities: Floats = np.exp(-cdist(x_ND, y_MD, "sqeuclidean") / (2 * width**2))
        return similarities

    return kernel


def median_distance(x_ND: Floats) -> float:
    """Return the median distance between two rows: the width of a Gaussian that sees their spread."""
    return float(np.median(cdist(x_ND, x_ND)[np.triu_indices(len(x_ND), 1)]))


def unit(x_ND: Floats) -> Floats:
    """Return the rows at length 1."""
    rows: Floats = x_ND / np.linalg.norm(x_ND, axis=1, keepdims=True).clip(1e-12)
    return rows


def kernel_distance(x_ND: Floats, y_MD: Floats, kernel: Kernel = cubic) -> float:
    """Return the unbiased squared discrepancy. Its mean is 0 when both come from one distribution: it may be below."""
    n, m = len(x_ND), len(y_MD)
    return float(_distances(x_ND, y_MD, kernel, np.ones((1, n)), np.ones((1, m)))[0])


def kernel_interval(x_ND: Floats, y_MD: Floats, kernel: Kernel = cubic, *, seed: int) -> tuple[float, float]:
    """Return the 95 % interval by resampling pictures of both sides. Two copies of one picture make no pair."""
    random = np.random.default_rng(seed)
    draws = [random.multinomial(len(x), np.full(len(x), 1 / len(x)), RESAMPLES).astype(float) for x in (x_ND, y_MD)]
    low, high = np.quantile(_distances(x_ND, y_MD, kernel, *draws), [0.025, 0.975])
    return float(low), float(high)


def _distances(x_ND: Floats, y_MD: Floats, kernel: Kernel, times_RN: Floats, times_RM: Floats) -> Floats:
    """Return the discrepancy of each resample, in which a picture counts so many times."""
    between = np.einsum("rn,rn->r", times_RN, times_RM @ kernel(y_MD, x_ND)) / (len(x_ND) * len(y_MD))
    distances: Floats = _within(kernel(x_ND, x_ND), times_RN) + _within(kernel(y_MD, y_MD), times_RM) - 2 * between
    return distances


def _within(kernel_NN: Floats, times_RN: Floats) -> Floats:
    """Return the mean of the kernel over pairs of different pictures."""
    np.fill_diagonal(kernel_NN, 0)
    pairs = times_RN.sum(1) ** 2 - (times_RN**2).sum(1)
    means: Floats = np.einsum("rn,rn->r", times_RN, times_RN @ kernel_NN) / pairs
    return means
