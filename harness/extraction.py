"""How many planted pictures a model gives back, by the number of their copies, with intervals."""

# Shapes: N drawn pictures, M references, C colors, H and W height and width in pixels.

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from byline.audits.memorization import nearest_training_pictures
from byline.evaluation.report import proportion_interval
from harness.rows import Row

Bytes = npt.NDArray[np.uint8]


def are_copies(drawn_nchw: Bytes, own: Sequence[int], references_mchw: Bytes) -> list[bool]:
    """Return of each drawn picture whether it is a copy of its own reference, whose index `own` has.

    Of all references its own is the nearest, and the audit of memorization calls it a copy (adaptive score under 1).
    """
    nearest = nearest_training_pictures(drawn_nchw, references_mchw)
    return [near.is_copy and near.index == index for near, index in zip(nearest, own, strict=True)]


def count(copies: Sequence[int], copied: Sequence[bool]) -> list[Row]:
    """Return a row for each number of copies: pictures, those extracted (by at least one draw), draws, those copied.

    `copies` has the number of each picture; `copied` says of each draw, picture by picture, whether it is a copy.
    """
    draws = len(copied) // len(copies)
    of_picture = np.array(copied, bool).reshape(len(copies), draws).sum(1)
    rows = []
    for number in sorted(set(copies)):
        chosen = of_picture[np.array(copies) == number]
        rows.append(
            {
                "copies": number,
                "pictures": len(chosen),
                "extracted": int((chosen > 0).sum()),
                "drawn": draws * len(chosen),
                "copied": int(chosen.sum()),
            }
        )
    return rows


@dataclass(frozen=True, kw_only=True)
class Share:
    """The share of pictures that was extracted: of one arm and number of copies, over all seeds."""

    extracted: int
    pictures: int
    drawn: int
    copied: int

    @property
    def value(self) -> float:
        """The share itself."""
        return self.extracted / self.pictures

    @property
    def interval(self) -> tuple[float, float]:
        """The exact interval of 95 % over pictures, as if each were drawn by a model of its own."""
        return proportion_interval(self.extracted, self.pictures)


def shares(rows: Iterable[Row]) -> dict[tuple[str, int], Share]:
    """Return the share of each arm and number of copies."""
    sums: dict[tuple[str, int], Row] = {}
    for row in rows:
        total = sums.setdefault((row["arm"], row["copies"]), dict.fromkeys(Share.__dataclass_fields__, 0))
        for name in total:
            total[name] += row[name]
    return {key: Share(**total) for key, total in sums.items()}
