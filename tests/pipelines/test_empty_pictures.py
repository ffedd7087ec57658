"""A picture with nothing in it under each shipped policy: refused for that alone, and nothing is a copy of it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from byline.catalog.configs.loading import load_config
from byline.catalog.corpora.manifest import Release
from byline.catalog.policies.policy import Policy
from byline.pictures.pixels.colors import LEAST_SPREAD
from byline.pipelines.beam.build import build
from tests.builders import a_picture, a_yfcc_line, encoded, write_corpus

ROOT = Path(__file__).parents[2]
POLICIES = sorted((ROOT / "configs/policies").glob("*.toml"))
CC0 = {"licensename": "CC0", "licenseurl": "https://creativecommons.org/publicdomain/zero/1.0/"}


def _white_logo():
    pixels_HW4 = np.asarray(Image.open(ROOT / "samples/drawings/twemoji-2764.png").convert("RGBA")).copy()
    pixels_HW4[..., :3] = 255
    return Image.fromarray(pixels_HW4)


PICTURES = {
    "clear": encoded(Image.new("RGBA", (80, 80), (0, 0, 0, 0)), "PNG"),
    "clear-too": encoded(Image.new("RGBA", (80, 80), (90, 0, 0, 0)), "PNG"),
    "white": encoded(Image.new("RGB", (80, 80), "white")),
    "grey": encoded(Image.new("L", (64, 96), 128), "PNG"),
    "white-logo": encoded(_white_logo(), "PNG"),
    "picture": encoded(a_picture(1)),
}


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_every_shipped_policy_says_what_is_empty(path):
    assert "min_spread" in path.read_text()
    assert load_config(str(path), Policy).image.min_spread == LEAST_SPREAD


@pytest.mark.beam
def test_an_empty_picture_is_refused_for_that_and_no_other_as_its_copy(tmp_path):
    lines = [a_yfcc_line(name, f"https://pictures.example/{name}", **CC0) for name in PICTURES]
    config = write_corpus(tmp_path, lines)
    for name, data in PICTURES.items():
        (tmp_path / "pictures" / name).write_bytes(data)
    config.write_text(config.read_text().replace(f'"{tmp_path / "policy.toml"}"', '"public-domain"'))
    release = build(str(config), workers=1)
    assert _reasons(release) == {
        "clear": ["image:empty"],
        "clear-too": ["image:empty"],
        "white": ["image:empty"],
        "grey": ["image:empty"],
        "white-logo": [],
        "picture": [],
    }
    assert release.manifest.counts["admitted"] == 2


def _reasons(release: Release):
    verdicts = release.store.read_table(f"{release.path}/verdicts/test-00000.parquet", ["record_id", "reasons"])
    return {row["record_id"].removeprefix("test:"): list(row["reasons"]) for row in verdicts.to_pylist()}
