"""Choose among copies and among the many pictures of one hand: the second half of every judgement, over all packs.

Only contenders come here: admitted records whose hash is near another one or recurs. They are few, so this is metadata
of a few percent of a corpus, whatever its size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.licenses import family
from catalog.policy import CapRules, Policy, license_rank, obligations_of
from dedup.colors import GRID_BYTES
from dedup.keepers import Near, choose_keepers, near_codes
from pipelines.rows import NOBODY

CONTENDER_SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),
        ("sha256", pa.string()),
        ("license", pa.string()),
        ("pixels", pa.float64()),
        ("sharpness", pa.float64()),
        ("retrieved_at", pa.string()),
        ("code", pa.binary()),
        ("colors", pa.binary(GRID_BYTES)),
    ]
)
"""`code` is the 256-bit hash, or of a flat picture, whose hash says nothing, the digest of its very pixels."""
REASONS = (
    "duplicate:same-bytes",
    "duplicate:near",
    "quarantine:license-conflict",
    "cap:creator",
    "denied:taken-down",
    "quarantine:placeholder",
)
SAME_BYTES, NEAR, CONFLICT, CAP, DENIED, PLACEHOLDER = (1 << bit for bit in range(len(REASONS)))
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of each contender: bits of `REASONS`, the row of the contender that stands for it, their distance."""

    bits: Ints
    keeper: Ints
    distance_bits: npt.NDArray[np.int32]


def settle(contenders: pa.Table, pairs: pa.Table, policy: Policy) -> Settled:
    """Choose one record for each image and one image of each cluster of copies, whatever the order of the rows.

    Of records with equal bytes the one with the most wanted license counts, then the least id. Clusters are those of
    `dedup.keepers`, best first by the policy's `keeper_order`. Copies whose licenses ask for different things go to
    quarantine together, if the policy says so. `pairs` are all near hashes, as `EDGE_SCHEMA`.
    """
    if not len(contenders):
        return Settled(bits=np.zeros(0, np.int64), keeper=np.zeros(0, np.int64), distance_bits=np.zeros(0, np.int32))
    contenders = contenders.append_column(
        "rank", pa.array(_per_license(contenders, lambda spdx: license_rank(spdx, policy.license)))
    )
    image = _codes(contenders["sha256"])
    by_wish = _sorted(contenders.append_column("image", pa.array(image)), ["image", "rank", "record_id"])
    licensing = by_wish[np.flatnonzero(np.diff(image[by_wish], prepend=-1))]  # the first row of each image, by image
    best_first = licensing[_sorted(contenders.take(pa.array(licensing)), _sort_keys(policy))]
    rules = policy.duplicates
    code, near = _near(contenders["code"].take(pa.array(best_first)), pairs, rules.radius_bits)
    colors = b"".join(contenders["colors"].take(pa.array(best_first)).to_pylist())
    keeper_N, distance_N = choose_keepers(
        code,
        np.frombuffer(colors, np.uint8).reshape(-1, GRID_BYTES),
        near,
        max_luma_distance=rules.max_luma_distance,
        max_chroma_distance=rules.max_chroma_distance,
    )
    keeper_of_image, distance_of_image = np.empty(len(licensing), np.int64), np.empty(len(licensing), np.int32)
    keeper_of_image[image[best_first]], distance_of_image[image[best_first]] = best_first[keeper_N], distance_N
    keeper, row = keeper_of_image[image], np.arange(len(contenders))
    bits = np.where(licensing[image] != row, SAME_BYTES, np.where(keeper != row, NEAR, 0)).astype(np.int64)
    if rules.license_conflict == "quarantine":
        bits |= np.where(_conflicts(contenders, keeper), CONFLICT, 0)
    return Settled(bits=bits, keeper=keeper, distance_bits=distance_of_image[image])


def over_cap(
    creators: npt.NDArray[np.uint64], digests: npt.NDArray[np.uint64], rules: CapRules
) -> npt.NDArray[np.bool_]:
    """Return which samples are too many of their creator: all but the first `max_per_creator` by digest.

    So one that comes or goes moves at most one other in or out. What nobody is named for is not of one hand.
    """
    order = np.lexsort((digests, creators))
    ordered = creators[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(ordered) else np.zeros(0, int)
    rank = np.arange(len(ordered)) - np.repeat(starts, np.diff(np.append(starts, len(ordered))))
    refused = np.zeros(len(creators), np.bool_)
    refused[order] = (rank >= rules.max_per_creator) & (ordered != NOBODY)
    return refused


def _per_license(contenders: pa.Table, number: Callable[[str], int]) -> Ints:
    licenses = pc.dictionary_encode(contenders["license"].combine_chunks())
    numbers = np.array([number(spdx) for spdx in licenses.dictionary.to_pylist()], np.int64)
    return np.asarray(numbers[licenses.indices.to_numpy()], np.int64)


def _sort_keys(policy: Policy) -> list[str]:
    names = {"license": "rank", "pixels": "-pixels", "sharpness": "-sharpness", "earliest": "retrieved_at"}
    return [*(names[name] for name in policy.duplicates.keeper_order), "sha256"]


def _sorted(table: pa.Table, keys: Sequence[str]) -> Ints:
    """Return the order of the rows by these columns, a minus for descending; what is missing comes last."""
    named = [(key.lstrip("-"), "descending" if key.startswith("-") else "ascending") for key in keys]
    return np.asarray(pc.sort_indices(table, sort_keys=named).to_numpy(), np.int64)


def _codes(column: pa.ChunkedArray) -> Ints:
    return np.asarray(pc.dictionary_encode(column.combine_chunks()).indices.to_numpy(), np.int64)


def _near(codes: pa.ChunkedArray, pairs: pa.Table, radius_bits: int) -> tuple[Ints, Near]:
    encoded = pc.dictionary_encode(codes.combine_chunks())
    within = pairs.filter(pc.less_equal(pairs["distance_bits"], radius_bits))
    sides = [pc.index_in(within[side].cast(pa.binary()), value_set=encoded.dictionary) for side in ("a", "b")]
    both = pc.and_(pc.is_valid(sides[0]), pc.is_valid(sides[1]))
    a, b = (np.asarray(side.filter(both).to_numpy(), np.int64) for side in sides)
    distance = within["distance_bits"].filter(both).to_numpy()
    return (
        np.asarray(encoded.indices.to_numpy(), np.int64),
        near_codes(a, b, distance, num_codes=len(encoded.dictionary)),
    )


def _conflicts(contenders: pa.Table, keeper: Ints) -> npt.NDArray[np.bool_]:
    """Return which contenders belong to a cluster whose licenses ask for different things."""
    kinds: dict[frozenset[str], int] = {}
    asked = _per_license(contenders, lambda spdx: kinds.setdefault(obligations_of(family(spdx)), len(kinds)))
    least, most = np.full(len(keeper), len(kinds)), np.full(len(keeper), -1)
    np.minimum.at(least, keeper, asked)
    np.maximum.at(most, keeper, asked)
    return np.asarray((least != most)[keeper], np.bool_)
