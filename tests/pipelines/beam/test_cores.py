"""Packs on every core of a worker that a runner gives several bundles at once."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import apache_beam as beam
import pytest

from byline.catalog.corpora.parts import PackPart
from byline.catalog.errors import BylineError, CorpusError
from byline.pipelines.beam import cores
from byline.pipelines.beam.beats import count_done, tallied
from byline.pipelines.beam.cores import OnAnyCore
from tests.pipelines.beam.test_workers import is_gone, linux, until

NUM_CORES = 3
"""As many as this machine is taken to have."""


@pytest.fixture(autouse=True)
def cores_of_this_test(tmp_path_factory, monkeypatch):
    """Let no worker of another test, or of another build, have the cores."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("cores")))
    monkeypatch.setattr(cores, "_PROCESSES", cores._Processes(NUM_CORES))


class Meet(beam.DoFn):
    """Yields the number of its process, once so many have come as there are cores."""

    def __init__(self, folder):
        self.folder = folder

    def process(self, part):
        (self.folder / f"{os.getpid()}-{part.pack}").touch()
        until(lambda: len({path.name.partition("-")[0] for path in self.folder.iterdir()}) >= NUM_CORES)
        count_done("met", 1)
        yield os.getpid()


class Fail(Meet):
    """Fails in every process but this one."""

    def __init__(self, folder, here, error):
        super().__init__(folder)
        self.here, self.error = here, error

    def process(self, part):
        yield from super().process(part)
        if os.getpid() != self.here:
            if self.error is None:
                os.kill(os.getpid(), signal.SIGKILL)
            raise self.error


def a_part(number):
    return PackPart(pack=f"web-{number:05d}", records_path="records", row_group=number, num_records=1)


def pids_of(what, numbers):
    with ThreadPoolExecutor(NUM_CORES) as bundles:
        return [pid for pids in bundles.map(lambda number: list(what.process(a_part(number))), numbers) for pid in pids]


def test_bundles_of_one_process_are_at_work_on_every_core(tmp_path):
    what = OnAnyCore(Meet(tmp_path), least_records=1)
    with tallied() as counted:
        pids = pids_of(what, range(4 * NUM_CORES))
    assert len(pids) == 4 * NUM_CORES
    assert len(set(pids)) == NUM_CORES
    assert os.getpid() in pids
    assert counted == {}  # of this thread: the others', and the other processes', go to Beam


def test_one_bundle_after_the_other_needs_no_process(tmp_path):
    (tmp_path / "other-processes").touch()
    for number in range(1, NUM_CORES - 1):
        (tmp_path / f"{number}-are there").touch()
    what = OnAnyCore(Meet(tmp_path), least_records=1)
    assert [pid for number in range(3) for pid in what.process(a_part(number))] == [os.getpid()] * 3


@pytest.mark.parametrize("error", [CorpusError("pack web is damaged"), KeyError("a fault"), None])
def test_what_fails_in_another_process_is_told_here_and_the_next_pack_is_done(tmp_path, error):
    failing, meeting = tmp_path / "failing", tmp_path / "meeting"
    failing.mkdir()
    meeting.mkdir()
    told = {CorpusError: (CorpusError, "pack web is damaged"), KeyError: (RuntimeError, "KeyError: 'a fault'")}
    kind, text = told.get(type(error), (BylineError, "a process of a worker ended, as happens when memory runs out"))
    with pytest.raises(kind, match=text):
        pids_of(OnAnyCore(Fail(failing, os.getpid(), error), least_records=1), range(NUM_CORES))
    assert os.getpid() in pids_of(OnAnyCore(Meet(meeting), least_records=1), range(NUM_CORES))


def test_workers_of_a_machine_start_no_more_processes_than_it_has_cores(tmp_path):
    taken = [cores._taken_core(NUM_CORES) for _ in range(NUM_CORES)]
    assert [file is None for file in taken] == [False] * (NUM_CORES - 1) + [True]
    for number in range(NUM_CORES):
        (tmp_path / f"{number}-are there").touch()
    assert set(pids_of(OnAnyCore(Meet(tmp_path), least_records=1), range(4))) == {os.getpid()}
    taken[0].close()
    assert cores._taken_core(NUM_CORES) is not None


@linux
def test_other_processes_end_with_the_worker_whatever_they_are_at(tmp_path):
    program = (
        "import sys, threading; from pathlib import Path;"
        "from byline.pipelines.beam import cores;"
        "from tests.pipelines.beam.test_cores import Wait, a_part;"
        "cores._PROCESSES = cores._Processes(2);"
        "what = cores.OnAnyCore(Wait(Path(sys.argv[1])), least_records=1);"
        "[threading.Thread(target=lambda n=n: list(what.process(a_part(n)))).start() for n in range(2)]"
    )
    environment = {**os.environ, "TMPDIR": tempfile.gettempdir()}
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], env=environment) as worker:
        until(lambda: len(list(tmp_path.iterdir())) == 2)
        others = {int(path.name) for path in tmp_path.iterdir()} - {worker.pid}
        worker.kill()
    assert others
    until(lambda: all(map(is_gone, others)))


class Wait(Meet):
    """Is at its pack for ever."""

    def process(self, part):
        (self.folder / str(os.getpid())).touch()
        threading.Event().wait()
        yield
