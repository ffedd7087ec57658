"""Where a build runs and writes: full disks, buckets, other runners, two at once."""

import os
import subprocess
from pathlib import Path

import pytest

from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError, CorpusError, StorageError
from byline.pipelines.beam.build import build, last_record
from byline.pipelines.releases.verify import verify
from tests.builders import (
    CountingRunner,
    a_corpus,
    a_picture,
    a_server,
    a_yfcc_line,
    encoded,
    without_times,
    write_corpus,
)

pytestmark = pytest.mark.beam


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_stops_the_build_and_nothing_is_lost(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(disk)], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        config = a_corpus(tmp_path, num_pictures=40, num_packs=4, root=str(disk / "corpus"))
        with pytest.raises(StorageError, match="no space left to write .*; free some and run the same command again"):
            build(str(config), workers=1)
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        release = build(str(config), workers=1)
        assert list(verify(release)) == []
        assert release.manifest.counts["admitted"] == 40
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_a_bucket_holds_the_same_release(small, s3_root, tmp_path):
    _, release = small
    config = str(a_corpus(tmp_path, root=s3_root))
    there = build(config, workers=1)
    assert there.version == release.version
    assert list(verify(there)) == []
    assert build(config, workers=1).version == release.version


def test_in_a_bucket_of_several_writers_one_wins(s3_root):
    one, other = Store(s3_root), Store(f"{s3_root}/")
    assert one.files("a") == []
    assert other.write_new("a/b", b"first")
    assert one.files("a") == ["b"]
    assert not one.write_new("a/b", b"second")
    assert one.read_bytes("a/b") == b"first"


def test_a_missing_bucket_is_told(s3_root):
    with pytest.raises(StorageError, match="cannot write s3://nowhere/a"):
        Store("s3://nowhere").write_bytes("a", b"")


def test_missing_credentials_are_told(s3_root, monkeypatch):
    import fsspec

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    with pytest.raises(StorageError, match=r"cannot (reach|write) s3://corpora/a"):
        Store("s3://corpora").write_bytes("a", b"")


@pytest.mark.slow
def test_another_runner_needs_no_change_of_code(tmp_path):
    runs = CountingRunner.runs
    with a_server({"/a": (200, "image/jpeg", encoded(a_picture(1)))}) as (base, _):
        config = write_corpus(tmp_path, [a_yfcc_line("a", f"{base}/a")])
        config.write_text(config.read_text().split("[serve]")[0])
        release = build(str(config), beam_args=["--runner=tests.builders.CountingRunner"])
    assert CountingRunner.runs == runs + 2  # workers are asked what they are before
    assert list(verify(release)) == []


@pytest.mark.slow
def test_what_a_runner_does_not_count_is_counted_by_what_workers_tell(tmp_path):
    with a_server({"/a": (200, "image/jpeg", encoded(a_picture(1)))}) as (base, _):
        done = []
        for name, options in (("here", []), ("there", ["--runner=tests.builders.UncountingRunner"])):
            config = write_corpus(tmp_path / name, [a_yfcc_line("a", f"{base}/a")])
            config.write_text(config.read_text().split("[serve]")[0])
            built = build(str(config), workers=1, beam_args=options)
            done.append(without_times(last_record(built.store)["done"]))
    assert done[0] == done[1]
    assert done[0]["requested"] == done[0]["captioned"] == 1


def test_loopback_is_not_served_to_another_runner(tmp_path):
    with pytest.raises(ConfigError, match=r"\[serve\] answers on this machine's loopback"):
        build(str(a_corpus(tmp_path, num_pictures=1)), beam_args=["--runner=tests.builders.CountingRunner"])


def test_two_builds_do_not_share_a_corpus(tmp_path):
    import fcntl

    config = a_corpus(tmp_path, num_pictures=1)
    (tmp_path / "corpus").mkdir()
    with Path(tmp_path / "corpus" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CorpusError, match="another build or takedown is at work"):
            build(str(config), workers=1)
