"""A build that is killed -9 again and again while it fetches.

Each kill ends every process of the build at once, as a power cut would. The server's log tells what was asked twice.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from byline.catalog.corpora.manifest import Release
from byline.catalog.digests import sha256_hex
from byline.catalog.disk.storage import Store
from harness.fetch_only import WORKERS, write_corpus
from harness.pictures import a_jpeg
from harness.web import Web, a_web
from harness.web_log import Request, times_asked

NUM_HOSTS = 50
NUM_PICTURES = 40
PICTURE = (640, 480)
LATENCY_S = 0.02
FETCH = {"per_host": 8, "rate_per_s": 1000.0}
POLL_S = 0.03
PATIENCE_S = 120.0
TIMES = ("fetched_at",)
"""Columns of a pack's index that tell when."""


@dataclass(frozen=True, kw_only=True)
class Killed:
    """What came of a fetch that was killed, beside one that nobody disturbed."""

    asked_again: Sequence[int]
    """Of every run but the first: pictures that it asked for although a run before had."""
    most_times: int
    """How often the picture was asked for that was asked for most."""
    num_urls: int
    num_never: int
    """Pictures that nobody asked for."""
    packs_equal: bool
    """Whether names and bytes of the tars are those of the undisturbed run, and the indexes but for times."""
    release_equal: bool


def kill_and_compare(
    folder: Path, num_urls: int, num_kills: int, *, seed: int = 0, roots: tuple[str, str] | None = None
) -> Killed:
    """Build once undisturbed; build again, killed `num_kills` times at random while it fetches, and then to its end.

    `roots` are where the two corpora lie, by default below `folder`.
    """
    moments = random.Random(seed)
    calm, killed = (Store(root) for root in roots or (f"{folder}/calm/corpus", f"{folder}/killed/corpus"))
    pictures = [a_jpeg(number, size=PICTURE, noise=2.0) for number in range(NUM_PICTURES)]
    (folder / "web").mkdir()
    with a_web(folder / "web", pictures, latency_s=LATENCY_S) as web:
        urls = [web.url(n % NUM_HOSTS, n % NUM_PICTURES, n) for n in range(num_urls)]
        configs = [
            write_corpus(folder / name, urls, num_packs=WORKERS, fetch=FETCH, root=store.root)
            for name, store in (("calm", calm), ("killed", killed))
        ]
        _build(configs[0])
        starts = [time.monotonic()]
        for kill in range(num_kills):
            left = num_urls - len(_pictures_since(web, starts[0]))
            target = moments.randint(1, max(1, 2 * left // (num_kills - kill + 2)))
            _kill_when(configs[1], partial(_has_asked_for, web, starts[-1], target))
            starts.append(time.monotonic())
        _build(configs[1])
        requests = [request for request in web.requests() if request.arrived_s > starts[0]]
    times = times_asked(requests)
    return Killed(
        asked_again=_asked_again(requests, starts),
        most_times=max(times.values()),
        num_urls=num_urls,
        num_never=num_urls - len(times),
        packs_equal=_packs(calm) == _packs(killed),
        release_equal=len({Release(f"{store.root}/releases/fetched").version for store in (calm, killed)}) == 1,
    )


def _command(config: Path) -> list[str]:
    return [sys.executable, "-m", "byline.cli.main", "build", str(config), "--workers", str(WORKERS)]


def _build(config: Path) -> None:
    subprocess.run(_command(config), check=True, capture_output=True)


def _kill_when(config: Path, is_time: Callable[[], bool]) -> None:
    """Start a build and kill -9 all its processes as soon as it is time. Raises when it ends before."""
    process = subprocess.Popen(
        _command(config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + PATIENCE_S
    while not is_time():
        if process.poll() is not None or time.monotonic() > deadline:
            os.killpg(process.pid, signal.SIGKILL)
            raise RuntimeError(f"the build ended, or did not get on, before it was killed: {process.poll()}")
        time.sleep(POLL_S)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _has_asked_for(web: Web, start_s: float, num_pictures: int) -> bool:
    return len(_pictures_since(web, start_s)) >= num_pictures


def _pictures_since(web: Web, start_s: float) -> set[tuple[str, str]]:
    return {request.url for request in web.requests() if request.is_picture and request.arrived_s > start_s}


def _asked_again(requests: Sequence[Request], starts: Sequence[float]) -> list[int]:
    """Return, for every run but the first, how many pictures it asked for that had been asked for before it."""
    stops = [*starts[1:], float("inf")]
    runs = [
        {request.url for request in requests if request.is_picture and start < request.arrived_s <= stop}
        for start, stop in zip(starts, stops, strict=True)
    ]
    return [len(run & set().union(*runs[:index])) for index, run in enumerate(runs) if index]


def _packs(store: Store) -> dict[str, object]:
    """Return the digest of every tar that an index names, and all that the indexes say but when."""
    contents: dict[str, object] = {}
    for name in store.files("packs", suffix=".parquet"):
        index: pa.Table = store.read_table(f"packs/{name}")
        contents[name] = index.drop_columns(list(TIMES)).to_pylist()
        for tar in index["tar"].drop_null().unique().to_pylist():
            contents[tar] = sha256_hex(store.read_bytes(f"packs/{tar}"))
    return contents
