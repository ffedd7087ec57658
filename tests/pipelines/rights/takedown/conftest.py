"""Corpora to take something down from."""

import json
import shutil

import pytest

from byline.catalog.corpora.corpus import read_settings, write_settings
from byline.catalog.disk.storage import Store
from byline.pipelines.beam.build import build
from tests.pipelines.rights.takedown.corpora import write_pictures


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    return folder, build(str(write_pictures(folder)), workers=1)


@pytest.fixture
def corpus(built, tmp_path):
    """Return a corpus of one's own, its config and its release."""
    write_pictures(tmp_path)
    shutil.copytree(built[0] / "corpus", tmp_path / "corpus")
    store = Store(str(tmp_path / "corpus"))
    write_settings(store, json.loads(json.dumps(read_settings(store)).replace(str(built[0]), str(tmp_path))))
    return Store(str(tmp_path / "corpus")), str(tmp_path / "corpus.toml"), built[1]
