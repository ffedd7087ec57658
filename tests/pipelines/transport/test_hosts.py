import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from itertools import count

import pytest

from catalog.errors import ConfigError, StorageError
from pipelines.transport.host_table import HEADER_BYTES, NUM_WAYS, place_of, seconds_since_boot, shared_table
from pipelines.transport.hosts import Hosts, Lease, retry_after_s

HOST = "pictures.example"
DATE = "Tue, 01 Jul 2025 12:00:00 GMT"
HAMMER = """
import random, sys, time
from pathlib import Path
from pipelines.transport.hosts import Hosts, Lease
folder, log, rate = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
hosts = Hosts(per_host=2, rate_per_s=rate or None, folder=folder)
(folder / f"ready-{log[-1]}").touch()
while len(list(folder.glob("ready-*"))) < 3:
    time.sleep(0.001)
held, lines = [], []
until = time.monotonic() + 1
while time.monotonic() < until:
    host = random.randrange(20)
    lease = hosts.try_lease(f"h{host}.example")
    if isinstance(lease, Lease):
        held.append((host, time.monotonic(), lease))
    if len(held) > 8:
        host, began, lease = held.pop(0)
        lines.append(f"{host} {began} {time.monotonic()}\\n")
        lease.release()
    time.sleep(0)
for host, began, lease in held:
    lines.append(f"{host} {began} {time.monotonic()}\\n")
    lease.release()
Path(log).write_text("".join(lines))
"""
HOLD = """
import sys, time
from pathlib import Path
from pipelines.transport.hosts import Hosts
hosts = Hosts(per_host=1, rate_per_s=None, folder=Path(sys.argv[1]))
lease = hosts.try_lease("pictures.example")
hosts.hold_off("slow.example", 50)
print(type(lease).__name__, flush=True)
time.sleep(60)
"""


def some_hosts(folder, **overrides):
    return Hosts(**{"per_host": 2, "rate_per_s": None, "folder": folder, **overrides})


def run(code, *args):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, args)], stdout=subprocess.PIPE, text=True)


def hammered(folder, rate):
    """Return when leases of each host began and ended, as seen by three processes at once."""
    processes = [run(HAMMER, folder, folder / f"log-{number}", rate) for number in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    spans = defaultdict(list)
    for process, number in zip(processes, range(3), strict=True):
        process.stdout.close()
        for line in (folder / f"log-{number}").read_text().splitlines():
            host, began, ended = line.split()
            spans[host].append((float(began), float(ended)))
    return spans


def most_at_once(spans):
    events = sorted([(began, 1) for began, _ in spans] + [(ended, -1) for _, ended in spans])
    at_once = most = 0
    for _, change in events:
        at_once += change
        most = max(most, at_once)
    return most


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
    assert 0 < some_hosts(tmp_path, per_host=1).try_lease(HOST) < 1


def test_the_lease_of_a_killed_process_is_free_at_once(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert isinstance(some_hosts(tmp_path, per_host=1).try_lease(HOST), Lease)


def test_a_hold_off_is_seen_by_others_and_outlives_its_process(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert 45 < some_hosts(tmp_path).try_lease("slow.example") <= 50


def test_a_released_lease_is_free_and_releasing_twice_frees_no_other(tmp_path):
    hosts = some_hosts(tmp_path, per_host=1)
    first = hosts.try_lease(HOST)
    first.release()
    second = hosts.try_lease(HOST)
    first.release()
    assert isinstance(second, Lease)
    assert isinstance(hosts.try_lease(HOST), float)


def test_two_objects_of_one_process_share_the_limit(tmp_path):
    with some_hosts(tmp_path, per_host=1).try_lease(HOST):
        assert isinstance(some_hosts(tmp_path, per_host=1).try_lease(HOST), float)
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
    assert isinstance(hosts.try_lease(HOST), float)
    lease.release()
    assert isinstance(hosts.try_lease(HOST), Lease)


def test_the_pace_binds_a_host_and_no_other(tmp_path):
    hosts = some_hosts(tmp_path, rate_per_s=0.1)
    assert isinstance(hosts.try_lease(HOST), Lease)
    assert 9 < hosts.try_lease(HOST) <= 10
    assert isinstance(hosts.try_lease("other.example"), Lease)


@pytest.mark.parametrize("name", ["PICTURES.example", "pictures.example."])
def test_spellings_of_a_name_are_one_host(tmp_path, name):
    hosts = some_hosts(tmp_path, rate_per_s=0.1)
    hosts.try_lease(HOST)
    assert hosts.wait_s(name) > 9


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
    assert 0.2 < hosts.wait_s(HOST) <= 0.5
    hosts.succeeded(HOST)
    assert hosts.wait_s(HOST) == 0


def test_failures_of_one_moment_do_not_lengthen_the_rest_or_open_the_circuit(tmp_path):
    hosts = some_hosts(tmp_path, per_host=8)
    for _ in range(8):
        hosts.failed(HOST)
    assert hosts.wait_s(HOST) <= 0.5
    assert not hosts.is_open(HOST)


def let_pass(hosts, host, seconds):
    """Move every time that the table holds for a host back, as if `seconds` had passed."""
    slot, tag = place_of(host)
    place = hosts.table.find(slot, tag)
    for field in (1, 2, 3):
        hosts.table.doubles[place + field] -= seconds


def opened(folder):
    hosts = some_hosts(folder)
    for _ in range(5):
        hosts.failed(HOST)
    return hosts


def test_the_circuit_opens_after_failures_in_a_row(tmp_path):
    hosts = opened(tmp_path)
    assert hosts.is_open(HOST)
    assert 14 < hosts.try_lease(HOST) <= 30


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
    assert hosts.try_lease(HOST) > 50


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


def test_times_of_another_boot_bind_nobody(tmp_path):
    some_hosts(tmp_path).hold_off(HOST, 3000)
    code = "import sys; from pathlib import Path; from pipelines.transport.hosts import Hosts\n"
    code += f"print(Hosts(per_host=1, rate_per_s=None, folder=Path(sys.argv[1])).wait_s({HOST!r}))"
    later = tmp_path / "later"
    later.mkdir(mode=0o700)
    saved = bytearray((tmp_path / "hosts").read_bytes())
    (later / "hosts").write_bytes(saved)
    with run(code, later) as process:
        assert float(process.stdout.read()) > 2990
    saved[: HEADER_BYTES // 2] = bytes(HEADER_BYTES // 2)
    (later / "hosts").write_bytes(saved)
    with run(code, later) as process:
        assert float(process.stdout.read()) == 0


def test_a_time_too_far_ahead_binds_nobody(tmp_path):
    hosts = some_hosts(tmp_path)
    hosts.hold_off(HOST, 10)
    let_pass(hosts, HOST, -1e8)
    assert hosts.wait_s(HOST) == 0
    assert seconds_since_boot() > 0


def test_the_default_folder_is_of_this_user_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    Hosts(per_host=1, rate_per_s=None)
    folder = tmp_path / f"byline-hosts-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "hosts").stat().st_mode & 0o777 == 0o600


def a_file(path):
    path.write_text("")


def an_open_folder(path):
    path.mkdir()
    path.chmod(0o777)


def a_link(path):
    (path.parent / "elsewhere").mkdir()
    path.symlink_to(path.parent / "elsewhere")


def a_folder_with_a_linked_table(path):
    path.mkdir(mode=0o700)
    (path.parent / "victim").write_text("precious")
    (path / "hosts").symlink_to(path.parent / "victim")


@pytest.mark.parametrize("trap", [a_file, an_open_folder, a_link, a_folder_with_a_linked_table])
def test_a_folder_that_is_not_safe_is_one_clear_error(tmp_path, trap):
    trap(tmp_path / "meet")
    with pytest.raises(StorageError, match="cannot be shared through .*meet: .*; set TMPDIR to a folder"):
        some_hosts(tmp_path / "meet")


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


def test_one_table_is_open_for_each_file(tmp_path):
    assert shared_table(tmp_path) is shared_table(tmp_path / "." / "")


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


def test_a_lease_is_cheap(tmp_path):
    hosts = some_hosts(tmp_path, rate_per_s=1e6)
    names = [f"h{number}.example" for number in range(1000)]
    began = time.perf_counter()
    for name in names * 10:
        lease = hosts.try_lease(name)
        if isinstance(lease, Lease):
            lease.release()
    assert 10_000 / (time.perf_counter() - began) > 10_000  # 170,000 on an idle core
