"""Fréchet distance of features, taken for normal distributions (Heusel et al. 2017): FID is that of Inception."""

# Shapes: N and M pictures, D features.

import numpy as np
from numpy.linalg import norm, qr, svd

from byline.evaluation.report import Floats

GROUPS = 10


def frechet_distance(x_ND: Floats, y_MD: Floats) -> float:
    """Return the squared distance `|mean difference|^2 + tr(S + T - 2 (S T)^(1/2))`.

    With `S = A'A` and `T = B'B` the trace of the root is the sum of the singular values of `A B'`: nothing is inverted,
    no root of a matrix is taken, and nothing has to be added for it to exist. Of few pictures it is too large.
    """
    a, b = _root(x_ND), _root(y_MD)
    between = norm(x_ND.mean(0) - y_MD.mean(0)) ** 2
    return float(between + norm(a) ** 2 + norm(b) ** 2 - 2 * svd(a @ b.T, compute_uv=False).sum())


def unbiased_frechet_distance(x_ND: Floats, y_MD: Floats) -> tuple[float, tuple[float, float]]:
    """Return what the distance tends to with ever more pictures, and its 95 % interval.

    The error of the plain number falls with `1 / n` (Chong & Forsyth 2020). The jackknife (Quenouille 1956), which
    leaves out every tenth picture, ten times, takes that away; the spread of the ten gives the interval.
    """
    groups = [np.arange(len(side)) % GROUPS for side in (x_ND, y_MD)]
    without = np.array(
        [frechet_distance(x_ND[groups[0] != group], y_MD[groups[1] != group]) for group in range(GROUPS)]
    )
    value = GROUPS * frechet_distance(x_ND, y_MD) - (GROUPS - 1) * without.mean()
    error = ((GROUPS - 1) / GROUPS * ((without - without.mean()) ** 2).sum()) ** 0.5
    return float(value), (float(value - 1.96 * error), float(value + 1.96 * error))


def _root(x_ND: Floats) -> Floats:
    """Return a matrix of at most D rows whose product with itself is the covariance."""
    root: Floats = (x_ND - x_ND.mean(0)) / (len(x_ND) - 1) ** 0.5
    if len(x_ND) > x_ND.shape[1]:
        root = np.asarray(qr(root, mode="r"))
    return root
