"""Metrics that people add: one number of a picture each, kept as a fact and judged by the policy.

A metric is a class (an entry point of the group `byline.metrics`) whose fields are its settings:

    class Brightness(Metric):
        def measure(self, image: Image.Image) -> float:
            return float(np.asarray(image.convert("L")).mean() / 255)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image
from pydantic import BaseModel, ConfigDict

from byline.catalog.configs.extensions import METRICS, Extension, check_plain, extension, in_a_line
from byline.catalog.corpora.facts import instrument_name
from byline.catalog.errors import ExtensionError
from byline.catalog.policies.rules import FIRST_WORDS


class Metric(BaseModel):
    """A number of a picture. Its fields are its settings, `[metrics.<name>]` of a corpus config."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def measure(self, image: Image.Image) -> float | None:
        """Return a finite number of a picture in RGB, or None when there is nothing to say of it.

        It must depend on picture and settings alone. The picture is as other measures see it: a JPEG of twice 640 px or
        more is decoded at a fraction of its size. It is this metric's own copy.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class MetricInUse:
    """A metric with its settings. `measured` says under which name its numbers are kept."""

    extension: Extension
    metric: Metric

    @property
    def name(self) -> str:
        return self.extension.name

    def instrument(self, decoded: object) -> str:
        """Return a name that changes with distribution, version, settings, and how pictures are decoded."""
        settings = [self.extension.distribution, self.metric.model_dump(mode="json"), decoded]
        return instrument_name(self.name, self.extension.plain_version, settings)

    def measure(self, image: Image.Image) -> float:
        """Measure one picture; not a number where the metric has nothing to say. Raises `ExtensionError`."""
        try:
            value = self.metric.measure(image.copy())
        except Exception as error:  # what a metric of others raises is told with its name
            raise ExtensionError(f"{self.extension} failed: {in_a_line(error)}") from error
        if value is None:
            return math.nan
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise ExtensionError(f"{self.extension} gave {value!r:.60}; a finite number or None is needed") from error
        if not math.isfinite(number):
            raise ExtensionError(f"{self.extension} gave {number}; a finite number or None is needed")
        return number


def use_metric(name: str, settings: Mapping[str, Any]) -> MetricInUse:
    """Return the metric of this name. Raises a `BylineError` when it is not installed, or not with these settings."""
    ext = extension(METRICS, name, FIRST_WORDS)
    check_plain(ext)
    return MetricInUse(extension=ext, metric=ext.configured(Metric, settings, f"[metrics.{name}]"))
