"""What the APIs of sources are asked, and what becomes of one that does not answer."""

import asyncio
from datetime import UTC, datetime

import pytest

from byline.catalog.errors import ConfigError
from byline.pipelines.fetching.transport import HttpTransport
from byline.pipelines.rights.recheck.due import find_due
from byline.pipelines.rights.recheck.source_apis import CommonsApi, apis_of
from tests.builders import a_fetch_config
from tests.pipelines.rights.recheck.looks import (
    ALL,
    apis_on,
    recheck_now,
)
from tests.pipelines.rights.recheck.web import NUM_COMMONS

pytestmark = pytest.mark.beam


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
    done = recheck_now(release, bases={"commons": f"{web.base}/nothing.php"})
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
        recheck_now(corpus[2], bases=bases)
    with pytest.raises(ConfigError, match="--budget must be 1 request or more, got 0"):
        recheck_now(corpus[2], budget=0)


def test_apis_state_claims_as_the_readers_do(corpus):
    web, _, release = corpus

    async def stated():
        apis = apis_of(apis_on(web), {"commons": "commons", "openverse": "openverse"})
        async with HttpTransport(a_fetch_config(timeout_s=5, max_bytes=10**7)) as transport:
            commons = await apis["commons"].ask(["M1"], transport)
            openverse = await apis["openverse"].ask(["id0"], transport)
        return [commons["M1"].license_claims, openverse["id0"].license_claims]

    due = find_due(release, checked_before=datetime.now(UTC))
    said = {one.record_id: one.license_claims for _, pictures in due.batches(100) for one in pictures}
    assert asyncio.run(stated()) == [said["commons:M1"], said["openverse:id0"]]
