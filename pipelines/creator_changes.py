"""Whose pictures come and go, counted by the numbers that the rows of packs have for creators."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from catalog.storage import Store
from pipelines.parts import PackPart

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


class CreatorTally:
    """Sums changes by creator; memory is that of the creators, not of the records."""

    def __init__(self) -> None:
        self._blocks: list[tuple[Words, Ints]] = []
        self._num_rows = 0

    def add(self, part_number: int, rows: Ints, creators: Words, added: npt.NDArray[np.bool_]) -> None:
        """Count changed rows of the part with this number, and who is credited for each."""
        changes = np.stack([added, ~added, np.full(len(rows), part_number), rows], axis=1).astype(np.int64)
        self._blocks.append((creators, changes))
        self._num_rows += len(rows)
        if self._num_rows > AT_ONCE:
            self._sum()
            self._num_rows = 0

    def _sum(self) -> tuple[Words, Ints]:
        """Make the blocks one: a row a creator, with the place of one of the records."""
        creators = np.concatenate([np.zeros(0, np.uint64), *(block[0] for block in self._blocks)])
        changes = np.concatenate([np.zeros((0, 4), np.int64), *(block[1] for block in self._blocks)])
        order = np.lexsort((changes[:, 3], changes[:, 2], creators))
        starts = np.flatnonzero(np.diff(creators[order], prepend=~creators[order[:1]]))
        sums = np.add.reduceat(changes[order, :2], starts) if len(starts) else changes[:0, :2]
        whole = creators[order[starts]], np.concatenate([sums, changes[order[starts], 2:]], axis=1)
        self._blocks = [whole]
        return whole

    def top(self, number: int, parts: list[PackPart], store: Store) -> list[CreatorChange]:
        """Return whoever changes most, by pictures added and removed, then by place in the corpus."""
        _, changes = self._sum()
        order = np.lexsort((changes[:, 3], changes[:, 2], -changes[:, :2].sum(axis=1)))[:number]
        found = []
        for added, removed, part, row in changes[order].tolist():
            said = parts[part].read_records(store, ["creator", "creator_url"]).slice(row, 1).to_pylist()[0]
            name = said["creator"] or said["creator_url"] or ""
            found.append(CreatorChange(creator=name, source=parts[part].source, added=added, removed=removed))
        return found
