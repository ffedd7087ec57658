"""Leases and pace of hosts, shared by processes."""

import multiprocessing
import signal

import pytest

from byline.catalog.errors import ConfigError
from byline.pipelines.fetching.transport.hosts import Lease, Wait
from tests.pipelines.fetching.transport.some_hosts import HOLD, HOST, hammered, most_at_once, run, some_hosts


@pytest.fixture
def holder(tmp_path):
    """A process that holds the only lease of a host and has put off another host."""
    process = run(HOLD, tmp_path)
    assert process.stdout.readline() == "Lease\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_three_processes_never_hold_more_than_the_limit(tmp_path):
    spans = hammered(tmp_path, rate=0)
    assert len(spans) == 20
    assert {most_at_once(one) for one in spans.values()} == {2}


def test_three_processes_never_go_faster_than_the_pace(tmp_path):
    rate = 20
    spans = hammered(tmp_path, rate)
    assert sum(map(len, spans.values())) > 20 * rate / 2
    for one in spans.values():
        begun = [began for began, _ in one]
        assert len(begun) <= (max(begun) - min(begun)) * rate + 2  # one for the fence post, one for late clocks


def test_a_lease_held_elsewhere_is_waited_for(tmp_path, holder):
    assert 0 < some_hosts(tmp_path, per_host=1).try_lease(HOST).seconds < 1


def test_the_lease_of_a_killed_process_is_free_at_once(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert isinstance(some_hosts(tmp_path, per_host=1).try_lease(HOST), Lease)


def test_a_hold_off_is_seen_by_others_and_outlives_its_process(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert 45 < some_hosts(tmp_path).try_lease("slow.example").seconds <= 50


def test_a_released_lease_is_free_and_releasing_twice_frees_no_other(tmp_path):
    hosts = some_hosts(tmp_path, per_host=1)
    first = hosts.try_lease(HOST)
    first.release()
    second = hosts.try_lease(HOST)
    first.release()
    assert isinstance(second, Lease)
    assert isinstance(hosts.try_lease(HOST), Wait)


def test_two_objects_of_one_process_share_the_limit(tmp_path):
    with some_hosts(tmp_path, per_host=1).try_lease(HOST):
        assert isinstance(some_hosts(tmp_path, per_host=1).try_lease(HOST), Wait)
    assert isinstance(some_hosts(tmp_path, per_host=1).try_lease(HOST), Lease)


def _try_in_child(hosts, lease, answers):
    lease.release()
    answers.put(isinstance(hosts.try_lease(HOST), Lease))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_neither_owns_nor_frees_the_leases_of_its_parent(tmp_path):
    hosts = some_hosts(tmp_path, per_host=1)
    lease = hosts.try_lease(HOST)
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    child = fork.Process(target=_try_in_child, args=(hosts, lease, answers))
    child.start()
    assert answers.get(timeout=20) is False
    child.join()
    assert isinstance(hosts.try_lease(HOST), Wait)
    lease.release()
    assert isinstance(hosts.try_lease(HOST), Lease)


def test_the_pace_binds_a_host_and_no_other(tmp_path):
    hosts = some_hosts(tmp_path, rate_per_s=0.1)
    assert isinstance(hosts.try_lease(HOST), Lease)
    assert 9 < hosts.try_lease(HOST).seconds <= 10
    assert isinstance(hosts.try_lease("other.example"), Lease)


@pytest.mark.parametrize("name", ["PICTURES.example", "pictures.example."])
def test_spellings_of_a_name_are_one_host(tmp_path, name):
    hosts = some_hosts(tmp_path, rate_per_s=0.1)
    hosts.try_lease(HOST)
    assert hosts.wait_s(name) > 9


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"per_host": 0}, "per_host is 0; give a number of requests from 1 to 1000"),
        ({"rate_per_s": 0}, "rate_per_s is 0; give requests per second above 0, or leave it out"),
        ({"rate_per_s": float("nan")}, "rate_per_s is nan; give requests per second above 0, or leave it out"),
        ({"max_hold_off_s": 0}, "max_hold_off_s is 0; give seconds above 0, at most 86,400"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(tmp_path, option, message):
    with pytest.raises(ConfigError, match=message):
        some_hosts(tmp_path, **option)
