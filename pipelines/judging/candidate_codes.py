"""How candidates look, as arrays: which of their codes are equal, and which are near."""

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.dedup.keepers import Looks, Near, near_codes
from byline.dedup.numbering import Numbers, num_of, numbered
from byline.dedup.views import CODE_BYTES, kinds_of, rows_of_views
from byline.pipelines.facts.edges import as_bytes

# Shapes: N candidates, V views of all of them; L looks at those that are asked for; P pairs of near codes.
Ints = npt.NDArray[np.int64]


def looks_and_near(
    candidates: pa.Table, rows: Ints, pairs: pa.Table, radius_bits: int, *, views: Collection[str]
) -> tuple[Looks, Near]:
    """Return how candidates look, as they are and in these of their views, and which of their codes are that near.

    `candidates` are `pipelines.judging.resolving.CANDIDATE_SCHEMA`, `rows` those that are asked for, in the order
    of the answer: what only others look like is near nothing.
    """
    within = pairs.filter(pc.less_equal(pairs["distance_bits"], radius_bits))
    row_V, views_V = rows_of_views(candidates["views"])
    is_meant_V = np.isin(views_V[:, 0], kinds_of(views))
    row_V, views_V = row_V[is_meant_V], views_V[is_meant_V]
    code_N, code_V, a_P, b_P = _numbers(candidates["code"], views_V[:, 1 : 1 + CODE_BYTES], within)
    views_N = np.bincount(row_V, minlength=len(candidates))
    starts = np.concatenate([[0], np.cumsum(views_N[rows] + 1)]).astype(np.int64)
    is_view_L = np.ones(starts[-1], np.bool_)
    is_view_L[starts[:-1]] = False
    view = np.repeat((np.cumsum(views_N) - views_N)[rows] - starts[:-1] - 1, np.diff(starts))
    view = (view + np.arange(starts[-1]))[is_view_L]
    code_L = _joined(is_view_L, code_N[rows], code_V[view])
    looks = Looks(
        starts=starts,
        codes=code_L.astype(np.int64),
        colors=_joined(is_view_L, as_bytes(candidates["colors"])[rows], views_V[:, 1 + CODE_BYTES :][view]),
        kinds=_joined(is_view_L, np.zeros(len(rows), np.uint8), views_V[:, 0][view]),
    )
    is_seen = np.zeros(num_of(code_N, code_V, a_P, b_P), np.bool_)
    is_seen[code_L] = True
    both = is_seen[a_P] & is_seen[b_P]
    a, b = a_P[both].astype(np.int64), b_P[both].astype(np.int64)
    return looks, near_codes(a, b, within["distance_bits"].to_numpy()[both], num_codes=len(is_seen))


def _joined(is_view_L: npt.NDArray[np.bool_], upright: npt.NDArray[Any], views: npt.NDArray[Any]) -> npt.NDArray[Any]:
    joined = np.empty((len(is_view_L), *upright.shape[1:]), upright.dtype)
    joined[~is_view_L], joined[is_view_L] = upright, views
    return joined


def _numbers(code_N: pa.ChunkedArray, code_V32: npt.NDArray[np.uint8], within: pa.Table) -> list[Numbers]:
    """Return the number of the code of each candidate, of each view, and of both sides of each pair.

    What has more bytes than a hash is a digest of pixels: it equals no hash, and is near nothing.
    """
    is_hash = pc.equal(pc.binary_length(code_N), CODE_BYTES).to_numpy()
    hashes = as_bytes(code_N.filter(pa.array(is_hash)).cast(pa.binary(CODE_BYTES)))
    hash_N, *others = numbered(hashes, code_V32, as_bytes(within["a"]), as_bytes(within["b"]))
    digests = pc.dictionary_encode(code_N.filter(pa.array(~is_hash))).combine_chunks().indices.to_numpy()
    number_N = np.empty(len(code_N), np.uint32)
    number_N[is_hash], number_N[~is_hash] = hash_N, digests + np.uint32(num_of(hash_N, *others))
    return [number_N, *others]
