"""Which measured pictures equal a picture, or look like it: as they are, turned, or without their frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.facts import FactTable
from byline.catalog.denylists.denylist import Look
from byline.dedup.quality import FLAT_FROM
from byline.dedup.views import KIND_NAMES, UPRIGHT, unpack_views
from byline.pipelines.facts.edges import as_bytes
from byline.pipelines.facts.measures import FINGERPRINT_INSTRUMENT, quality_facts

# Shapes: N pictures of a pack; L looks at them, upright ones first; F looks that are near.


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """A measured picture that equals another one, or looks like it."""

    sha256: str
    distance_bits: int
    """0 for equal pixels. Of the two as they are, if that is within the radius; else of the nearest of their views."""
    view: str
    """How the two must be looked at for that: one of `dedup.views.KIND_NAMES`."""
    is_same: bool
    """Whether the two have equal pixels."""


def views_in(*packed: bytes | None) -> tuple[tuple[int, bytes], ...]:
    """Return the views of a `Look` from values of `dedup.views.pack_views`."""
    _, kinds, codes, _ = unpack_views(pa.chunked_array([pa.array(packed, pa.binary())]))
    return tuple(zip(kinds.tolist(), map(bytes, codes), strict=True))


class PackLooks:
    """How the pictures of a pack look, as they were measured."""

    def __init__(self, table: FactTable, pack: str) -> None:
        """Read the hashes of a pack. Tables of earlier instruments have no views."""
        has_views = table.instrument == FINGERPRINT_INSTRUMENT
        facts = table.read(pack, ["phash256", "pixels", *(["views"] if has_views else [])])
        views = facts["views"] if has_views else pa.chunked_array([], pa.binary())
        view_rows, kinds, codes, _ = unpack_views(views)
        self.table, self.pack = table, pack
        self.sha256, self.pixels = facts["sha256"], facts["pixels"]
        self.rows_L = np.concatenate([np.arange(len(facts)), view_rows])
        self.kinds_L = np.concatenate([np.full(len(facts), UPRIGHT, np.uint8), kinds])
        words_L4 = np.concatenate([as_bytes(facts["phash256"]), codes]).view(np.uint64)
        self.words_4L = np.ascontiguousarray(words_L4.T)

    @cached_property
    def is_flat(self) -> npt.NDArray[np.bool_]:
        """Whether the hash of a picture says nothing."""
        quality = quality_facts(self.table.store).read(self.pack, ["flatness"])
        flat = quality["sha256"].filter(pc.greater_equal(quality["flatness"], FLAT_FROM))
        return np.asarray(pc.is_in(self.sha256, value_set=flat.combine_chunks()).to_numpy(), np.bool_)

    def like(self, look: Look, radius_bits: int, *, sees_views: bool = True) -> Iterator[Likeness]:
        """Yield the pictures with the pixels of another one, or with any look within the radius of any of its looks.

        Each comes once. A flat picture is found by equal pixels only. Without `sees_views` only how pictures look as
        they are counts.
        """
        same_N = np.asarray(pc.equal(self.pixels, look.pixels).to_numpy(), np.bool_)
        row_F, kind_F, distance_F = self._near(look, radius_bits, sees_views=sees_views)
        counts = ~same_N[row_F]
        counts[counts] = ~self.is_flat[row_F[counts]] if counts.any() else False
        row_F, kind_F, distance_F = row_F[counts], kind_F[counts], distance_F[counts]
        best = np.lexsort((kind_F, distance_F, kind_F != UPRIGHT, row_F))
        best = best[np.unique(row_F[best], return_index=True)[1]]
        for row in np.flatnonzero(same_N).tolist():
            yield Likeness(sha256=self.sha256[row].as_py(), distance_bits=0, view=KIND_NAMES[UPRIGHT], is_same=True)
        near = zip(row_F[best].tolist(), distance_F[best].tolist(), kind_F[best].tolist(), strict=True)
        for row, distance, kind in near:
            sha256 = self.sha256[row].as_py()
            yield Likeness(sha256=sha256, distance_bits=distance, view=KIND_NAMES[kind], is_same=False)

    def _near(
        self, look: Look, radius_bits: int, *, sees_views: bool
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Return row, kind and distance of every look that is near one of the other picture's."""
        num = len(self.rows_L) if sees_views else len(self.sha256)
        rows, kinds = [np.zeros(0, np.int64)], [np.zeros(0, np.uint8)]
        distances = [np.zeros(0, np.int64)]
        asked = [] if look.is_flat else [(UPRIGHT, look.phash256), *(look.views if sees_views else ())]
        for kind, code in asked:
            words_41 = np.frombuffer(code, np.uint64)[:, None]
            apart_L = np.bitwise_count(self.words_4L[:, :num] ^ words_41).sum(axis=0, dtype=np.int64)
            near = np.flatnonzero(apart_L <= radius_bits)
            rows.append(self.rows_L[near])
            kinds.append(self.kinds_L[near] | np.uint8(kind))  # kinds are bits: what either must be looked at by
            distances.append(apart_L[near])
        return np.concatenate(rows), np.concatenate(kinds), np.concatenate(distances)
