"""Ranks that `launch` starts: one that fails ends the others, and none outlives who started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from byline.training import launching
from byline.training.launching import Failure, launch
from tests.training.processes import REPOSITORY, start_python

RANK = "tests.training.rank_that_ends"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


def processes_in(folder: Path) -> list[int]:
    return [int(path.read_text()) for path in sorted(folder.glob("[0-9]"))]


def is_running(process: int) -> bool:
    """Return whether a process has not ended; one that has may still be listed, where nobody asks how it did."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    ("ending", "failure"),
    [("well", None), ("exit", Failure(rank=1, exit_code=7)), ("kill", Failure(rank=1, exit_code=-signal.SIGKILL))],
)
def test_the_rank_that_failed_is_returned_and_no_other_is_left(tmp_path, ending, failure):
    assert launch(RANK, [ending, str(tmp_path)], num_ranks=3) == failure
    assert len(processes_in(tmp_path)) == 3
    assert not any(map(is_running, processes_in(tmp_path)))


def test_a_rank_that_does_not_end_when_it_is_told_to_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(launching, "GRACE_S", 0.2)
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", RANK, "stay", str(tmp_path)],
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2"},
        )
        for rank in range(2)
    ]
    while len(processes_in(tmp_path)) < 2:
        assert all(process.poll() is None for process in ranks)
        time.sleep(0.01)
    launching._end(ranks)
    assert [process.returncode for process in ranks] == [-signal.SIGKILL] * 2


def test_a_run_that_nohup_started_outlives_its_terminal(tmp_path):
    ignored = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
    code = f"from byline.training.launching import launch; launch('{RANK}', ['late', '{tmp_path}'], num_ranks=1)"
    with start_python(["-c", ignored + code]) as launcher:
        while not processes_in(tmp_path):
            assert launcher.poll() is None
            time.sleep(0.01)
        launcher.send_signal(signal.SIGHUP)
        launcher.send_signal(signal.SIGTERM)  # heeded, and only this one
        assert launcher.wait(60) == 143
    assert not any(map(is_running, processes_in(tmp_path)))


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)])
def test_no_rank_outlives_who_started_it(tmp_path, number, exit_code):
    heeded = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL); "  # whatever nohup these tests run under
    code = f"from byline.training.launching import launch; launch('{RANK}', ['late', '{tmp_path}'], num_ranks=2)"
    with start_python(["-c", heeded + code]) as launcher:
        while len(processes_in(tmp_path)) < 2:
            assert launcher.poll() is None
            time.sleep(0.01)
        launcher.send_signal(number)
        assert launcher.wait(60) == exit_code
    deadline_s = time.monotonic() + 60
    while any(map(is_running, processes_in(tmp_path))) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert not any(map(is_running, processes_in(tmp_path)))


def test_ranks_have_torch_set_up_unless_people_did(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    assert launch(RANK, ["well", str(tmp_path)], num_ranks=1) is None
    assert (tmp_path / "0.settings").read_text() == "active 1"
