"""Choose among copies and among the many pictures of one hand: the second half of every judgement, over all packs.

Only candidates come here: admitted records whose hash is near another one or recurs. As a rule they are few. But all of
a corpus may be: then a candidate of 2.2 codes takes 400 bytes in their table and at most 450 more meanwhile, and none
is a Python object.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.licenses.reading import family
from byline.catalog.policies.policy import DuplicateRules, Policy, license_rank, obligations_of
from byline.dedup.colors import GRID_BYTES
from byline.dedup.keepers import choose_keepers, similar_pictures
from byline.dedup.numbering import Numbers, num_of, numbered
from byline.pipelines.facts.edges import digits_of
from byline.pipelines.facts.rows import NOBODY
from byline.pipelines.judging.candidate_codes import looks_and_near

CANDIDATE_SCHEMA = pa.schema(
    [
        ("record_id", pa.large_string()),
        ("sha256", pa.large_string()),
        ("license", pa.large_string()),
        ("pixels", pa.float64()),
        ("sharpness", pa.float64()),
        ("retrieved_at", pa.large_string()),
        ("code", pa.large_binary()),
        ("colors", pa.binary(GRID_BYTES)),
        ("views", pa.large_binary()),
    ]
)
"""Offsets have 64 bits: all packs together may have more than 2 GiB in a column. `code` is the 256-bit hash, or of a
flat picture, whose hash says nothing, the digest of its very pixels. `views` are all that it has, packed as
`dedup.views` does, since the split looks at more of them than the policy may."""
REASONS = (
    "duplicate:same-bytes",
    "duplicate:near",
    "quarantine:license-conflict",
    "cap:creator",
    "denied:taken-down",
    "quarantine:placeholder",
    "contaminated:evaluation-set",
    "cap:caption",
)
SAME_BYTES, NEAR, CONFLICT, CAP, DENIED, PLACEHOLDER, CONTAMINATED, CAP_CAPTION = (
    1 << bit for bit in range(len(REASONS))
)
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What became of each candidate: bits of `REASONS`, the row of the candidate that stands for it, their distance."""

    bits: Ints
    keeper: Ints
    distance_bits: npt.NDArray[np.int32]
    """Distance of a copy from its keeper, in bits; -1 where a cosine says how near they are."""
    kinds: npt.NDArray[np.uint8]
    """Bits of the views in which the two are near."""
    cosine: npt.NDArray[np.float32]
    """Cosine of the two vectors where an embedding decided; NaN where hashes did."""


def resolve_duplicates(
    candidates: pa.Table, pairs: pa.Table, policy: Policy, similar: pa.Table | None = None
) -> Resolved:
    """Choose one record for each image and one image of each cluster of copies, whatever the order of the rows.

    Of records with equal bytes the one with the most wanted license counts, then the least id. Clusters are those of
    `dedup.keepers`, best first by the policy's `keeper_order`. Copies whose licenses ask for different things go to
    quarantine together, if the policy says so. `pairs` are all near hashes, as `EDGE_SCHEMA`; `similar` what the
    policy's embedding finds alike, as `SIMILAR_SCHEMA`.
    """
    if not len(candidates):
        nothing = np.zeros(0, np.int64)
        return Resolved(
            bits=nothing,
            keeper=nothing,
            distance_bits=nothing.astype(np.int32),
            kinds=nothing.astype(np.uint8),
            cosine=nothing.astype(np.float32),
        )
    rules = policy.duplicates
    candidates = candidates.append_column(
        "rank", pa.array(_per_license(candidates, lambda spdx: license_rank(spdx, policy.license)))
    )
    image, similar_pairs = _images(candidates["sha256"], similar, rules)
    licensing = _licensing(candidates, image)
    by_wish = _sorted(candidates, _sort_keys(policy))
    best_first = by_wish[licensing[image[by_wish]] == by_wish]
    looks, near = looks_and_near(candidates, best_first, pairs, rules.radius_bits, views=rules.views)
    chosen = choose_keepers(
        looks,
        near,
        None if similar_pairs is None else similar_pictures(*similar_pairs, images_N=image[best_first]),
        max_luma_distance=rules.max_luma_distance,
        max_chroma_distance=rules.max_chroma_distance,
    )
    del looks, near, by_wish
    of_image = np.empty(len(licensing), np.int64)
    of_image[image[best_first]] = np.arange(len(best_first))
    position = of_image[image]
    keeper, row = best_first[chosen.keeper[position]], np.arange(len(candidates))
    bits = np.where(licensing[image] != row, SAME_BYTES, np.where(keeper != row, NEAR, 0)).astype(np.int64)
    if rules.license_conflict == "quarantine":
        bits |= np.where(_conflicts(candidates, keeper), CONFLICT, 0)
    return Resolved(
        bits=bits,
        keeper=keeper,
        distance_bits=chosen.distance_bits[position],
        kinds=chosen.kinds[position],
        cosine=chosen.cosine[position],
    )


def caps_of(policy: Policy) -> list[tuple[str, int, int]]:
    """Return the caps of a policy in their order: the column of rows whose numbers are counted, the most of one number,
    and the reason."""
    if policy.caps is None:
        return []
    caps = [("creator", policy.caps.max_per_creator, CAP), ("caption_words", policy.caps.max_per_caption, CAP_CAPTION)]
    return [(column, most, reason) for column, most, reason in caps if most is not None]


def over_cap(numbers: npt.NDArray[np.uint64], digests: npt.NDArray[np.uint64], most: int) -> npt.NDArray[np.bool_]:
    """Return which samples are too many of one creator, or with one caption: all but the first `most` by digest.

    So one that comes or goes moves at most one other in or out. What has the number 0 is not of one hand.
    """
    order = np.lexsort((digests, numbers))
    ordered = numbers[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(ordered) else np.zeros(0, int)
    rank = np.arange(len(ordered)) - np.repeat(starts, np.diff(np.append(starts, len(ordered))))
    refused = np.zeros(len(numbers), np.bool_)
    refused[order] = (rank >= most) & (ordered != NOBODY)
    return refused


def _per_license(candidates: pa.Table, number: Callable[[str], int]) -> Ints:
    licenses = pc.dictionary_encode(candidates["license"]).combine_chunks()
    numbers = np.array([number(spdx) for spdx in licenses.dictionary.to_pylist()], np.int64)
    return np.asarray(numbers[licenses.indices.to_numpy()], np.int64)


def _sort_keys(policy: Policy) -> list[str]:
    names = {"license": "rank", "pixels": "-pixels", "sharpness": "-sharpness", "earliest": "retrieved_at"}
    return [*(names[name] for name in policy.duplicates.keeper_order), "sha256"]


def _sorted(table: pa.Table, keys: Sequence[str]) -> Ints:
    """Return the order of the rows by these columns, a minus for descending; what is missing comes last."""
    named = [(key.lstrip("-"), "descending" if key.startswith("-") else "ascending") for key in keys]
    return np.asarray(pc.sort_indices(table, sort_keys=named).to_numpy(), np.int64)


def _images(sha256: pa.ChunkedArray, similar: pa.Table | None, rules: DuplicateRules) -> tuple[Numbers, Any]:
    """Return the number of the image of each candidate, and the similar pairs of numbers with their cosines, if asked.

    Images that are not among the candidates are numbered after all that are.
    """
    if similar is None or rules.min_cosine is None:
        return numbered(digits_of(sha256))[0], None
    within = similar.filter(pc.greater_equal(similar["cosine"], rules.min_cosine))
    image, a, b = numbered(*(digits_of(column) for column in (sha256, within["a"], within["b"])))
    return image, (a, b, within["cosine"].to_numpy())


def _licensing(candidates: pa.Table, image: Numbers) -> Ints:
    """Return, for each image, the row with the most wanted license, or of these the one with the least id."""
    row_of_image = np.empty(num_of(image), np.int64)
    row_of_image[image] = np.arange(len(image))
    rows = np.flatnonzero(np.bincount(image)[image] > 1)
    shared = candidates.select(["rank", "record_id"]).take(pa.array(rows))
    last_first = rows[_sorted(shared, ["rank", "record_id"])][::-1]
    row_of_image[image[last_first]] = last_first  # of several rows the last one stays
    return row_of_image


def _conflicts(candidates: pa.Table, keeper: Ints) -> npt.NDArray[np.bool_]:
    """Return which candidates belong to a cluster whose licenses ask for different things."""
    kinds: dict[frozenset[str], int] = {}
    asked = _per_license(candidates, lambda spdx: kinds.setdefault(obligations_of(family(spdx)), len(kinds)))
    least, most = np.full(len(keeper), len(kinds)), np.full(len(keeper), -1)
    np.minimum.at(least, keeper, asked)
    np.maximum.at(most, keeper, asked)
    return np.asarray((least != most)[keeper], np.bool_)
