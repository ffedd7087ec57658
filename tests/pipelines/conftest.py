"""What several tests of pipelines stand on."""

import pytest

from byline.pipelines.beam.build import build
from tests.builders import a_corpus


@pytest.fixture
def s3_root(monkeypatch):
    """Serve a real S3 endpoint and give the URL of a corpus in a bucket of it."""
    from tests.buckets import s3_bucket

    with s3_bucket(monkeypatch, "corpora") as url:
        yield f"{url}/small"


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Return the config and the release of a small corpus, built once; tests must not change it."""
    config = a_corpus(tmp_path_factory.mktemp("small"))
    return config, build(str(config), workers=1)
