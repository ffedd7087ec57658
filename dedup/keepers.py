"""Group duplicates around keepers: star clusters, without chains."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dedup.colors import color_distances


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """What decides whether two pictures are one."""

    code: bytes
    """A perceptual hash, or anything that only equal pictures share."""
    colors: bytes
    """As `dedup.colors.color_grid` gives them."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """The picture that stands for another one, by its place in the order; a keeper stands for itself."""

    keeper: int
    distance_bits: int


def choose_keepers(
    best_first: Sequence[Fingerprint],
    near: Mapping[bytes, Iterable[tuple[bytes, int]]],
    *,
    max_luma_distance: float,
    max_chroma_distance: float,
) -> list[Assignment]:
    """Return the keeper of each picture, in the order given.

    Pictures are visited best first. One joins the best keeper that is near it, by hash and by color; when there is none
    it becomes a keeper. So every picture is near its own keeper, never only near a neighbor of it; a keeper that is
    left out promotes the next best; and a million equal pictures cost a million steps. `near` gives, for a code, the
    other codes within the radius and their distances in bits.
    """

    def is_alike(one: Fingerprint, other: Fingerprint) -> bool:
        luma, chroma = color_distances(one.colors, other.colors)
        return luma <= max_luma_distance and chroma <= max_chroma_distance

    keepers_with: dict[bytes, list[int]] = defaultdict(list)
    assignments = []
    for place, picture in enumerate(best_first):
        found = [
            Assignment(keeper=keeper, distance_bits=distance)
            for code, distance in [(picture.code, 0), *near.get(picture.code, ())]
            for keeper in keepers_with.get(code, ())
            if is_alike(picture, best_first[keeper])
        ]
        if not found:
            keepers_with[picture.code].append(place)
            found = [Assignment(keeper=place, distance_bits=0)]
        assignments.append(min(found, key=lambda one: one.keeper))
    return assignments
