"""Builds on runners that are not ours give the bytes of a local one, and say in a line what goes wrong."""

import pytest

from byline.pipelines.beam.build import last_record
from byline.pipelines.releases.verify import verify
from harness.cluster import a_free_port, a_job_service, a_pool, a_prism, beam_options, networks
from tests.buckets import s3_bucket
from tests.builders import without_times
from tests.pipelines.beam.clusters import (
    PICTURES,
    a_web,
    a_web_corpus,
    built,
    command,
    needs_prism,
    needs_root,
    prism_apart,
    two_pools,
)

pytestmark = [pytest.mark.beam, pytest.mark.slow]


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """Give where pictures are served, and the release of a local build of them."""
    folder = tmp_path_factory.mktemp("web")
    with a_web(folder) as base:
        yield base, built(a_web_corpus(folder / "local", base))


@pytest.mark.parametrize(
    ("runner", "has_pool"),
    [
        pytest.param(a_prism, False, marks=needs_prism, id="Prism, LOOPBACK"),
        pytest.param(a_prism, True, marks=needs_prism, id="Prism, a pool"),
        pytest.param(a_job_service, True, id="the local job service"),
    ],
)
def test_other_runners_give_the_same_release(local, tmp_path, runner, has_pool):
    base, release = local
    endpoint, pool = a_free_port(), a_free_port()
    with runner(endpoint, tmp_path / "runner.log"), a_pool(pool, tmp_path / "pool.log"):
        options = beam_options(f"localhost:{endpoint}", f"localhost:{pool}" if has_pool else None)
        there = built(a_web_corpus(tmp_path / "there", base), "--", *options)
    assert there.version == release.version
    assert _told(there) == _told(release)


def _told(release):
    """Return what the last build noted, but for where it was and how long it took."""
    record = last_record(release.store)
    return {**record, "release": release.version, "done": without_times(record["done"])}


@needs_root
@pytest.mark.parametrize("cluster", [pytest.param(prism_apart, marks=needs_prism), two_pools])
def test_workers_that_share_only_a_bucket_give_the_same_corpus(tmp_path, monkeypatch, cluster):
    with (
        networks(2, [tmp_path]) as (here, apart),
        a_web(tmp_path, here.address) as base,
        s3_bucket(monkeypatch, f"cluster-{cluster.__name__.replace('_', '-')}", here.address) as bucket,
        cluster(tmp_path, here, apart) as options,
    ):
        near = a_web_corpus(tmp_path / "near", base, f"{bucket}/near")
        far = a_web_corpus(tmp_path / "far", base, f"{bucket}/far")
        there = ["--coordinator", here.address, "--", *options]
        more = [(near, []), (far, there)]

        def versions():
            return {built(config, *how).version for config, how in more}

        assert len(versions()) == 1
        for config, _ in more:
            policy = config.parent / "policy.toml"
            policy.write_text(policy.read_text().replace("0.2", "0.5"))
        assert len(changed := versions()) == 1
        for config, _ in more:
            gone = command(
                "takedown", "apply", "--corpus", f"{bucket}/{config.parent.name}", "--record", "test:3", "--yes"
            )
            assert gone.returncode == 0, gone.stderr
        assert len(after := versions()) == 1
        assert after != changed
        for config, _ in more:
            seen = command("recheck", f"{bucket}/{config.parent.name}/releases/small", "--budget", "100")
            assert seen.returncode == 0, seen.stderr
        release = built(far, *there)
        assert {release.version} == after
        assert list(verify(release)) == []
        assert release.manifest.counts["admitted"] == PICTURES - 1
