"""What several tests of training stand on."""

import pytest

from tests.buckets import s3_bucket


@pytest.fixture
def bucket(monkeypatch, tmp_path):
    """Serve a real S3 endpoint and give the URL of a bucket of it; what is fetched lies in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with s3_bucket(monkeypatch, tmp_path.name.lower().replace("_", "-").strip("-")) as url:
        yield url
