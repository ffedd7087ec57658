"""What distances say of drawn pictures, beside what they say of real ones and of ones that are wrong on purpose."""

# Shapes: N pictures, C colors, H and W height and width in pixels, D features.

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from byline.catalog.errors import ConfigError
from byline.evaluation.controls import CONTROLS
from byline.evaluation.features import Features
from byline.evaluation.measures import Measured, Refused, compare, refusal
from byline.evaluation.report import Floats

Results = tuple[Measured | Refused, ...]
Pixels = npt.NDArray[np.uint8]
Begin = Callable[[str, int], Callable[[int], None]]
"""A stage, and how much there is to do -> what is told of what is done."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Sets of pictures, each against the same references."""

    features: str
    """Which network looked, and how pictures were resized."""
    digest: str
    """SHA-256 of its weights."""
    drawn: Results
    real: Results
    """What real pictures give that are no references: as good as it gets."""
    controls: dict[str, Results]
    """Words -> of the real pictures, made wrong on purpose."""


def compare_all(
    drawn_NCHW: Pixels,
    real_NCHW: Pixels,
    references_NCHW: Pixels,
    features: Features,
    *,
    measures: Sequence[str],
    seed: int,
    controls: bool,
    begin: Begin,
) -> Compared:
    """Compare every set with the references. `begin` is told of each set that is looked at."""

    def look(words: str, pixels_NCHW: Pixels) -> Floats:
        return features.of(pixels_NCHW, begin(f"look at {words}", len(pixels_NCHW)))

    references_ND = look("held-out pictures", references_NCHW)

    def against(words: str, pixels_NCHW: Pixels) -> Results:
        return tuple(compare(references_ND, look(words, pixels_NCHW), features, measures=measures, seed=seed))

    return Compared(
        features=features.instrument,
        digest=features.digest,
        drawn=against("what was drawn", drawn_NCHW),
        real=against("training pictures", real_NCHW),
        controls={words: against(words, make(real_NCHW)) for words, make in CONTROLS.items() if controls},
    )


def require_enough(measures: Sequence[str], features: Features, *, references: int, pictures: int) -> None:
    """Raise `ConfigError`, before anything is drawn, for a measure that would say nothing of so many."""
    for name in measures:
        refused = refusal(name, features, features.width, references=references, pictures=pictures)
        if refused is not None:
            raise ConfigError(refused.reason)
