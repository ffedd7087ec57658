"""Worker processes of a build, and what becomes of them and of the build when one is killed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from byline.pipelines.beam.workers import WorkerServer, environment_of, worker_server
from harness.fetch_only import write_corpus
from tests.builders import a_server

PATIENCE_S = 300
STAGES = ("ingest", "judge", "fetch", "measure", "find", "caption", "write")
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def below(pid):
    """Return the processes that a process has started, and those that they have."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found += map(int, path.read_text().split())
    return [*found, *(deeper for child in found for deeper in below(child))]


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until(is_so):
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def a_build_that_fetches(folder):
    """Run the command on pictures that are long in coming; give it, and its server and workers, once some were asked
    for."""
    with a_server({}) as (base, asked):
        config = write_corpus(folder, [f"{base}/hangs"] * 8, num_packs=8)
        command = [sys.executable, "-m", "byline.cli.main", "build", str(config)]
        process = subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
        )
        until(lambda: asked)
        try:
            yield process, below(process.pid)
        finally:
            process.kill()
            process.wait()


def told_by(process):
    """Return what a command says on standard error, but for the bars of its stages."""
    _, said = process.communicate(timeout=PATIENCE_S)
    return [line for line in said.splitlines() if not line.startswith(STAGES)]


@linux
@pytest.mark.slow
def test_a_server_has_one_thread_when_it_forks():
    server = WorkerServer()
    try:
        server.fork("idle", {"CONTROL_API_SERVICE_DESCRIPTOR": "url: 'localhost:9'"}, on_death=lambda: None)
        until(lambda: below(server.pid))
        assert len(list(Path(f"/proc/{server.pid}/task").iterdir())) == 1
    finally:
        server.close()


@linux
@pytest.mark.slow
def test_a_server_that_is_closed_leaves_no_worker():
    server = WorkerServer()
    server.fork("idle", {"CONTROL_API_SERVICE_DESCRIPTOR": "url: 'localhost:9'"}, on_death=lambda: None)
    until(lambda: below(server.pid))
    started = [server.pid, *below(server.pid)]
    server.close()
    until(lambda: all(map(is_gone, started)))


def _threads(pid):
    words = dict(word.split(b"=", 1) for word in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if word)
    return words[b"OMP_NUM_THREADS"].decode()


@linux
@pytest.mark.slow
@pytest.mark.parametrize(("workers", "threads"), [(1, "6"), (2, "3"), (4, "1"), (8, "1")])
def test_workers_divide_the_cores(workers, threads, monkeypatch):
    """Each with threads for all cores, they spin for one another."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    server = WorkerServer(workers)
    try:
        until(lambda: Path(f"/proc/{server.pid}/cmdline").read_bytes())
        assert _threads(server.pid) == threads
        server.fork("idle", {"CONTROL_API_SERVICE_DESCRIPTOR": "url: 'localhost:9'"}, on_death=lambda: None)
        until(lambda: below(server.pid))
        assert {_threads(worker) for worker in below(server.pid)} == {threads}
    finally:
        server.close()


def test_threads_that_are_said_stay(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert environment_of(8)["OMP_NUM_THREADS"] == "5"


@pytest.mark.parametrize(("workers", "options"), [(1, []), (2, ["--runner=FlinkRunner"]), (2, ["--runner", "Flink"])])
def test_no_server_is_started_where_no_worker_is_forked(workers, options):
    with worker_server(workers, options) as server:
        assert server is None


@linux
@pytest.mark.beam
@pytest.mark.slow
@pytest.mark.parametrize(
    ("which", "what"),
    [(0, "the process that starts the workers has ended"), (1, "a worker process was killed, as happens when memory")],
)
def test_a_worker_that_is_killed_ends_the_build_with_one_line(which, what, tmp_path):
    with a_build_that_fetches(tmp_path) as (process, started):
        os.kill(started[which], signal.SIGKILL)
        (line,) = told_by(process)
        assert line.startswith(f"byline: {what}")
        assert process.returncode == 2
        until(lambda: all(map(is_gone, started)))


@linux
@pytest.mark.beam
@pytest.mark.slow
def test_nothing_outlives_a_build_that_is_killed(tmp_path):
    with a_build_that_fetches(tmp_path) as (process, started):
        assert len(started) == 3
        process.kill()
        assert told_by(process) == []
        until(lambda: all(map(is_gone, started)))


@linux
@pytest.mark.beam
@pytest.mark.slow
def test_an_interrupt_from_the_keyboard_ends_all_with_one_line(tmp_path):
    with a_build_that_fetches(tmp_path) as (process, started):
        os.killpg(process.pid, signal.SIGINT)
        assert told_by(process) == [
            "byline: stopped; what is done is kept: run the same command again, it goes on where it was"
        ]
        assert process.returncode == 130
        until(lambda: all(map(is_gone, started)))
