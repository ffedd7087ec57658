"""Which admitted pictures look alike, so that none of them is held out while another one is trained on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from byline.catalog.policies.policy import SplitRules
from byline.catalog.policies.rules import heldout
from byline.dedup.keepers import Looks, Near
from byline.dedup.views import ALL_VIEWS
from byline.pipelines.facts.edges import first_word
from byline.pipelines.judging.candidate_codes import looks_and_near

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """What admitted pictures are beside each other."""

    near_left: npt.NDArray[np.int32]
    """How many others there are whose hashes, of the pictures as they are, are within the radius."""
    is_heldout: npt.NDArray[np.bool_]


def choose_heldout(candidates: pa.Table, rows: Ints, pairs: pa.Table, rules: SplitRules) -> HeldOut:
    """Say on which side of the split admitted pictures are, given all that any of them is near to.

    `candidates` are `pipelines.judging.resolving.CANDIDATE_SCHEMA`, `rows` those that are admitted, one an image.
    Pictures that are near one another, turned and trimmed too, whatever the policy counts as a copy and whatever their
    colors, or that others link, are one group; it is held out when the digests of all say so. So a picture that comes
    can take another one out of what is held out, but never out of training: what a model was trained on stays so.
    Cosines are not asked: of two that the policy's `min_cosine` calls copies only one is admitted.
    """
    looks, near = looks_and_near(candidates, rows, pairs, rules.radius_bits, views=ALL_VIEWS)
    by_digest = heldout(first_word(candidates["sha256"])[rows], rules)
    group = _groups(looks, near)
    all_heldout = np.ones(len(group), np.bool_)
    np.logical_and.at(all_heldout, group, by_digest)
    return HeldOut(near_left=_near_left(looks, near), is_heldout=all_heldout[group])


def _groups(looks: Looks, near: Near) -> Ints:
    """Return the group of each picture: two are in one when a chain of near codes leads from one to the other."""
    from scipy.sparse import coo_array  # a seventh of a second, where verbs start that judge nothing
    from scipy.sparse.csgraph import connected_components

    num, num_codes = len(looks.starts) - 1, len(near.starts) - 1
    picture_L = np.repeat(np.arange(num), np.diff(looks.starts))
    code_P = np.repeat(np.arange(num_codes), np.diff(near.starts))
    ends = np.concatenate([looks.codes + num, near.codes + num])
    starts = np.concatenate([picture_L, code_P + num])
    links = coo_array((np.ones(len(ends), np.bool_), (starts, ends)), shape=(num + num_codes,) * 2)
    return np.asarray(connected_components(links, directed=False)[1][:num], np.int64)


def _near_left(looks: Looks, near: Near) -> npt.NDArray[np.int32]:
    upright = looks.codes[looks.starts[:-1]]
    times_C = np.bincount(upright, minlength=len(near.starts) - 1)
    around_C = times_C + np.add.reduceat(np.append(times_C[near.codes], 0), near.starts[:-1]) * (
        np.diff(near.starts) > 0
    )
    return np.asarray(around_C[upright] - 1, np.int32)
