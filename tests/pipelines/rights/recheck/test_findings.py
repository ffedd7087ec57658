"""What a recheck of a corpus that was really built finds in a web that changed, and builds after it."""

import subprocess
import sys
from collections import Counter
from datetime import timedelta

import pytest

from byline.catalog.disk.json_files import read_json
from byline.pipelines.beam.build import build
from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.releases.verify import verify
from byline.pipelines.rights.plans.planning import make_plan
from tests.builders import POLICY
from tests.pipelines.rights.recheck.looks import (
    ALL,
    FOUND,
    apis_on,
    change,
    checks_of,
    reasons_in,
    recheck_now,
    release_of,
)
from tests.pipelines.rights.recheck.web import fill
from tests.pipelines.rights.takedown.corpora import take_down

pytestmark = pytest.mark.beam


@pytest.mark.slow
def test_of_a_world_that_did_not_change_nothing_is_found(corpus):
    web, _, release = corpus
    done = recheck_now(release, bases=apis_on(web))
    assert done.swept.findings == {"unchanged": ALL}
    assert [done.delta[name] for name in ("removed", "opted-out", "relicensed", "changed")] == [[], [], [], []]
    assert Counter(web.paths).most_common(1)[0][1] == 1


def test_every_change_is_found_and_the_delta_lists_it(corpus):
    web, _, release = corpus
    change(web)
    done = recheck_now(release, bases=apis_on(web))
    assert done.swept.findings == Counter(FOUND.values())
    assert done.delta["removed"] == ["commons:M2", "openverse:id1", "test:0", "test:1"]
    assert done.delta["opted-out"] == [{"record_id": "test:2", "rule": "x-robots-tag:noai"}]
    assert done.delta["changed"] == ["test:3"]
    licenses = {"before": "CC-BY-4.0", "now": "CC-BY-NC-4.0"}
    assert done.delta["relicensed"] == [{"record_id": one, **licenses} for one in ("commons:M1", "openverse:id0")]
    assert read_json(release.store, done.path) == done.delta
    assert not {"/c1.jpg", "/o1.jpg"} & set(web.paths)  # what the source does not know is not asked for


def test_a_build_after_it_drops_just_what_the_policy_refuses_and_asks_nobody(corpus):
    web, config, release = corpus
    change(web)
    recheck_now(release, bases=apis_on(web))
    refused = {one: [f"recheck:{found}"] for one, found in FOUND.items() if found in ("removed", "opted-out")}
    plan = make_plan(*load_corpus_config(str(config)))
    web.asked.clear()
    release = build(str(config), workers=1)
    assert web.asked == []
    assert reasons_in(release) == refused
    assert plan.removed.records == len(refused)
    assert plan.is_exact
    assert list(verify(release)) == []
    policy = config.parent / "policy.toml"
    policy.write_text(POLICY + '[recheck]\nrefuse = ["relicensed"]\n[sources.test.recheck]\nrefuse = ["changed"]\n')
    assert reasons_in(build(str(config), workers=1)) == {
        "test:3": ["recheck:changed"],
        "commons:M1": ["recheck:relicensed"],
        "openverse:id0": ["recheck:relicensed"],
    }


def test_what_comes_back_is_admitted_again(corpus):
    web, config, release = corpus
    change(web)
    recheck_now(release)
    build(str(config), workers=1)
    assert reasons_in(release_of(config))
    fill(web)
    recheck_now(release, older_than=timedelta(0))  # the version that still ships them
    assert reasons_in(build(str(config), workers=1)) == {}


def test_the_command_prints_what_was_found_and_what_to_do(corpus):
    web, config, _ = corpus
    change(web)
    apis = [f"--api={name}={base}" for name, base in apis_on(web).items()]
    command = [sys.executable, "-m", "byline.cli.main", "recheck", str(config.parent / "corpus/releases/small"), *apis]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith(".delta.json")
    assert "4 removed, 1 opted-out, 2 relicensed, 1 changed" in " ".join(done.stderr.split())
    assert "byline build CONFIG" in done.stderr


def test_a_takedown_takes_what_was_found_along(corpus):
    web, config, release = corpus
    change(web)
    path = release.store.local_path(recheck_now(release).path)
    assert "test:0" in path.read_text()
    take_down(release.store, records=("test:0",))
    assert not path.exists()
    assert "test:0" not in {row["record_id"] for row in checks_of(release)}
    assert "test:1" in {row["record_id"] for row in checks_of(release)}
    assert reasons_in(release_of(config)) == {one: [f"recheck:{FOUND[one]}"] for one in ("test:1", "test:2")}
