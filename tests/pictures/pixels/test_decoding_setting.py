"""`decoding` in a corpus: older corpora stay usable, it cannot change, and the papers say it."""

import pytest

from byline.catalog.corpora.corpus import read_settings, write_settings
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError
from byline.pictures.config import GROUND
from byline.pipelines.beam.build import build
from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.corpora.settings import settings
from tests.builders import a_corpus


def _with_pixels(config, pixels):
    config.write_text(f"{config.read_text()}\n[pixels]\n{pixels}\n")
    return config


def _made_with(config):
    return settings(*load_corpus_config(str(config)))


def test_a_corpus_older_than_the_setting_decodes_in_full(tmp_path):
    config = a_corpus(tmp_path, num_pictures=2)
    first = build(str(config), workers=1)
    store = Store(f"{tmp_path}/corpus")
    before = read_settings(store)
    del before["pixels"]["decoding"]
    write_settings(store, before)
    assert build(str(config), workers=1).manifest == first.manifest
    assert read_settings(store)["pixels"]["decoding"] == "full"
    with pytest.raises(ConfigError, match=r"\[pixels\] differs from .*; name a new root"):
        build(str(_with_pixels(config, 'decoding = "reduced"')), workers=1)


def test_the_area_filter_is_asked_for_in_words(tmp_path):
    config = _with_pixels(a_corpus(tmp_path), 'decoding = "reduced"\ndownscale_interpolation = "lanczos"')
    with pytest.raises(ConfigError, match='goes with downscale_interpolation = "area" alone, got "lanczos"'):
        build(str(config), workers=1)


def test_papers_say_that_decoding_was_reduced(tmp_path):
    config = a_corpus(tmp_path)
    full = _made_with(config)
    said = "resized to 256 px at most (keep_ratio_largest) and converted to JPEG (quality 95) on"
    assert full.changes == f"{said} white, or on black what white would hide"
    reduced = _made_with(_with_pixels(config, 'decoding = "reduced"'))
    assert reduced.changes == (
        "resized to 256 px at most (keep_ratio_largest; JPEGs decoded at reduced size) "
        f"and converted to JPEG (quality 95) on {GROUND}"
    )
    assert reduced.measured["pixels"] != full.measured["pixels"]
