"""What several tests of training stand on."""

import boto3
import pytest
from moto.server import ThreadedMotoServer


@pytest.fixture
def bucket(monkeypatch, tmp_path):
    """Serve a real S3 endpoint and give the URL of a bucket of it; what is fetched lies in a folder of the test."""
    import fsspec

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "FSSPEC_S3_ENDPOINT_URL": f"http://{host}:{port}",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    name = tmp_path.name.lower().replace("_", "-").strip("-")[:63]  # all servers of a process share what they store
    boto3.client("s3").create_bucket(Bucket=name)
    yield f"s3://{name}"
    server.stop()
