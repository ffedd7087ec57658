"""Hosts' limits as several processes share them."""

import subprocess
import sys
from collections import defaultdict

from byline.pipelines.fetching.transport.host_table import place_of
from byline.pipelines.fetching.transport.hosts import Hosts

HOST = "pictures.example"
HAMMER = """
import random, sys, time
from pathlib import Path
from byline.pipelines.fetching.transport.hosts import Hosts, Lease
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
from byline.pipelines.fetching.transport.host_table import place_of
from byline.pipelines.fetching.transport.hosts import Hosts
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


def let_pass(hosts, host, seconds):
    """Move every time that the table holds for a host back, as if `seconds` had passed."""
    slot, tag = place_of(host)
    place = hosts.table.find(slot, tag)
    for field in (1, 2, 3):
        hosts.table.doubles[place + field] -= seconds
