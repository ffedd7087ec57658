"""A folder on the path of this process and of its workers, and a distribution in it that extends byline everywhere."""

import sys

import pytest

from tests.extension_packages import found_anew, install

ENTRY_POINTS = """
[byline.sources]
museum = museum_x:read_museum
[byline.captioners]
loud = museum_x:Loud
[byline.metrics]
brightness = museum_x:Brightness
[byline.rules]
wordy = museum_x:Wordy
"""
MODULE = """
import json

import numpy as np

from byline.captioning import CaptionWriter
from byline.catalog.policies.custom_rules import Rule
from byline.catalog.digests import sha256_hex
from byline.catalog.corpora.records import Evidence, ImageRecord
from byline.dedup.metrics import Metric
from byline.pipelines.sources.readers.rows import read_row


def read_museum(path, source, options):
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.startswith("stop"):
                raise KeyError("image")
            yield read_row(lambda: record(json.loads(line), path, source, number), place=f"line {number}")


def record(row, path, source, number):
    return ImageRecord(
        source=source,
        id=row["id"],
        url=row["image"],
        license_claims=(("rights", row["rights"]),),
        creator="Ada L.",
        title=row.get("title"),
        evidence=Evidence(file=path, place=f"line {number}", sha256=sha256_hex(repr(row).encode())),
    )


class Loud(CaptionWriter):
    ending: str = "!"

    def caption(self, batch):
        return [request.title.upper() + self.ending for request in batch]


class Brightness(Metric):
    scale: float = 1.0

    def measure(self, image):
        gray = np.asarray(image.convert("L"))
        image.paste(0, (0, 0, *image.size))  # its own copy: nothing else may see this
        return float(gray.mean() / 255) * self.scale


class Wordy(Rule):
    columns = ("title", "metric:brightness")
    max_words: int

    def refused(self, columns):
        assert not np.isnan(columns["metric:brightness"]).any()
        return {"too-many": np.array([len((title or "").split()) > self.max_words for title in columns["title"]])}
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of installed distributions, empty."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    found_anew()
    yield folder
    found_anew()
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "") or "").startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def museum(site):
    """The folder, with a distribution that has one extension of each kind."""
    install(site, "museum-x", ENTRY_POINTS, MODULE)
    found_anew()
    return site
