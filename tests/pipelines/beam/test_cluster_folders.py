"""Pictures that lie in files, built by workers: the same release if they see the files, one line if they do not."""

import shutil

import boto3
import pytest

from byline.pipelines.releases.verify import verify
from harness.cluster import a_free_port, a_pool, a_prism, beam_options, networks
from tests.buckets import s3_bucket
from tests.builders import POLICY, a_picture
from tests.pipelines.beam.clusters import built, command, needs_prism, needs_root, prism_apart
from tests.pipelines.beam.test_copies_end_to_end import a_folder_corpus

NAMES = ("harbor", "lighthouse", "meadow", "bridge", "orchard", "windmill")
pytestmark = [pytest.mark.beam, pytest.mark.slow, needs_prism]


def _corpus(folder, root=None):
    config = a_folder_corpus(folder, {name: a_picture(number) for number, name in enumerate(NAMES)}, POLICY)
    if root:
        config.write_text(config.read_text().replace(f"{folder}/corpus", root))
    return config


def test_pictures_of_a_folder_give_the_same_release_on_prism(tmp_path):
    config = _corpus(tmp_path / "pictures")
    release = built(config)
    config.write_text(config.read_text().replace(f"{config.parent}/corpus", f"{tmp_path}/there"))
    runner, pool = a_free_port(), a_free_port()
    with a_prism(runner, tmp_path / "prism.log"), a_pool(pool, tmp_path / "pool.log"):
        there = built(config, "--", *beam_options(f"localhost:{runner}", f"localhost:{pool}"))
    assert there.store.root != release.store.root
    assert there.version == release.version


@needs_root
def test_pictures_of_a_bucket_are_read_by_workers_that_see_no_folder_of_the_driver(tmp_path, monkeypatch):
    with (
        networks(1, [tmp_path]) as (here, apart),
        s3_bucket(monkeypatch, "pictures-far", here.address) as bucket,
        prism_apart(tmp_path, here, apart) as options,
    ):
        versions = []
        for name, how in (("near", []), ("far", ["--", *options])):
            config = _corpus(tmp_path / name, f"{bucket}/{name}")
            for path in (config.parent / "pictures").iterdir():
                key = f"own/{path.name}"
                boto3.client("s3").put_object(Bucket="pictures-far", Key=key, Body=path.read_bytes())
            config.write_text(config.read_text().replace(f"{config.parent}/pictures", f"{bucket}/own"))
            shutil.rmtree(config.parent / "pictures")
            release = built(config, *how)
            assert list(verify(release)) == []
            assert release.manifest.counts["admitted"] == len(NAMES)
            versions.append(release.version)
    assert versions[0] == versions[1]


@needs_root
def test_pictures_that_workers_do_not_see_are_told(tmp_path, monkeypatch):
    with (
        networks(1, [tmp_path]) as (here, apart),
        s3_bucket(monkeypatch, "unseen", here.address) as bucket,
        prism_apart(tmp_path, here, apart) as options,
    ):
        done = command("build", _corpus(tmp_path / "pictures", f"{bucket}/corpus"), "--", *options)
    assert done.returncode == 2
    told = done.stderr.strip().splitlines()[-1]
    assert "cannot read the pictures of source own, which must lie where workers are too: " in told
