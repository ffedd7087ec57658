"""A store that refuses, breaks off, loses answers and stalls: what is built there is what a folder would hold."""

import os
from contextlib import contextmanager

import fsspec
import pytest

from byline.catalog.disk.storage import Store
from byline.catalog.errors import StorageError
from byline.pipelines.beam.build import build
from byline.pipelines.releases.verify import verify
from harness.failing_store import FAULTS, failing_store
from tests.builders import a_corpus


@contextmanager
def behind(monkeypatch, **options):
    """Let clients of this process and of its children reach the store through a proxy that fails."""
    with failing_store(os.environ["AWS_ENDPOINT_URL"], **options) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        monkeypatch.setenv("FSSPEC_S3_ENDPOINT_URL", proxy.url)
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        yield proxy


@pytest.mark.slow
def test_a_build_through_a_store_that_fails_gives_the_release_of_a_folder(s3_root, monkeypatch, tmp_path):
    local = build(str(a_corpus(tmp_path / "local")), workers=1)
    monkeypatch.setenv("FSSPEC_S3", '{"config_kwargs": {"read_timeout": 1}}')
    with behind(monkeypatch, every=20, stall_s=3) as proxy:
        far = build(str(a_corpus(tmp_path / "far", root=f"{s3_root}/failing")), workers=1)
        assert far.version == local.version
        assert list(verify(far)) == []
        stats = [name for name in far.store.files("packs") if name.endswith("_stats.json")]
    assert stats == Store(str(tmp_path / "local/corpus")).files("packs", suffix="_stats.json")
    assert set(proxy.failed) == set(FAULTS)


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_happens_to_it_a_request_is_done_once(s3_root, monkeypatch, fault):
    with behind(monkeypatch, every=2, faults=(fault,), stall_s=0.1) as proxy:
        store = Store(f"{s3_root}/{fault}")
        assert store.write_new("a", b"first")
        assert store.write_new("b", b"first")
        assert not store.write_new("b", b"other")
        assert (store.read_bytes("a"), store.read_bytes("b")) == (b"first", b"first")
        assert store.files("") == ["a", "b"]
        store.remove("a")
        assert (store.exists("a"), store.exists("b")) == (False, True)
    assert proxy.failed[fault] > 3


def test_whether_a_file_is_there_is_asked_without_a_listing(s3_root, monkeypatch):
    store = Store(f"{s3_root}/asked")
    with behind(monkeypatch) as proxy:
        assert not store.exists("a")
        store.write_bytes("a", b"")
        assert store.exists("a")
        store.remove("a")
        store.remove("a")
    assert dict(proxy.asked) == {"HEAD": 2, "PUT": 1, "DELETE": 2}


def test_bodies_that_always_end_early_are_one_line(s3_root, monkeypatch, tmp_path):
    Store(f"{s3_root}/early").write_bytes("a", bytes(100))
    with behind(monkeypatch, every=1, faults=("broken",)):
        store = Store(f"{s3_root}/early")
        for ask in (lambda: store.read_bytes("a", start=1, end=9), lambda: store.download("a", tmp_path / "a")):
            with pytest.raises(StorageError, match="cannot reach s3://.*/early/a: .*not completed"):
                ask()
