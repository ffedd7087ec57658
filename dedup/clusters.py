"""Group duplicates around keepers, without chains."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components


def star_clusters(
    num_images: int, pairs: NDArray[np.void], order: Sequence[int] | NDArray[np.integer]
) -> NDArray[np.int64]:
    """Return, for each image, the index of its keeper; a keeper is its own; -1 for images that `order` leaves out.

    Images are visited in `order`, best first: one without a keeper becomes a keeper and takes its neighbors that have
    none. So every image is a neighbor of its keeper, never a neighbor's neighbor, and to leave an image out promotes
    the next best of its cluster. `pairs` is what `near_pairs` gives; its order does not matter. Images at distance 0
    share all their neighbors, so a million equal images need a million pairs only.
    """
    visits = np.asarray(order, dtype=np.int64)
    _check(num_images, pairs, visits)
    group_of = _equal_groups(num_images, pairs)
    neighbors = _neighbors(group_of, pairs)
    keeper_of_group = np.full(neighbors.shape[0], -1, dtype=np.int64)
    starts, others = neighbors.indptr, neighbors.indices
    for image in visits:
        group = group_of[image]
        if keeper_of_group[group] >= 0:
            continue
        keeper_of_group[group] = image
        around = others[starts[group] : starts[group + 1]]
        keeper_of_group[around[keeper_of_group[around] < 0]] = image
    keeper_of = np.full(num_images, -1, dtype=np.int64)
    keeper_of[visits] = keeper_of_group[group_of[visits]]
    return keeper_of


def _equal_groups(num_images: int, pairs: NDArray[np.void]) -> NDArray[np.int64]:
    """Number the groups of images at distance 0; an image without such a pair is its own group."""
    equal = pairs[pairs["distance"] == 0]
    links = coo_array((np.ones(len(equal), dtype=np.int8), (equal["i"], equal["j"])), shape=(num_images,) * 2)
    _, group_of = connected_components(links, directed=False)
    return np.asarray(group_of, dtype=np.int64)


def _neighbors(group_of: NDArray[np.int64], pairs: NDArray[np.void]) -> csr_array:
    num_groups = int(group_of.max(initial=-1)) + 1
    near = pairs[pairs["distance"] > 0]
    one, other = group_of[near["i"]], group_of[near["j"]]
    rows, columns = np.concatenate([one, other]), np.concatenate([other, one])
    return coo_array((np.ones(len(rows), dtype=np.int32), (rows, columns)), shape=(num_groups,) * 2).tocsr()


def _check(num_images: int, pairs: NDArray[np.void], visits: NDArray[np.int64]) -> None:
    named = np.concatenate([visits, pairs["i"], pairs["j"]])
    if len(named) and not 0 <= named.min() <= named.max() < num_images:
        worst = int(named.min() if named.min() < 0 else named.max())
        raise ValueError(f"image {worst} is not among {num_images}; indices run from 0 to {num_images - 1}")
    if len(np.unique(visits)) != len(visits):
        raise ValueError(f"order names an image twice ({len(visits)} entries); name each image at most once")
