"""Pictures that lie in files, built by workers: the same release if they see the files, one line if they do not."""

import pytest

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
