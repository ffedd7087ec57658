"""Whose pictures come and go, counted by the numbers that the rows of packs have for creators."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk.storage import Store

AT_ONCE = 1 << 20
Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class CreatorChange:
    """How many pictures of one creator of one source are added and removed."""

    creator: str
    """The name, else the page; empty when neither is stated."""
    source: str
    added: int
    removed: int


@dataclass(frozen=True)
class PackChanges:
    """The changes of one pack, a row a creator."""

    creators: Words
    counts: Ints
    """`(N, 3)`: pictures added and removed, and the row of one of the records."""


def pack_changes(creators: Words, rows: Ints, added: npt.NDArray[np.bool_]) -> PackChanges:
    """Sum changed rows by creator."""
    return PackChanges(*_summed(creators, np.stack([added, ~added, rows], axis=1).astype(np.int64)))


def _summed(creators: Words, counts: Ints) -> tuple[Words, Ints]:
    """Add up the first two columns by creator; the others are those of the first row of each."""
    order = np.argsort(creators, kind="stable")
    starts = np.flatnonzero(np.diff(creators[order], prepend=~creators[order[:1]]))
    sums = np.add.reduceat(counts[order, :2], starts) if len(starts) else counts[:0, :2]
    first = order[starts]
    return creators[first], np.concatenate([sums, counts[first, 2:]], axis=1)


class CreatorTally:
    """Sums changes by creator; memory is that of the creators, not of the records."""

    def __init__(self) -> None:
        self._creators = [np.zeros(0, np.uint64)]
        self._counts = [np.zeros((0, 4), np.int64)]
        self._num_rows = 0

    def add(self, part_number: int, changes: PackChanges) -> None:
        """Add the changes of the part with this number."""
        part = np.full((len(changes.creators), 1), part_number)
        self._creators.append(changes.creators)
        self._counts.append(np.concatenate([changes.counts, part], axis=1))
        self._num_rows += len(part)
        if self._num_rows > AT_ONCE:
            self._sum()
            self._num_rows = 0

    def _sum(self) -> Ints:
        creators, counts = _summed(np.concatenate(self._creators), np.concatenate(self._counts))
        self._creators, self._counts = [creators], [counts]
        return counts

    def top(self, number: int, parts: list[PackPart], store: Store) -> list[CreatorChange]:
        """Return whoever changes most, by pictures added and removed, then by place in the corpus."""
        changes = self._sum()
        order = np.lexsort((changes[:, 2], changes[:, 3], -changes[:, :2].sum(axis=1)))[:number]
        creator_changes = []
        for added, removed, row, part in changes[order].tolist():
            credit = parts[part].read_stated(store, ["creator", "creator_url"]).slice(row, 1).to_pylist()[0]
            name = credit["creator"] or credit["creator_url"] or ""
            creator_changes.append(CreatorChange(creator=name, source=parts[part].source, added=added, removed=removed))
        return creator_changes
