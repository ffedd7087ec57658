"""The measures that compare pictures with references, by name: what each says, what it needs, how it is computed."""

# Shapes: N references, M pictures, D features.

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from byline.catalog.errors import ConfigError
from byline.evaluation.features import Features
from byline.evaluation.frechet import unbiased_frechet_distance
from byline.evaluation.kernels import (
    CMMD_SCALE,
    CMMD_WIDTH,
    Kernel,
    cubic,
    gaussian,
    kernel_distance,
    kernel_interval,
    median_distance,
    unit,
)
from byline.evaluation.neighbors import neighborhoods
from byline.evaluation.report import Floats, bootstrap_interval, proportion_interval

LEAST = 50
"""Pictures, and references, that intervals over them mean something for."""
Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A way to compare."""

    words: str
    better: Literal["lower", "higher"]
    least: Callable[[int], int]
    """Number of features -> how many pictures, and references, are needed."""
    compute: Callable[[Floats, Floats, int], tuple[float, Interval]]
    """References, pictures and a seed -> the number and its interval."""
    needs_clip: bool = False


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One number about a set of pictures."""

    name: str
    words: str
    better: Literal["lower", "higher"]
    value: float
    interval: Interval
    """The interval of 95 %, over pictures and references; it says nothing about another training run."""
    num_pictures: int
    num_references: int
    features: str
    """Which network looked, and how pictures were resized."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A measure that says nothing here."""

    name: str
    reason: str


def _frechet(references_ND: Floats, pictures_MD: Floats, seed: int) -> tuple[float, Interval]:
    return unbiased_frechet_distance(references_ND, pictures_MD)


def _kid(references_ND: Floats, pictures_MD: Floats, seed: int) -> tuple[float, Interval]:
    return _kernel(references_ND, pictures_MD, cubic, seed)


def _mmd(references_ND: Floats, pictures_MD: Floats, seed: int) -> tuple[float, Interval]:
    references_ND, pictures_MD = unit(references_ND), unit(pictures_MD)
    return _kernel(references_ND, pictures_MD, gaussian(median_distance(references_ND)), seed)


def _cmmd(references_ND: Floats, pictures_MD: Floats, seed: int) -> tuple[float, Interval]:
    value, (low, high) = _kernel(unit(references_ND), unit(pictures_MD), gaussian(CMMD_WIDTH), seed)
    return CMMD_SCALE * value, (CMMD_SCALE * low, CMMD_SCALE * high)


def _kernel(references_ND: Floats, pictures_MD: Floats, kernel: Kernel, seed: int) -> tuple[float, Interval]:
    return (
        kernel_distance(references_ND, pictures_MD, kernel),
        kernel_interval(references_ND, pictures_MD, kernel, seed=seed),
    )


def _share(field: str) -> Callable[[Floats, Floats, int], tuple[float, Interval]]:
    def compute(references_ND: Floats, pictures_MD: Floats, seed: int) -> tuple[float, Interval]:
        values: Floats = getattr(neighborhoods(references_ND, pictures_MD), field)
        return float(values.mean()), proportion_interval(int(values.sum()), len(values))

    return compute


def _density(references_ND: Floats, pictures_MD: Floats, seed: int) -> tuple[float, Interval]:
    densities = neighborhoods(references_ND, pictures_MD).density
    return float(densities.mean()), bootstrap_interval(densities, seed=seed)


def _few(num_features: int) -> int:
    return LEAST


def _more_than_features(num_features: int) -> int:
    return max(LEAST, num_features + 1)


MEASURES: dict[str, Measure] = {
    "kid": Measure(words="kernel distance, cubic kernel (KID)", better="lower", least=_few, compute=_kid),
    "mmd": Measure(
        words="kernel distance, Gaussian kernel as wide as references lie apart, features at length 1",
        better="lower",
        least=_few,
        compute=_mmd,
    ),
    "frechet": Measure(
        words="Fréchet distance, for ever more pictures", better="lower", least=_more_than_features, compute=_frechet
    ),
    "cmmd": Measure(
        words="kernel distance, Gaussian kernel of width 10, times 1,000 (CMMD, without its bias)",
        better="lower",
        least=_few,
        compute=_cmmd,
        needs_clip=True,
    ),
    "precision": Measure(
        words="share of pictures that lie among the references",
        better="higher",
        least=_few,
        compute=_share("precision"),
    ),
    "recall": Measure(
        words="share of references that lie among the pictures", better="higher", least=_few, compute=_share("recall")
    ),
    "density": Measure(
        words="how densely references lie around pictures", better="higher", least=_few, compute=_density
    ),
    "coverage": Measure(
        words="share of references that have a picture near", better="higher", least=_few, compute=_share("coverage")
    ),
}
"""Name -> measure, in the order in which they are told."""


def evaluate(
    pictures_MCHW: npt.NDArray[np.uint8],
    references_NCHW: npt.NDArray[np.uint8],
    features: Features,
    *,
    measures: Sequence[str] = tuple(MEASURES),
    seed: int = 0,
) -> list[Measured | Refused]:
    """Compare pictures with references, both RGB bytes. Equal arguments give equal numbers."""
    return compare(features.of(references_NCHW), features.of(pictures_MCHW), features, measures=measures, seed=seed)


def compare(
    references_ND: Floats,
    pictures_MD: Floats,
    features: Features,
    *,
    measures: Sequence[str] = tuple(MEASURES),
    seed: int = 0,
) -> list[Measured | Refused]:
    """Do what `evaluate` does, with features that were computed before. Raises `ConfigError` for an unknown measure."""
    return [_one(name, references_ND, pictures_MD, features, seed) for name in known(measures)]


def known(measures: Sequence[str]) -> list[str]:
    """Return the names, each once. Raises `ConfigError` for one that is none."""
    for name in measures:
        if name not in MEASURES:
            raise ConfigError(f"no measure is called {name!r}; they are {', '.join(MEASURES)}")
    return list(dict.fromkeys(measures))


def refusal(name: str, features: Features, width: int, *, references: int, pictures: int) -> Refused | None:
    """Return why a measure would say nothing of so many references and pictures with so many features, if so."""
    measure = MEASURES[name]
    if measure.needs_clip and not features.tower.is_clip:
        return Refused(name=name, reason=f"{name} is defined for the image tower of CLIP, not for {features.name}")
    least = measure.least(width)
    for what, have in (("references", references), ("pictures", pictures)):
        if have < least:
            return Refused(
                name=name, reason=f"{name} with {features.name} needs {least:,} {what}, and there are {have:,}"
            )
    return None


def _one(name: str, references_ND: Floats, pictures_MD: Floats, features: Features, seed: int) -> Measured | Refused:
    measure, width = MEASURES[name], references_ND.shape[1]
    refused = refusal(name, features, width, references=len(references_ND), pictures=len(pictures_MD))
    if refused is not None:
        return refused
    value, interval = measure.compute(references_ND, pictures_MD, seed)
    return Measured(
        name=name,
        words=measure.words,
        better=measure.better,
        value=value,
        interval=interval,
        num_pictures=len(pictures_MD),
        num_references=len(references_ND),
        features=features.instrument,
    )
