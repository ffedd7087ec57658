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
from catalog.policy import CapRules, DuplicateRules, Policy, license_rank, obligations_of
from dedup.colors import GRID_BYTES
from dedup.keepers import Looks, Near, Similar, choose_keepers, near_codes, similar_pictures
from dedup.views import unpack_views
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
        ("views", pa.binary()),
    ]
)
"""`code` is the 256-bit hash, or of a flat picture, whose hash says nothing, the digest of its very pixels. `views` are
those that the policy looks at, packed as `dedup.views` does."""
REASONS = (
    "duplicate:same-bytes",
    "duplicate:near",
    "quarantine:license-conflict",
    "cap:creator",
    "denied:taken-down",
    "quarantine:placeholder",
    "contaminated:evaluation-set",
)
SAME_BYTES, NEAR, CONFLICT, CAP, DENIED, PLACEHOLDER, CONTAMINATED = (1 << bit for bit in range(len(REASONS)))
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of each contender: bits of `REASONS`, the row of the contender that stands for it, their distance."""

    bits: Ints
    keeper: Ints
    distance_bits: npt.NDArray[np.int32]
    """-1 where a cosine says it."""
    kinds: npt.NDArray[np.uint8]
    """Bits of the views in which the two are near."""
    cosine: npt.NDArray[np.float32]
    """NaN where hashes say it."""


def settle(contenders: pa.Table, pairs: pa.Table, policy: Policy, similar: pa.Table | None = None) -> Settled:
    """Choose one record for each image and one image of each cluster of copies, whatever the order of the rows.

    Of records with equal bytes the one with the most wanted license counts, then the least id. Clusters are those of
    `dedup.keepers`, best first by the policy's `keeper_order`. Copies whose licenses ask for different things go to
    quarantine together, if the policy says so. `pairs` are all near hashes, as `EDGE_SCHEMA`; `similar` what the
    policy's embedding finds alike, as `SIMILAR_SCHEMA`.
    """
    if not len(contenders):
        nothing = np.zeros(0, np.int64)
        return Settled(
            bits=nothing,
            keeper=nothing,
            distance_bits=nothing.astype(np.int32),
            kinds=nothing.astype(np.uint8),
            cosine=nothing.astype(np.float32),
        )
    contenders = contenders.append_column(
        "rank", pa.array(_per_license(contenders, lambda spdx: license_rank(spdx, policy.license)))
    )
    image = _codes(contenders["sha256"])
    by_wish = _sorted(contenders.append_column("image", pa.array(image)), ["image", "rank", "record_id"])
    licensing = by_wish[np.flatnonzero(np.diff(image[by_wish], prepend=-1))]  # the first row of each image, by image
    best_first = licensing[_sorted(contenders.take(pa.array(licensing)), _sort_keys(policy))]
    rules = policy.duplicates
    pictures = contenders.take(pa.array(best_first))
    looks, near = looks_of(pictures, pairs, rules.radius_bits)
    chosen = choose_keepers(
        looks,
        near,
        _similar(pictures["sha256"], similar, rules),
        max_luma_distance=rules.max_luma_distance,
        max_chroma_distance=rules.max_chroma_distance,
    )
    of_image = np.empty(len(licensing), np.int64)
    of_image[image[best_first]] = np.arange(len(best_first))
    place = of_image[image]
    keeper, row = best_first[chosen.keeper[place]], np.arange(len(contenders))
    bits = np.where(licensing[image] != row, SAME_BYTES, np.where(keeper != row, NEAR, 0)).astype(np.int64)
    if rules.license_conflict == "quarantine":
        bits |= np.where(_conflicts(contenders, keeper), CONFLICT, 0)
    return Settled(
        bits=bits,
        keeper=keeper,
        distance_bits=chosen.distance_bits[place],
        kinds=chosen.kinds[place],
        cosine=chosen.cosine[place],
    )


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


def looks_of(pictures: pa.Table, pairs: pa.Table, radius_bits: int) -> tuple[Looks, Near]:
    """Return how pictures (`CONTENDER_SCHEMA`) look, as they are and in their views, and which codes are that near."""
    num = len(pictures)
    view_rows, kinds, view_codes, view_colors = unpack_views(pictures["views"])
    rows = np.concatenate([np.arange(num), view_rows])
    order = np.argsort(rows, kind="stable")
    views = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(view_rows), [None, pa.py_buffer(view_codes)])
    codes = pc.dictionary_encode(pa.chunked_array([*pictures["code"].chunks, views.cast(pa.binary())]).combine_chunks())
    colors = np.frombuffer(b"".join(pictures["colors"].to_pylist()), np.uint8).reshape(-1, GRID_BYTES)
    looks = Looks(
        starts=np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=num))]).astype(np.int64),
        codes=np.asarray(codes.indices.to_numpy(), np.int64)[order],
        colors=np.concatenate([colors, view_colors])[order],
        kinds=np.concatenate([np.zeros(num, np.uint8), kinds])[order],
    )
    return looks, _near(codes.dictionary, pairs, radius_bits)


def _near(codes: pa.Array, pairs: pa.Table, radius_bits: int) -> Near:
    within = pairs.filter(pc.less_equal(pairs["distance_bits"], radius_bits))
    sides = [pc.index_in(within[side].cast(pa.binary()), value_set=codes) for side in ("a", "b")]
    both = pc.and_(pc.is_valid(sides[0]), pc.is_valid(sides[1]))
    a, b = (np.asarray(side.filter(both).to_numpy(), np.int64) for side in sides)
    return near_codes(a, b, within["distance_bits"].filter(both).to_numpy(), num_codes=len(codes))


def _similar(sha256: pa.ChunkedArray, similar: pa.Table | None, rules: DuplicateRules) -> Similar | None:
    if similar is None or rules.min_cosine is None:
        return None
    within = similar.filter(pc.greater_equal(similar["cosine"], rules.min_cosine))
    sides = [pc.index_in(within[side], value_set=sha256.combine_chunks()) for side in ("a", "b")]
    both = pc.and_(pc.is_valid(sides[0]), pc.is_valid(sides[1]))
    a, b = (np.asarray(side.filter(both).to_numpy(), np.int64) for side in sides)
    return similar_pictures(a, b, within["cosine"].filter(both).to_numpy(), num_pictures=len(sha256))


def _conflicts(contenders: pa.Table, keeper: Ints) -> npt.NDArray[np.bool_]:
    """Return which contenders belong to a cluster whose licenses ask for different things."""
    kinds: dict[frozenset[str], int] = {}
    asked = _per_license(contenders, lambda spdx: kinds.setdefault(obligations_of(family(spdx)), len(kinds)))
    least, most = np.full(len(keeper), len(kinds)), np.full(len(keeper), -1)
    np.minimum.at(least, keeper, asked)
    np.maximum.at(most, keeper, asked)
    return np.asarray((least != most)[keeper], np.bool_)
