"""The whole client over the hostile set: nothing that an URL or a redirect says reaches a listener."""

from byline.catalog.corpora.packs import Outcome
from byline.pipelines.fetching.transport import HttpTransport
from tests.builders import a_fetch_config, a_server, shared_in
from tests.pipelines.fetching.transport.hostile_urls import FRIENDLY, HOSTILE, LONG, HostileResolver
from tests.pipelines.fetching.transport.test_addresses import in_a_trap

NOT_ASKED = {Outcome.BAD_URL, Outcome.PRIVATE_ADDRESS, Outcome.UNREACHABLE}


def a_client(folder, **overrides):
    config = a_fetch_config(**{"allow": FRIENDLY, "per_host": 1000, "timeout_s": 5.0, "max_wait_s": 0.0, **overrides})
    return HttpTransport(config, resolver=HostileResolver(), shared=shared_in(folder, config))


def test_every_hostile_url_has_an_outcome_and_none_reaches_a_listener(tmp_path):
    async def scenario(trap):
        async with a_client(tmp_path) as client:
            return {url: (await client.get(url.format(port=trap.port))).outcome for url in HOSTILE}

    outcomes, trap = in_a_trap(scenario)
    assert not {url: outcome for url, outcome in outcomes.items() if outcome not in NOT_ASKED}
    assert (trap.num_connections, trap.num_friendly) == (0, 0)


def test_no_redirect_to_a_hostile_url_reaches_a_listener(tmp_path):
    urls = [url for url in HOSTILE if url not in LONG]

    async def scenario(trap):
        answers = {}
        async with a_client(tmp_path) as client:
            for url in urls:
                trap.location = url.format(port=trap.port)
                answers[url] = await client.get(f"http://friendly.example:{trap.port}/")
        return answers

    answers, trap = in_a_trap(scenario)
    assert trap.num_connections == 0
    assert trap.num_friendly >= len(urls)
    assert not {url: answer for url, answer in answers.items() if answer.body}


def test_a_redirect_of_others_leads_to_no_mirror(tmp_path):
    path = "/mirror/a.jpg"

    async def scenario(trap):
        with a_server({path: (200, "image/jpeg", b"abc")}) as (base, asked):
            trap.location = base + path
            mirrors = {"https://far.example/": f"{base}/mirror/"}
            async with a_client(tmp_path, mirrors=mirrors) as client:
                mirrored = await client.get("https://far.example/a.jpg")
                redirected = await client.get(f"http://friendly.example:{trap.port}/")
            return mirrored, redirected, list(asked)

    (mirrored, redirected, asked), _ = in_a_trap(scenario)
    assert mirrored.body == b"abc"
    assert redirected.outcome == Outcome.PRIVATE_ADDRESS
    assert asked == [path]
