"""Rechecks of a corpus that was really built, over a loopback web that changes; and builds after them."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from catalog.errors import ConfigError
from catalog.manifest import Release
from catalog.rechecks import read_checks
from pipelines.config import load_corpus_config
from pipelines.plans.planning import make_plan
from pipelines.recheck.due import find_due
from pipelines.recheck.running import recheck
from pipelines.recheck.source_apis import CommonsApi, apis_of
from pipelines.recheck.sweep import Budget, sweep
from pipelines.run import build
from pipelines.transport import HttpTransport
from pipelines.verify import verify
from tests.builders import POLICY, a_fetch_config, a_picture, encoded
from tests.pipelines.recheck.web import NUM_COMMONS, NUM_OPENVERSE, NUM_YFCC, Page, a_web, fill, write_sources
from tests.pipelines.takedown.corpora import take_down

pytestmark = pytest.mark.beam
ALL = NUM_YFCC + NUM_COMMONS + NUM_OPENVERSE
NC = {"License": "cc-by-nc-4.0", "LicenseShortName": "CC BY-NC 4.0"}
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return a web, and the folder of a corpus that was built from it."""
    folder = tmp_path_factory.mktemp("recheck")
    with a_web() as web:
        fill(web)
        build(str(write_sources(folder, web)), workers=1)
        yield web, folder


@pytest.fixture
def corpus(built, tmp_path):
    """Return the web as it was, and a copy of the corpus that a test may change: its config and its release."""
    web, folder = built
    fill(web)
    shutil.copytree(folder, tmp_path / "copy")
    config = tmp_path / "copy/corpus.toml"
    config.write_text(config.read_text().replace(str(folder), str(tmp_path / "copy")))
    return web, config, _release(config)


def _release(config):
    return Release(str(config.parent / "corpus/releases/small"))


def _apis(web):
    return {"commons": f"{web.base}/w/api.php", "openverse": web.base}


def _recheck(release, **options):
    return recheck(release, **{"budget": 1000, "older_than": DAY, "bases": {}, **options})


def _reasons(release):
    return {
        row["record_id"]: row["reasons"]
        for name in release.manifest.papers
        if name.startswith("verdicts/")
        for row in release.store.read_table(f"{release.path}/{name}").to_pylist()
        if row["reasons"]
    }


def _change(web):
    """Let the world go on: removed, gone, opted out, changed, down; relicensed and deleted at the sources."""
    del web.pages["/y0.jpg"]
    web.pages["/y1.jpg"].status = 410
    web.pages["/y2.jpg"].headers["X-Robots-Tag"] = "noai"
    web.pages["/y3.jpg"] = Page(encoded(a_picture(99)))
    web.pages["/y4.jpg"].status = 503
    web.pages["/y5.jpg"].status = 403
    web.commons["1"] = NC
    web.commons["2"] = None
    web.openverse["id0"] |= {"license": "by-nc", "license_url": "https://creativecommons.org/licenses/by-nc/4.0/"}
    del web.openverse["id1"]


FOUND = {
    "test:0": "removed",
    "test:1": "removed",
    "test:2": "opted-out",
    "test:3": "changed",
    "test:4": "unreachable",
    "test:5": "unreachable",
    "test:6": "unchanged",
    "test:7": "unchanged",
    "commons:M1": "relicensed",
    "commons:M2": "removed",
    "commons:M3": "unchanged",
    "openverse:id0": "relicensed",
    "openverse:id1": "removed",
}


def test_of_a_world_that_did_not_change_nothing_is_found(corpus):
    web, _, release = corpus
    done = _recheck(release, bases=_apis(web))
    assert done.swept.findings == {"unchanged": ALL}
    assert [done.delta[name] for name in ("removed", "opted-out", "relicensed", "changed")] == [[], [], [], []]
    assert Counter(web.paths).most_common(1)[0][1] == 1


def test_every_change_is_found_and_the_delta_lists_it(corpus):
    web, _, release = corpus
    _change(web)
    done = _recheck(release, bases=_apis(web))
    assert done.swept.findings == Counter(FOUND.values())
    assert done.delta["removed"] == ["commons:M2", "openverse:id1", "test:0", "test:1"]
    assert done.delta["opted-out"] == [{"record_id": "test:2", "rule": "x-robots-tag:noai"}]
    assert done.delta["changed"] == ["test:3"]
    licenses = {"before": "CC-BY-4.0", "now": "CC-BY-NC-4.0"}
    assert done.delta["relicensed"] == [{"record_id": one, **licenses} for one in ("commons:M1", "openverse:id0")]
    assert json.loads(release.store.read_bytes(done.path)) == done.delta
    assert not {"/c1.jpg", "/o1.jpg"} & set(web.paths)  # what the source does not know is not asked for


def test_a_build_after_it_drops_just_what_the_policy_refuses_and_asks_nobody(corpus):
    web, config, release = corpus
    _change(web)
    _recheck(release, bases=_apis(web))
    refused = {one: [f"recheck:{found}"] for one, found in FOUND.items() if found in ("removed", "opted-out")}
    plan = make_plan(*load_corpus_config(str(config)))
    web.asked.clear()
    release = build(str(config), workers=1)
    assert web.asked == []
    assert _reasons(release) == refused
    assert plan.removed.records == len(refused)
    assert plan.is_exact
    assert list(verify(release)) == []
    policy = config.parent / "policy.toml"
    policy.write_text(POLICY + '[recheck]\nrefuse = ["relicensed"]\n[sources.test.recheck]\nrefuse = ["changed"]\n')
    assert _reasons(build(str(config), workers=1)) == {
        "test:3": ["recheck:changed"],
        "commons:M1": ["recheck:relicensed"],
        "openverse:id0": ["recheck:relicensed"],
    }


def test_what_comes_back_is_admitted_again(corpus):
    web, config, release = corpus
    _change(web)
    _recheck(release)
    build(str(config), workers=1)
    assert _reasons(_release(config))
    fill(web)
    _recheck(release, older_than=timedelta(0))  # the version that still ships them
    assert _reasons(build(str(config), workers=1)) == {}


def test_the_budget_holds_and_the_next_sweep_goes_on(corpus):
    web, _, release = corpus
    rounds = []
    for _ in range(4):
        web.asked.clear()
        done = _recheck(release, budget=5)
        rounds.append(list(web.paths))
        assert len(web.paths) == done.swept.num_requests <= 5
    assert [len(paths) for paths in rounds] == [5, 5, 3, 0]
    assert max(Counter(path for paths in rounds for path in paths).values()) == 1


def test_a_redirect_counts_for_the_budget(corpus):
    web, _, release = corpus
    for name in list(web.pages):
        web.pages[f"/moved{name}"] = web.pages[name]
        web.pages[name] = Page(b"", 301, {"Location": f"{web.base}/moved{name}"})
    done = _recheck(release, budget=ALL)
    assert done.swept.num_requests == len(web.paths)
    assert done.swept.num_checked < ALL


def test_the_oldest_look_comes_first(corpus):
    web, _, release = corpus
    _recheck(release, budget=3)
    for pack in {part.pack for part in find_due(release, checked_before=datetime.now(UTC)).parts}:
        checks = read_checks(release.store, pack)
        assert len(checks) in (0, 3)
    first = list(web.paths)
    web.asked.clear()
    _recheck(release, older_than=timedelta(0))
    assert set(web.paths[-3:]) == set(first)


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGINT])
def test_stopped_in_the_middle_it_asks_nothing_twice(corpus, kill):
    web, config, release = corpus
    for number, page in enumerate(web.pages.values()):
        page.wait_s = 0.0 if number % 2 else 1.8
    command = [sys.executable, "-m", "cli.main", "recheck", str(config.parent / "corpus/releases/small")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ)
    deadline = time.monotonic() + 30
    while len(web.asked) < ALL // 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.7)
    process.send_signal(kill)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"the same command goes on" in said
    heard = {row["url"].removeprefix(web.base) for row in _checks(release)}
    assert 0 < len(heard) < ALL
    web.asked.clear()
    for page in web.pages.values():
        page.wait_s = 0.0
    done = _recheck(release)
    assert not heard & set(web.paths)
    assert done.delta["findings"] == {"never looked at": 0, "unchanged": ALL}


def _checks(release):
    packs = [name.removeprefix("verdicts/").removesuffix(".parquet") for name in release.manifest.papers]
    return [row for pack in packs for row in read_checks(release.store, pack).to_pylist()]


def test_killed_at_once_it_asks_for_a_batch_again_at_most(corpus):
    web, _, release = corpus

    async def until(limit):
        async with HttpTransport(a_fetch_config(timeout_s=5, max_bytes=10**7)) as transport:
            due = find_due(release, checked_before=datetime.now(UTC) - DAY)
            await sweep(due, transport, Budget(limit=limit), apis={}, api_transport=transport, batch=4)

    asyncio.run(until(6))
    assert len(list((release.store.local_path("rechecks/small")).glob("*.parquet"))) >= 2
    asyncio.run(until(100))
    assert max(Counter(web.paths).values()) == 1


def test_what_a_pack_knows_of_its_bytes_is_told_to_the_server(corpus):
    web, _, release = corpus
    index = release.store.read_table("packs/test-00000.000.parquet")
    assert index["etag"].is_valid().to_numpy().any()
    _recheck(release)
    assert all("If-None-Match" in headers for path, headers in web.asked if path.endswith(".jpg"))
    assert {row["sha256"] for row in _checks(release)} == {None}


def test_commons_is_asked_again_when_it_lags(corpus):
    web, _, _ = corpus
    web.lag = 2

    async def asked():
        async with HttpTransport(a_fetch_config(timeout_s=5, max_bytes=10**7)) as transport:
            return await CommonsApi(base=f"{web.base}/w/api.php", pause_s=0.01).ask(["M1", "M9"], transport)

    stated = asyncio.run(asked())
    assert (stated["M1"].license_claims is None, stated["M9"].license_claims) == (False, None)
    assert len(web.asked) == 3


def test_an_api_that_does_not_answer_is_told_and_says_nothing_of_licenses(corpus):
    web, _, release = corpus
    done = _recheck(release, bases={"commons": f"{web.base}/nothing.php"})
    assert done.swept.outcomes["no answer of the source's API"] == NUM_COMMONS
    assert done.swept.findings == {"unchanged": ALL}


@pytest.mark.parametrize(
    ("bases", "complaint"),
    [
        ({"other": "http://a"}, "no source of the release; they are commons, openverse, test"),
        ({"test": "http://a"}, "no API of reader yfcc"),
        ({"commons": "ftp://a"}, "must begin with http"),
    ],
)
def test_an_api_that_cannot_be_meant_is_one_clear_line(corpus, bases, complaint):
    with pytest.raises(ConfigError, match=complaint):
        _recheck(corpus[2], bases=bases)
    with pytest.raises(ConfigError, match="--budget must be 1 request or more, got 0"):
        _recheck(corpus[2], budget=0)


def test_apis_state_claims_as_the_readers_do(corpus):
    web, _, release = corpus

    async def stated():
        apis = apis_of(_apis(web), {"commons": "commons", "openverse": "openverse"})
        async with HttpTransport(a_fetch_config(timeout_s=5, max_bytes=10**7)) as transport:
            commons = await apis["commons"].ask(["M1"], transport)
            openverse = await apis["openverse"].ask(["id0"], transport)
        return [commons["M1"].license_claims, openverse["id0"].license_claims]

    due = find_due(release, checked_before=datetime.now(UTC))
    said = {one.record_id: one.license_claims for _, pictures in due.batches(100) for one in pictures}
    assert asyncio.run(stated()) == [said["commons:M1"], said["openverse:id0"]]


def test_the_command_prints_what_was_found_and_what_to_do(corpus):
    web, config, _ = corpus
    _change(web)
    apis = [f"--api={name}={base}" for name, base in _apis(web).items()]
    command = [sys.executable, "-m", "cli.main", "recheck", str(config.parent / "corpus/releases/small"), *apis]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith(".delta.json")
    assert "4 removed, 1 opted-out, 2 relicensed, 1 changed" in " ".join(done.stderr.split())
    assert "byline build CONFIG" in done.stderr


def test_a_takedown_takes_what_was_found_along(corpus):
    web, config, release = corpus
    _change(web)
    path = release.store.local_path(_recheck(release).path)
    assert "test:0" in path.read_text()
    take_down(release.store, records=("test:0",))
    assert not path.exists()
    assert "test:0" not in {row["record_id"] for row in _checks(release)}
    assert "test:1" in {row["record_id"] for row in _checks(release)}
    assert _reasons(_release(config)) == {one: [f"recheck:{FOUND[one]}"] for one in ("test:1", "test:2")}
