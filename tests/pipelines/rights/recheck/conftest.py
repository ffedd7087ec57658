"""A corpus of three sources, built once from a web that each test may change."""

import shutil

import pytest

from byline.pipelines.beam.build import build
from tests.pipelines.rights.recheck.looks import (
    release_of,
)
from tests.pipelines.rights.recheck.web import a_web, fill, write_sources


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Return a web, and the folder of a corpus that was built from it."""
    folder = tmp_path_factory.mktemp("recheck")
    with a_web() as web:
        fill(web)
        build(str(write_sources(folder, web)), workers=1)
        yield web, folder


@pytest.fixture
def corpus(built, tmp_path):
    """Return the web as it was, and a copy of the corpus that a test may change: its config and its release."""
    web, folder = built
    fill(web)
    shutil.copytree(folder, tmp_path / "copy")
    config = tmp_path / "copy/corpus.toml"
    config.write_text(config.read_text().replace(str(folder), str(tmp_path / "copy")))
    return web, config, release_of(config)
