"""Sweeps over a loopback web: within a budget, the oldest look first, stopped and killed, and polite."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from byline.catalog.corpora.rechecks import read_checks
from byline.pipelines.beam.build import build
from byline.pipelines.fetching.transport import HttpTransport
from byline.pipelines.rights.recheck.due import find_due
from byline.pipelines.rights.recheck.sweep import BUSY, HALF_WAY, Budget, sweep
from tests.builders import POLICY, a_fetch_config, shared_in
from tests.pipelines.rights.recheck.looks import (
    ALL,
    DAY,
    NC,
    apis_on,
    checks_of,
    reasons_in,
    recheck_now,
)
from tests.pipelines.rights.recheck.web import Page, fill

pytestmark = pytest.mark.beam


def test_the_budget_holds_and_the_next_sweep_goes_on(corpus):
    web, _, release = corpus
    rounds = []
    for _ in range(4):
        web.asked.clear()
        done = recheck_now(release, budget=5)
        rounds.append(list(web.paths))
        assert len(web.paths) == done.swept.num_requests <= 5
    assert [len(paths) for paths in rounds] == [5, 5, 3, 0]
    assert max(Counter(path for paths in rounds for path in paths).values()) == 1


def test_a_redirect_counts_for_the_budget(corpus):
    web, _, release = corpus
    for name in list(web.pages):
        web.pages[f"/moved{name}"] = web.pages[name]
        web.pages[name] = Page(b"", 301, {"Location": f"{web.base}/moved{name}"})
    done = recheck_now(release, budget=ALL)
    assert done.swept.num_requests == len(web.paths) <= ALL
    assert done.swept.num_checked == ALL // 2
    assert done.swept.outcomes == {"unchanged": ALL // 2, HALF_WAY: 1}


@pytest.mark.parametrize("budget", [2, 3, 7])
def test_small_budgets_get_there_though_every_picture_redirects(corpus, budget):
    web, _, release = corpus
    for name in list(web.pages):
        web.pages[f"/moved{name}"] = web.pages[name]
        web.pages[name] = Page(b"", 301, {"Location": f"{web.base}/moved{name}"})
    checked = 0
    for _ in range(2 * ALL // (budget // 2 * 2) + 1):
        web.asked.clear()
        checked += recheck_now(release, budget=budget).swept.num_checked
        assert len(web.paths) <= budget
    assert checked == ALL


def test_the_oldest_look_comes_first(corpus):
    web, _, release = corpus
    recheck_now(release, budget=3)
    for pack in {part.pack for part in find_due(release, checked_before=datetime.now(UTC)).parts}:
        checks = read_checks(release.store, pack)
        assert len(checks) in (0, 3)
    first = list(web.paths)
    web.asked.clear()
    recheck_now(release, older_than=timedelta(0))
    assert set(web.paths[-3:]) == set(first)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGINT])
def test_stopped_in_the_middle_it_asks_nothing_twice(corpus, kill):
    web, config, release = corpus
    for number, page in enumerate(web.pages.values()):
        page.wait_s = 0.0 if number % 2 else 1.8
    command = [sys.executable, "-m", "byline.cli.main", "recheck", str(config.parent / "corpus/releases/small")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    deadline = time.monotonic() + 30
    while len(web.asked) < ALL // 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(kill)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"it goes on where it was" in said
    heard = {row["url"].removeprefix(web.base) for row in checks_of(release)}
    assert 0 < len(heard) < ALL
    web.asked.clear()
    for page in web.pages.values():
        page.wait_s = 0.0
    done = recheck_now(release)
    assert not heard & set(web.paths)
    assert done.delta["findings"] == {"never looked at": 0, "unchanged": ALL}


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
    recheck_now(release)
    assert all("If-None-Match" in headers for path, headers in web.asked if path.endswith(".jpg"))
    assert {row["sha256"] for row in checks_of(release)} == {None}


def test_a_429_is_no_finding_and_stays_due(corpus):
    web, _, release = corpus
    for number in range(4):
        web.pages[f"/y{number}.jpg"].status = 429
    done = recheck_now(release)
    assert done.swept.findings == {"unchanged": ALL - 4}
    assert (done.swept.outcomes[BUSY], done.delta["findings"]["never looked at"]) == (4, 4)
    fill(web)
    assert recheck_now(release).delta["findings"] == {"never looked at": 0, "unchanged": ALL}
    assert len(web.paths) == 4


def test_a_429_refuses_no_picture_even_where_unreachable_does(corpus):
    web, config, release = corpus
    web.pages["/y0.jpg"].status, web.pages["/y1.jpg"].status = 429, 503
    recheck_now(release)
    (config.parent / "policy.toml").write_text(POLICY + '[recheck]\nrefuse = ["unreachable"]\n')
    assert reasons_in(build(str(config), workers=1)) == {"test:1": ["recheck:unreachable"]}


@pytest.mark.parametrize("asked_for", ["/y0.jpg", "/robots.txt"])
def test_a_host_that_wants_to_rest_is_not_asked_and_costs_no_budget(corpus, tmp_path, asked_for):
    web, _, release = corpus
    web.pages[asked_for] = Page(b"", 429, {"Retry-After": "300"})

    async def swept():
        config = a_fetch_config(timeout_s=5, per_host=1)
        async with HttpTransport(config, shared=shared_in(tmp_path / "hosts", config)) as transport:
            due = find_due(release, checked_before=datetime.now(UTC) - DAY)
            return await sweep(due, transport, Budget(limit=ALL), apis={}, api_transport=transport)

    done = asyncio.run(swept())
    assert done.num_requests == len(web.paths) < ALL
    assert done.outcomes[BUSY] + done.num_checked == ALL


def test_what_a_source_relicensed_is_found_though_the_host_of_the_picture_rests(corpus):
    web, _, release = corpus
    web.commons["1"] = NC
    web.pages["/c0.jpg"].status = 429
    assert recheck_now(release, bases=apis_on(web)).swept.findings == {"relicensed": 1, "unchanged": ALL - 1}


def test_a_sweep_may_be_slower_than_a_build(corpus):
    _, _, release = corpus
    began = time.monotonic()
    recheck_now(release, budget=5, rate_per_s=10)
    assert time.monotonic() - began > 4 / 10
