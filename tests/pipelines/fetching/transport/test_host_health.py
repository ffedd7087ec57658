"""How long a host rests: hold-offs, back-off, its circuit, Retry-After."""

from collections import defaultdict
from itertools import count

import pytest

from byline.pipelines.fetching.transport.host_table import NUM_WAYS, place_of
from byline.pipelines.fetching.transport.hosts import Lease, retry_after_s
from tests.pipelines.fetching.transport.some_hosts import HOST, let_pass, some_hosts

DATE = "Tue, 01 Jul 2025 12:00:00 GMT"


@pytest.mark.parametrize(("seconds", "wait_s"), [(1e9, 3600), (float("inf"), 3600), (30, 30), (-5, 0), (0, 0)])
def test_a_hold_off_is_capped(tmp_path, seconds, wait_s):
    hosts = some_hosts(tmp_path)
    hosts.hold_off(HOST, seconds)
    assert hosts.wait_s(HOST) == pytest.approx(wait_s, abs=1)


def test_a_shorter_hold_off_does_not_cut_a_longer_one(tmp_path):
    hosts = some_hosts(tmp_path)
    hosts.hold_off(HOST, 100)
    hosts.hold_off(HOST, 1)
    assert hosts.wait_s(HOST) > 99


def test_success_does_not_end_a_hold_off(tmp_path):
    hosts = some_hosts(tmp_path)
    hosts.failed(HOST)
    hosts.hold_off(HOST, 100)
    hosts.succeeded(HOST)
    assert hosts.wait_s(HOST) > 99


def test_a_failure_lets_a_host_rest_and_success_ends_the_rest(tmp_path):
    hosts = some_hosts(tmp_path)
    hosts.failed(HOST)
    assert 0 < hosts.wait_s(HOST) <= 0.5
    hosts.succeeded(HOST)
    assert hosts.wait_s(HOST) == 0


def test_failures_of_one_moment_do_not_lengthen_the_rest_or_open_the_circuit(tmp_path):
    hosts = some_hosts(tmp_path, per_host=8)
    for _ in range(8):
        hosts.failed(HOST)
    assert hosts.wait_s(HOST) <= 0.5
    assert not hosts.is_open(HOST)


def opened(folder):
    hosts = some_hosts(folder)
    for _ in range(5):
        hosts.failed(HOST)
    return hosts


def test_the_circuit_opens_after_failures_in_a_row(tmp_path):
    hosts = opened(tmp_path)
    assert hosts.is_open(HOST)
    assert 14 < hosts.try_lease(HOST).seconds <= 30


def test_success_between_failures_keeps_the_circuit_closed(tmp_path):
    hosts = some_hosts(tmp_path)
    for _ in range(4):
        hosts.failed(HOST)
    hosts.succeeded(HOST)
    hosts.failed(HOST)
    assert not hosts.is_open(HOST)


def test_after_the_pause_one_trial_goes_through(tmp_path):
    hosts = opened(tmp_path)
    let_pass(hosts, HOST, 40)
    assert not hosts.is_open(HOST)
    with hosts.try_lease(HOST):
        assert hosts.is_open(HOST)
    assert hosts.try_lease(HOST).seconds > 50


def test_a_trial_that_succeeds_closes_the_circuit(tmp_path):
    hosts = opened(tmp_path)
    let_pass(hosts, HOST, 40)
    hosts.try_lease(HOST).release()
    hosts.succeeded(HOST)
    assert isinstance(hosts.try_lease(HOST), Lease)


def test_a_trial_that_fails_doubles_the_pause(tmp_path):
    hosts = opened(tmp_path)
    let_pass(hosts, HOST, 40)
    hosts.try_lease(HOST).release()
    hosts.failed(HOST)
    assert 29 < hosts.wait_s(HOST) <= 60


def test_failures_of_an_hour_ago_are_forgotten(tmp_path):
    hosts = some_hosts(tmp_path)
    for _ in range(4):
        hosts.failed(HOST)
    let_pass(hosts, HOST, 4000)
    hosts.failed(HOST)
    assert not hosts.is_open(HOST)


def neighbors(num):
    """Return names that fall into one slot."""
    slots = defaultdict(list)
    for number in count():
        name = f"h{number}.example"
        slot, _ = place_of(name)
        slots[slot].append(name)
        if len(slots[slot]) == num:
            return slots[slot]


def test_trouble_of_a_host_is_not_that_of_its_neighbor_in_a_slot(tmp_path):
    ill, well = neighbors(2)
    hosts = some_hosts(tmp_path)
    for _ in range(5):
        hosts.failed(ill)
    assert not hosts.is_open(well)
    assert isinstance(hosts.try_lease(well), Lease)


def test_no_hold_off_is_forgotten_when_a_slot_is_full_of_trouble(tmp_path):
    names = neighbors(NUM_WAYS + 2)
    hosts = some_hosts(tmp_path)
    for name in names:
        hosts.hold_off(name, 100)
    assert min(map(hosts.wait_s, names)) > 99


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("120", None, 120),
        (" 120 ", None, 120),
        ("1.5", None, 1.5),
        ("0", None, 0),
        ("-7", None, 0),
        ("9" * 300, None, 1e9),
        ("Tue, 01 Jul 2025 12:02:00 GMT", DATE, 120),
        ("Tuesday, 01-Jul-25 12:02:00 GMT", DATE, 120),
        ("Tue Jul  1 12:02:00 2025", DATE, 120),
        ("Tue, 01 Jul 2025 11:00:00 GMT", DATE, 0),
        ("Tue, 01 Jul 2025 14:02:00 +0200", DATE, 120),
        ("Fri, 31 Dec 1999 23:59:59 GMT", None, 0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", "no date", 0),
        ("", DATE, None),
        ("soon", DATE, None),
        ("1e9", DATE, None),
        ("inf", DATE, None),
        ("nan", DATE, None),
        ("٣٠", DATE, None),
        ("120 seconds", DATE, None),
        ("120, 60", DATE, None),
        ("Tue, 99 Jul 2025 12:02:00 GMT", DATE, None),
        ("Tue, 01 Jul 99999999999 12:02:00 GMT", DATE, None),
        ("A" * 100_000, DATE, None),
    ],
)
def test_retry_after_is_read_by_the_servers_own_clock(value, date, seconds):
    assert retry_after_s(value, date) == seconds
