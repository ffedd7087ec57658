"""Work at packs on every core where a runner gives byline one process of a machine, as Prism and Flink do by default.

A process of Python computes on little more than one core, and threads that all compute are slower than one. So each
process is at one large pack at a time, and a worker that gets more of them starts further processes, on a machine no
more than it has cores beside the first. Where each worker has one bundle at a time, as this machine's own have, none is
started.
"""

# What goes between the processes goes as between a runner and its workers, by the means of Beam: they are one program.

import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any, Protocol

import apache_beam as beam
from apache_beam.internal import pickler

from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk.locks import take_lock
from byline.catalog.errors import BylineError
from byline.catalog.threads import SWITCH_S, num_cores
from byline.pipelines.beam.beats import add_counted, tallied, tell_now
from byline.pipelines.beam.submitting import GO_ON
from byline.pipelines.beam.workers import environment_of

PROGRAM = "import sys; sys.path[:] = sys.argv[1:-1]; from byline.pipelines.beam.cores import main; main()"
LEAST_RECORDS = 500
"""The fewest records of a pack for which a process is started; others are done before it has imported what it needs."""
Answer = tuple[list[Any], dict[str, int]]
"""What a pack gave, and what was counted on the way that is not yet in Beam's counters."""


class OnAnyCore(beam.DoFn):
    """Does what `work` does, in this process or in another that this one started. `work` can be pickled."""

    def __init__(self, work: beam.DoFn, *, least_records: int = LEAST_RECORDS) -> None:
        self.work, self.least_records = work, least_records
        self._is_set_up = False

    def process(self, part: PackPart) -> Iterator[Any]:
        """Yield what `work` yields of one pack. Raises what it raises, or that its process ended."""
        with _PROCESSES.one_free(may_start=part.num_records >= self.least_records) as process:
            results, counted = process.do(self, part)
        add_counted(counted)
        yield from results

    def here(self, part: PackPart) -> list[Any]:
        """Return what `work` yields of one pack, in this process."""
        sys.setswitchinterval(SWITCH_S)
        if not self._is_set_up:  # not in `setup`: Prism never divides a bundle that takes .2 s to begin
            self.work.setup()
            self._is_set_up = True
        return list(self.work.process(part))


class _Process(Protocol):
    num_packs: int
    """How many it is at."""
    is_gone: bool

    def do(self, what: OnAnyCore, part: PackPart) -> Answer:
        """Return what comes of a pack."""


class _ThisProcess:
    num_packs, is_gone = 0, False

    def do(self, what: OnAnyCore, part: PackPart) -> Answer:
        return what.here(part), {}


class _OtherProcess:
    """Another process of this worker, seen from here. It ends when this one does, however that ends."""

    num_packs, is_gone = 0, False

    def __init__(self, core: IO[bytes]) -> None:
        """Start it on a core that was taken."""
        self._core = core
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-c", PROGRAM, *sys.path, str(theirs.fileno())]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env=environment_of(num_cores())
            )
        self._connection = Connection(ours.detach())

    def do(self, what: OnAnyCore, part: PackPart) -> Answer:
        try:
            self._connection.send((pickler.dumps(what), part))
            answer: Answer | Exception = self._connection.recv()
        except (EOFError, OSError):
            self.is_gone = True
            self._process.wait()
            self._core.close()
            raise BylineError(f"a process of a worker ended, as happens when memory runs out; {GO_ON}") from None
        if isinstance(answer, Exception):
            raise answer
        return answer


class _Processes:
    """This process and those that it has started."""

    def __init__(self, num_cores: int) -> None:
        self._num_cores = num_cores
        self._changed = threading.Condition()
        self._all: list[_Process] = [_ThisProcess()]

    @contextmanager
    def one_free(self, *, may_start: bool) -> Iterator[_Process]:
        """Give a process that is at nothing, until the block ends; wait while there is none that may be started.

        Where none may be, it is this one, whatever it is at.
        """
        with self._changed:
            while (chosen := self._free(may_start=may_start)) is None:
                self._changed.wait()
            chosen.num_packs += 1
        try:
            yield chosen
        finally:
            with self._changed:
                chosen.num_packs -= 1
                self._changed.notify()

    def _free(self, *, may_start: bool) -> _Process | None:
        self._all = [process for process in self._all if not process.is_gone]
        if free := next((process for process in self._all if not process.num_packs), None):
            return free
        if not may_start:
            return self._all[0]  # small packs wait for hosts longer than they compute
        if core := _taken_core(self._num_cores):
            self._all.append(_OtherProcess(core))
            return self._all[-1]
        return None


def _taken_core(num_cores: int) -> IO[bytes] | None:
    """Take a core of this machine but one for as long as the file is open; none where workers have all of them."""
    for number in range(1, num_cores):
        with ExitStack() as stack:
            name = f"byline-{os.getuid()}-core-{number}.lock"
            file = stack.enter_context(Path(tempfile.gettempdir(), name).open("ab"))
            if take_lock(file):
                stack.pop_all()
                return file
    return None


_PROCESSES = _Processes(num_cores())


def main() -> None:
    """Do what is asked over the connection that the one argument names, one after the other, until it closes."""
    connection = Connection(int(sys.argv[-1]))
    asked: queue.SimpleQueue[tuple[bytes, PackPart]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(connection, asked), daemon=True).start()
    known: dict[bytes, OnAnyCore] = {}
    while True:
        pickled, part = asked.get()
        connection.send(_answered(known, pickled, part))


def _read(connection: Connection, asked: "queue.SimpleQueue[tuple[bytes, PackPart]]") -> None:
    """Pass on what is asked; end this process, whatever it is at, when nobody is left to ask."""
    try:
        while True:
            asked.put(connection.recv())
    finally:
        os._exit(0)


def _answered(known: dict[bytes, OnAnyCore], pickled: bytes, part: PackPart) -> Answer | Exception:
    try:
        if pickled not in known:
            known[pickled] = pickler.loads(pickled)
        with tallied() as counted:
            results = known[pickled].here(part)
        tell_now()
        return results, dict(counted)
    except BylineError as error:
        return error
    except Exception:
        return RuntimeError(traceback.format_exc())
