"""What several tests of pipelines stand on."""

import pytest

from byline.pipelines.beam.build import build
from tests.builders import a_corpus


@pytest.fixture
def s3_root(monkeypatch):
    """Serve a real S3 endpoint and give the URL of a corpus in a bucket of it."""
    import boto3
    import fsspec
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "FSSPEC_S3_ENDPOINT_URL": f"http://{host}:{port}",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    boto3.client("s3").create_bucket(Bucket="corpora")
    yield "s3://corpora/small"
    server.stop()


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Return the config and the release of a small corpus, built once; tests must not change it."""
    config = a_corpus(tmp_path_factory.mktemp("small"))
    return config, build(str(config), workers=1)
