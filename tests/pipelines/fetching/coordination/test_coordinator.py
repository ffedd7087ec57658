"""A coordinator keeps hosts' limits for workers that share nothing else; real connections over loopback."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver

from byline.catalog.errors import ConfigError, ServerError
from byline.pipelines.fetching.coordination.client import CoordinatedGrant, coordinated
from byline.pipelines.fetching.coordination.reach import PATH, Reach, own_addresses, read_address
from byline.pipelines.fetching.coordination.server import coordinating
from byline.pipelines.fetching.transport import host_table
from byline.pipelines.fetching.transport.hosts import BACK_OFF_S, FAILURES_TO_OPEN, MAX_BACK_OFF_S, Hosts, Wait
from byline.pipelines.fetching.transport.names import SharedResolver
from byline.pipelines.fetching.transport.sharing import HostNews, Resting
from byline.pipelines.fetching.transport.sites import Sites
from tests.builders import a_fetch_config
from tests.pipelines.fetching.transport.some_hosts import let_pass
from tests.pipelines.fetching.transport.test_shared_answers import ORIGIN, Host

HOST = "pictures.example"
WORKER = """
import asyncio, sys
from byline.pipelines.fetching.coordination.client import coordinated
from byline.pipelines.fetching.coordination.reach import Reach
async def hold():
    async with coordinated(Reach((sys.argv[1],), sys.argv[2])) as shared:
        print(type(await shared.lease("pictures.example")).__name__, flush=True)
        await asyncio.sleep(60)
asyncio.run(hold())
"""


@pytest.fixture(autouse=True)
def _a_table_of_its_own(tmp_path, monkeypatch):
    """Let the coordinator of a test meet no other build of this machine."""
    monkeypatch.setattr(host_table.tempfile, "gettempdir", lambda: str(tmp_path))


def coordinator(tmp_path, **limits):
    config = a_fetch_config(**{"per_host": 1, **limits})
    return coordinating(config, tmp_path / "found", addresses=["127.0.0.1"], is_open=False)


def of_two(tmp_path, scenario, **limits):
    """Return what comes of `scenario(first, second)`, two workers of one build."""

    async def both(reach):
        async with coordinated(reach) as first, coordinated(reach) as second:
            return await scenario(first, second)

    with coordinator(tmp_path, **limits) as reach:
        return asyncio.run(both(reach))


def test_a_lease_of_one_worker_is_waited_for_by_another(tmp_path):
    async def scenario(first, second):
        held = await first.lease(HOST)
        waited = await second.lease(HOST)
        async with await second.lease("other.example"):
            await held.end(HostNews(health="well"))
        return held, waited, await second.lease(HOST)

    held, waited, later = of_two(tmp_path, scenario)
    assert (type(held), type(waited), type(later)) == (CoordinatedGrant, Wait, CoordinatedGrant)
    assert 0 < waited.seconds < 0.1


def test_a_request_that_is_left_without_a_word_gives_its_lease_back(tmp_path):
    async def scenario(first, second):
        async with await first.lease(HOST):
            pass
        return await second.lease(HOST)

    assert isinstance(of_two(tmp_path, scenario), CoordinatedGrant)


def test_what_a_host_asks_for_is_heard_by_all_before_anybody_asks_it(tmp_path):
    async def scenario(first, second):
        grant = await first.lease(HOST)
        told = await grant.end(HostNews(hold_off_s=50.0))
        return told, (await second.lease(HOST)).seconds

    told, waited = of_two(tmp_path, scenario)
    assert 45 < told <= 50
    assert 45 < waited <= 50.1


def test_a_failure_that_one_worker_sees_lets_the_host_rest_for_all(tmp_path):
    async def scenario(first, second):
        grants = [await first.lease(HOST), await second.lease(HOST)]
        told = await grants[0].end(HostNews(health="ill"))
        return told, (await second.lease(HOST)).seconds, (await first.lease(HOST)).seconds

    told, *waited = of_two(tmp_path, scenario, per_host=3)
    assert BACK_OFF_S / 4 < told <= BACK_OFF_S
    assert min(waited) > BACK_OFF_S / 4


def test_a_host_that_fails_again_and_again_rests_for_all(tmp_path):
    async def scenario(first, second):
        for number in range(FAILURES_TO_OPEN):
            grant = await (first, second)[number % 2].lease(HOST)
            await grant.end(HostNews(health="ill"))
            if number + 1 < FAILURES_TO_OPEN:
                let_pass(Hosts(per_host=1, rate_per_s=None), HOST, MAX_BACK_OFF_S)
        return [await worker.lease(HOST) for worker in (first, second)]

    assert of_two(tmp_path, scenario) == [Resting(), Resting()]


def test_two_workers_together_keep_the_pace_of_one(tmp_path):
    async def scenario(first, second):
        loop, begun = asyncio.get_running_loop(), []

        async def ask(worker):
            while len(begun) < 10:
                grant = await worker.lease(HOST)
                if isinstance(grant, Wait):
                    await asyncio.sleep(grant.seconds)
                    continue
                begun.append(loop.time())
                await grant.end(HostNews(health="well"))

        await asyncio.gather(ask(first), ask(second))
        return begun

    begun = of_two(tmp_path, scenario, per_host=8, rate_per_s=20)
    assert max(begun) - min(begun) >= (len(begun) - 2) / 20


def test_the_lease_of_a_worker_that_is_killed_is_free(tmp_path):
    async def lease_in_time(reach):
        async with asyncio.timeout(20), coordinated(reach) as shared:
            while isinstance(await shared.lease(HOST), Wait):
                await asyncio.sleep(0.05)
            return True

    with coordinator(tmp_path) as reach:
        command = [sys.executable, "-c", WORKER, *reach.addresses, reach.secret]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert worker.stdout.readline() == "CoordinatedGrant\n"
        finally:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            worker.stdout.close()
        assert asyncio.run(lease_in_time(reach))


def test_a_host_is_asked_for_its_files_by_one_of_all_workers(tmp_path):
    host = Host()

    async def scenario(first, second):
        sites = [Sites(host.read, worker) for worker in (first, second, first)]
        return await asyncio.gather(*(one.of(ORIGIN) for one in sites))

    sites = of_two(tmp_path, scenario)
    assert host.asked == {"robots.txt": 1, "tdmrep.json": 1}
    assert {site.robots.allows(f"{ORIGIN}/private/a.jpg") for site in sites} == {False}


def test_a_worker_that_goes_in_its_turn_leaves_it_to_the_next(tmp_path):
    async def scenario(first, second):
        async def find(worker, found):
            async with worker.turn("sites", ORIGIN, max_age_s=10) as turn:
                kept = turn.kept
                began.set()
                if found is None:
                    await asyncio.Event().wait()
                turn.keep(found)
                return kept

        began = asyncio.Event()
        gone = asyncio.create_task(find(first, None))
        await began.wait()
        later = asyncio.create_task(find(second, {"a": 1}))
        await asyncio.sleep(0.2)
        assert not later.done()
        gone.cancel()
        return await later, await find(first, {"a": 2})

    assert of_two(tmp_path, scenario) == (None, {"a": 1})


class _CountingResolver(AbstractResolver):
    def __init__(self):
        self.asked = Counter()

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked[host] += 1
        await asyncio.sleep(0.05)
        if host == "none.example":
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [dict(hostname=host, host="127.0.0.1", port=port, family=family, proto=6, flags=4)]  # noqa: C408

    async def close(self):
        pass


def test_a_name_is_looked_up_by_one_of_all_workers(tmp_path):
    system = _CountingResolver()

    async def scenario(first, second):
        resolvers = [SharedResolver(worker, system) for worker in (first, second, second)]
        return await asyncio.gather(*(one.resolve(HOST, 80 + place) for place, one in enumerate(resolvers)))

    answers = of_two(tmp_path, scenario)
    assert system.asked == {HOST: 1}
    assert [(one["hostname"], one["host"], one["port"], one["family"]) for (one,) in answers] == [
        (HOST, "127.0.0.1", port, socket.AF_INET) for port in (80, 81, 82)
    ]


def test_a_name_that_is_not_found_is_tried_by_the_next(tmp_path):
    system = _CountingResolver()

    async def scenario(first, second):
        for worker in (first, second):
            with pytest.raises(socket.gaierror):
                await SharedResolver(worker, system).resolve("none.example")

    of_two(tmp_path, scenario)
    assert system.asked == {"none.example": 2}


async def _reach(reach):
    async with coordinated(reach):
        return True


def test_a_worker_of_another_build_is_not_served(tmp_path):
    with (
        coordinator(tmp_path) as reach,
        pytest.raises(ServerError, match=r"cannot reach .*\(127.0.0.1:\d+ is not of this build\)"),
    ):
        asyncio.run(_reach(Reach(reach.addresses, "0" * 64)))


@asynccontextmanager
async def _an_impostor(answer):
    """Serve a coordinator that does not know the secret."""

    async def serve(request):
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        await answer(connection)
        return connection

    application = web.Application()
    application.router.add_get(PATH, serve)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def _proves_nothing(connection):
    await connection.send_json({"nonce": "a"})
    told = await connection.receive_json()
    await connection.send_json({"proof": told["proof"]})


async def _says_nonsense(connection):
    await connection.send_json([1])


@pytest.mark.parametrize("answer", [_proves_nothing, _says_nonsense])
def test_a_worker_obeys_no_impostor_and_tries_the_next_address(tmp_path, answer):
    async def tried(addresses, reach):
        async with _an_impostor(answer) as impostor:
            return await _reach(Reach((impostor, *addresses), reach.secret))

    with coordinator(tmp_path) as reach:
        assert asyncio.run(tried(reach.addresses, reach))
        with pytest.raises(ServerError, match="is not of this build"):
            asyncio.run(tried((), reach))


def test_where_nobody_listens_is_told(tmp_path):
    with coordinator(tmp_path) as reach:
        pass
    with pytest.raises(ServerError, match=r"^cannot reach the coordinator of hosts \(127.0.0.1:\d+: .*\)$"):
        asyncio.run(_reach(reach))


def test_a_coordinator_that_goes_away_ends_what_is_asked_at_once(tmp_path):
    async def asked_for_long(reach, serving):
        async with asyncio.timeout(20), coordinated(reach) as shared:
            await shared.lease(HOST)
            await asyncio.get_running_loop().run_in_executor(None, serving.__exit__, None, None, None)
            await asyncio.Event().wait()

    serving = coordinator(tmp_path)
    reach = serving.__enter__()
    with pytest.raises(ServerError, match=r"^the coordinator of hosts at 127.0.0.1:\d+, .* went away; run the same"):
        asyncio.run(asked_for_long(reach, serving))


def test_an_error_of_the_block_comes_out_as_it_is(tmp_path):
    async def failing(reach):
        async with coordinated(reach):
            raise KeyError("mine")

    with coordinator(tmp_path) as reach, pytest.raises(KeyError, match="mine"):
        asyncio.run(failing(reach))


@pytest.mark.parametrize("text", ["nonsense", '{"kind": "lease", "number": 1}', "[]", '{"kind": "stop", "number": 1}'])
def test_what_is_no_message_ends_its_connection_and_no_other(tmp_path, text):
    async def told(reach):
        async with asyncio.timeout(20), coordinated(reach) as broken:
            await broken._connection.send_str(text)
            await asyncio.Event().wait()

    async def both(reach):
        async with coordinated(reach) as well:
            with pytest.raises(ServerError, match="went away"):
                await told(reach)
            return await well.lease(HOST)

    with coordinator(tmp_path) as reach:
        assert isinstance(asyncio.run(both(reach)), CoordinatedGrant)


def test_who_proves_nothing_gets_nothing(tmp_path):
    async def ask(reach):
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://{reach.addresses[0]}{PATH}") as connection,
        ):
            await connection.receive_json()
            await connection.send_json({"kind": "lease", "number": 1, "host": HOST, "delay_s": 0})
            return (await connection.receive()).type

    with coordinator(tmp_path) as reach:
        assert asyncio.run(ask(reach)) in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


def test_a_secret_is_not_shown(tmp_path):
    with coordinator(tmp_path) as reach:
        assert reach.secret not in f"{reach} {reach!r}"
    with coordinator(tmp_path) as other:
        assert other.secret != reach.secret


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("build.example", ("build.example", 0)),
        ("build.example:7070", ("build.example", 7070)),
        ("10.0.0.7:1", ("10.0.0.7", 1)),
        ("[fd00::7]:7070", ("[fd00::7]", 7070)),
        ("[fd00::7]", ("[fd00::7]", 0)),
    ],
)
def test_an_address_has_a_host_and_perhaps_a_port(text, address):
    assert read_address(text) == address


@pytest.mark.parametrize(
    "text", ["", ":7070", "build.example:0", "build.example:70000", "fd00::7", "http://build:7070"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ConfigError, match="give HOST or HOST:PORT"):
        read_address(text)


def test_a_port_that_is_taken_is_told(tmp_path):
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(ConfigError, match=f"cannot listen at port {port} .*--coordinator HOST:PORT"),
            coordinating(a_fetch_config(), tmp_path, addresses=["a"], port=port),
        ):
            pass


def test_loopback_is_the_last_of_this_machines_addresses():
    addresses = own_addresses(["localhost:1", "127.0.0.1:50000", "no-such-name.invalid:1"])
    assert addresses[-1] == "127.0.0.1"
    assert addresses.count("127.0.0.1") == 1
