"""What a model may come to memorize from a release, as counts: copies left, copies taken out, captions, creators.

Pure, on columns of numbers: a sort of each and no loop over samples.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
NOBODY = 0
"""The number of the creator of a sample that names none."""
BINS = {"0": 0, "1": 1, "2": 2, "3-4": 3, "5-9": 5, "10-99": 10, "100+": 100}
"""Name of a bin -> the least multiplicity in it. `100+` is where Carlini et al. 2023 found most extracted pictures."""
NUM_LISTED = 20
"""Clusters, captions and creators that are listed: those with the most."""
NUM_TOP = (1, 10, 100)
"""Creators whose share of a release is told."""
MANY = (100, 1_000)
"""Samples of one creator; how many creators have more is told."""


@dataclass(frozen=True, kw_only=True)
class CopiesLeft:
    """How many other pictures of the release are near each picture of it."""

    radius_bits: int
    """Greatest distance of 256-bit hashes of pictures that count as near: that of the policy's split."""
    pictures: Mapping[str, int]
    """Bin of the number of others -> pictures."""
    most: int


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A picture and the copies of it that were taken out."""

    keeper_record_id: str
    keeper_sha256: str
    num_pictures: int
    """The keeper and all of its copies."""
    num_same_bytes: int
    """Copies that are refused as the bytes of another record."""
    farthest_bits: int | None
    """Distance of the farthest copy, in bits; None where an embedding found all copies."""
    record_ids: tuple[str, ...]
    """Some copies, those nearest to the keeper; `clusters.parquet` has all."""


@dataclass(frozen=True, kw_only=True)
class CopiesTakenOut:
    """What a training on everything would have repeated: records that at most copies, or a cap, speak against."""

    num_records: int
    num_copies: int
    num_clusters: int
    """Keepers that stand for others."""
    records: Mapping[str, int]
    """Bin of the size of the cluster -> records in clusters of that size, the keeper included."""
    most: int
    """Size of the largest cluster."""
    mean_of_records: float
    """Mean size of the cluster that a record is in: what one drawn at random would have met."""
    largest: tuple[Cluster, ...]

    @property
    def num_distinct(self) -> int:
        """Records that are left when one stands for each cluster."""
        return self.num_records - self.num_copies


@dataclass(frozen=True, kw_only=True)
class SharedCaption:
    """A caption that several samples have."""

    caption: str
    num_samples: int
    num_near: int | None
    """Samples with the caption whose picture has another one of the release near it; None where that was not
    counted."""


@dataclass(frozen=True, kw_only=True)
class CaptionCounts:
    """Which samples have a caption that others have, too, letter by letter."""

    num_samples: int
    num_distinct: int
    samples: Mapping[str, int]
    """Bin of the number of samples with the caption, this one included -> samples."""
    num_shared_near: int | None
    """Samples that share their caption, and whose picture has another one of the release near it."""
    most_shared: tuple[SharedCaption, ...]

    @property
    def num_shared(self) -> int:
        """Samples whose caption another sample has."""
        return self.num_samples - self.samples["1"]


@dataclass(frozen=True, kw_only=True)
class CreatorCounts:
    """How much of the release comes from one hand: a creator of one source, by page or else by name, as for the cap."""

    num_creators: int
    num_samples: int
    num_unnamed: int
    """Samples that name nobody. They count for no creator."""
    top: Mapping[int, int]
    """Number of creators, those with the most samples -> their samples."""
    effective_number: float
    """`1 / sum p^2` over the creators' shares of the named samples: so many equal ones would be as concentrated."""
    num_over: Mapping[int, int]
    """Number of samples -> creators with more, in this release."""
    cap: int | None
    """`max_per_creator` of the policy."""
    num_over_cap: int
    """Creators with more than the cap before it was applied."""
    num_refused: int
    """Samples that the cap took out."""
    largest: tuple[tuple[str, int], ...]
    """The creators with the most samples, each with its name as credited and the number of its samples."""


@dataclass(frozen=True, kw_only=True)
class MemorizationRisk:
    """All that the report on memorization is written from."""

    copies_left: CopiesLeft | None
    """Near pictures that are left in the release; None for verdicts that do not count them."""
    copies_taken_out: CopiesTakenOut
    captions: CaptionCounts
    train_captions: CaptionCounts
    creators: CreatorCounts


def binned(values: npt.NDArray[Any], weights: npt.NDArray[Any] | None = None, *, least: int) -> dict[str, int]:
    """Return the weight (1 unless given) of the values by the bins from `least` on. No value is less."""
    bins = {name: bound for name, bound in BINS.items() if bound >= least}
    places = np.searchsorted(np.array(list(bins.values())), values, side="right") - 1
    totals = np.bincount(places, weights=weights, minlength=len(bins))  # doubles, exact to 2^53
    return dict(zip(bins, (int(total) for total in totals), strict=True))


def most_frequent(distinct: Words, counts: Ints, *, least: int, number: int = NUM_LISTED) -> tuple[Words, Ints]:
    """Return the numbers with the greatest counts, of at least `least`; equal counts by the numbers themselves."""
    chosen = np.flatnonzero(counts >= least)
    if len(chosen) > number:
        last = np.partition(counts[chosen], -number)[-number]
        above, level = chosen[counts[chosen] > last], chosen[counts[chosen] == last]
        chosen = np.concatenate([above, level[: number - len(above)]])
    order = np.lexsort((distinct[chosen], -counts[chosen]))
    return distinct[chosen[order]], counts[chosen[order]]


def count_clusters(keepers: Words, *, num_alone_or_keeper: int, largest: tuple[Cluster, ...] = ()) -> CopiesTakenOut:
    """Count what was taken out as copies. `keepers` are those of the copies, one a copy."""
    _, copies = np.unique(keepers, return_counts=True)
    sizes = copies + 1
    num_records, num_clusters = num_alone_or_keeper + len(keepers), len(sizes)
    records = binned(sizes, sizes, least=1)
    records["1"] = num_alone = num_alone_or_keeper - num_clusters
    squares = num_alone + int(np.sum(sizes.astype(np.float64) ** 2))
    return CopiesTakenOut(
        num_records=num_records,
        num_copies=len(keepers),
        num_clusters=num_clusters,
        records=records,
        most=int(sizes.max(initial=1 if num_records else 0)),
        mean_of_records=squares / num_records if num_records else 0.0,
        largest=largest,
    )


def count_captions(
    numbers: Words, is_near: npt.NDArray[np.bool_] | None, texts_of: Callable[[Words], list[str]]
) -> CaptionCounts:
    """Count samples by the number of their caption. `texts_of` gives the captions that some numbers stand for."""
    distinct, counts = np.unique(numbers, return_counts=True)
    most, their_counts = most_frequent(distinct, counts, least=2)
    near = None if is_near is None else numbers[is_near]
    shared = [
        SharedCaption(caption=text, num_samples=int(count), num_near=None if near is None else _times(number, near))
        for text, number, count in zip(texts_of(most), most, their_counts, strict=True)
    ]
    return CaptionCounts(
        num_samples=len(numbers),
        num_distinct=len(distinct),
        samples=binned(counts, counts, least=1),
        num_shared_near=None if near is None else int(np.isin(near, distinct[counts > 1]).sum()),
        most_shared=tuple(sorted(shared, key=lambda caption: (-caption.num_samples, caption.caption))),
    )


def count_creators(
    numbers: Words, refused: Words, cap: int | None, names_of: Callable[[Words], list[str]]
) -> CreatorCounts:
    """Count samples by the number of their creator, 0 for nobody; `refused` are those of what the cap took out."""
    named = numbers[numbers != NOBODY]
    distinct, counts = np.unique(named, return_counts=True)
    before = np.unique(np.concatenate([named, refused]), return_counts=True)[1]
    most, their_counts = most_frequent(distinct, counts, least=1)
    largest = [(name, int(count)) for name, count in zip(names_of(most), their_counts, strict=True)]
    descending = np.sort(counts)[::-1]
    squares = float(np.sum(counts.astype(np.float64) ** 2))
    return CreatorCounts(
        num_creators=len(distinct),
        num_samples=len(numbers),
        num_unnamed=len(numbers) - len(named),
        top={number: int(descending[:number].sum()) for number in NUM_TOP},
        effective_number=len(named) ** 2 / squares if squares else 0.0,
        num_over={number: int((counts > number).sum()) for number in MANY},
        cap=cap,
        num_over_cap=0 if cap is None else int((before > cap).sum()),
        num_refused=len(refused),
        largest=tuple(sorted(largest, key=lambda creator: (-creator[1], creator[0]))),
    )


def _times(number: np.uint64, numbers: Words) -> int:
    return int((numbers == number).sum())
