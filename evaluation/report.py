"""What a measurement says, with everything that is needed to make it again."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from byline.catalog.errors import ConfigError
from byline.catalog.json_text import parse_json

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Report:
    """One measured number."""

    claim: str
    """What the number is, in words, with its unit."""
    value: float
    interval: tuple[float, float]
    """Confidence interval of 95 % over the measured items; it says nothing about another training run."""
    n: int
    seed: int
    digests: dict[str, str]
    """Input -> its SHA-256."""
    command: str
    """The command that prints this report again."""

    def to_json(self) -> str:
        """Return the report as JSON, indented."""
        return json.dumps(asdict(self), indent=2)


def read_reports(path: Path, checkpoint: str) -> list[Report]:
    """Return the measurements in a file, of the checkpoint of this digest: one, or those of an evaluation.

    Raises `ConfigError` for a file that holds none, and for one of another checkpoint.
    """
    try:
        contents = parse_json(path.read_bytes())
        reports = [Report(**fields) for fields in contents.get("reports", [contents])]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is no report, as byline evaluate and the audits write one: {error}") from error
    for measured in {report.digests.get("checkpoint") for report in reports} - {checkpoint}:
        raise ConfigError(f"{path} measures checkpoint {str(measured)[:12]}, not {checkpoint[:12]}; measure this one")
    return reports


def bootstrap_interval(values: Floats, *, seed: int, resamples: int = 2000) -> tuple[float, float]:
    """Return the 95% percentile-bootstrap interval of the mean of `values`."""
    random = np.random.default_rng(seed)
    picks = random.integers(0, len(values), (resamples, len(values)))
    low, high = np.quantile(values[picks].mean(1), [0.025, 0.975])
    return float(low), float(high)


def proportion_interval(successes: int, n: int) -> tuple[float, float]:
    """Return the exact 95% interval of a share (Clopper & Pearson 1934): none in `n` still leaves about `3.7 / n`."""
    interval = binomtest(successes, n).proportion_ci(confidence_level=0.95, method="exact")
    return float(interval.low), float(interval.high)
