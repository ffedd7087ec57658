"""A corpus of two versions of a release, and two training runs, made once."""

import json
import shutil

import pytest

from byline.catalog.corpora.manifest import Release
from byline.catalog.disk.storage import Store
from byline.pipelines.beam.build import build
from byline.training.run import run
from harness.run_configs import write_toml
from tests.pipelines.rights.traces.traced import (
    write_traced,
)
from tests.training.builders import an_autoencoder_run


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Return a folder with a corpus of two versions of a release, and two runs: one on the newest, one on another."""
    folder = tmp_path_factory.mktemp("trace")
    config = write_traced(folder)
    build(str(config), workers=1)
    policy = folder / "policy.toml"
    policy.write_text(policy.read_text().replace('["CC0", "CC-BY", "CC-BY-SA"]', '["CC-BY"]'))
    newest = build(str(config), workers=1)
    url = newest.store.url(newest.path)
    machine = {"save_every_images": 20, "keep_checkpoints": 5}
    trained = an_autoencoder_run(url, folder / "models/run", images=24, shuffle_samples=1, machine=machine)
    assert run(write_toml(folder / "run.toml", trained)) == 0
    shutil.copytree(folder / "models/run", folder / "models/stranger")
    for info in (folder / "models/stranger/checkpoints").glob("*/byline.json"):
        said = json.loads(info.read_text())
        info.write_text(json.dumps({**said, "release_digest": "f" * 64}))
    return folder


@pytest.fixture
def copy(folder, tmp_path):
    """Return a copy that a test may damage."""
    shutil.copytree(folder / "corpus", tmp_path / "corpus")
    return tmp_path / "corpus"


@pytest.fixture(scope="session")
def store(folder):
    return Store(str(folder / "corpus"))


@pytest.fixture(scope="session")
def newest(folder):
    return Release(f"{folder}/corpus/releases/small")
