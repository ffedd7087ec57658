"""Worker processes of this machine, forked by a server that imports what they need while this process imports Beam.

Beam's own way starts a Python for every worker, and each of them imports for seconds once this process is done with
that. See `docs/architecture.md` for why they are forked.
"""

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from byline.catalog.threads import num_cores
from byline.pipelines.beam.worker_server import QUIET

PROGRAM = "import sys; sys.path[:] = sys.argv[1:-1]; from byline.pipelines.beam.worker_server import main; main()"
THREADS = "OMP_NUM_THREADS"
"""What tells how many threads compute at once in a process; who sets it for a build decides for its workers."""
ENDS_WITHIN_S = 10.0
"""A worker that has nothing more to do and is not gone by then is killed."""
REAPED_WITHIN_S = 0.5
"""The server is given so long to see off workers that were killed."""


class WorkerServer:
    """A process that forks workers. However this process ends, neither the server nor a worker outlives it."""

    def __init__(self, workers: int = 1) -> None:
        """Start it, for so many workers that work side by side, which divide the cores of this machine."""
        self._asking, theirs = socket.socketpair()
        alive, self._alive = os.pipe()
        command = [sys.executable, "-c", PROGRAM, *sys.path, str(alive)]
        self._process = subprocess.Popen(command, stdin=theirs.fileno(), pass_fds=[alive], env=environment_of(workers))
        theirs.close()
        os.close(alive)
        self.pid = self._process.pid
        self._at_work: dict[str, Callable[[], None]] = {}
        self._forked: set[str] = set()
        self._death: str | None = None
        self._changed = threading.Condition()
        self._listener = threading.Thread(target=self._listen, name="byline_workers", daemon=True)
        self._listener.start()

    def fork(self, worker: str, environment: Mapping[str, str], *, on_death: Callable[[], None]) -> None:
        """Start a worker of Beam, which finds in its environment whom to serve.

        When any worker ends before it was released, `on_death` of each is called, in another thread.
        """
        with self._changed:
            self._at_work[worker] = on_death
            self._forked.add(worker)
            died = self._death
        if died:
            return on_death()
        line = json.dumps({"worker": worker, "environment": dict(environment)}).encode() + b"\n"
        try:
            self._asking.sendall(line)
        except OSError:
            self._die("the process that starts the workers has ended")

    def release(self, worker: str) -> None:
        """Expect the end of a worker from now on."""
        with self._changed:
            self._at_work.pop(worker, None)

    def wait(self, worker: str) -> None:
        """Return when a worker has ended, or should have."""
        with self._changed:
            self._changed.wait_for(lambda: worker not in self._forked, ENDS_WITHIN_S)

    def death(self, *, within_s: float) -> str | None:
        """Return what became of a worker that ended before it was released, in words for people; None for none."""
        with self._changed:
            self._changed.wait_for(lambda: self._death is not None, within_s)
            return self._death

    def close(self) -> None:
        """End every worker that is left, and the server."""
        os.close(self._alive)
        with self._changed:
            self._at_work.clear()
            self._changed.wait_for(lambda: not self._forked, REAPED_WITHIN_S)
        self._process.kill()
        self._process.wait()
        self._listener.join()
        self._asking.close()

    def _listen(self) -> None:
        with self._asking.makefile() as lines, suppress(OSError):
            for line in lines:
                ended = json.loads(line)
                self._note_end(ended["worker"], ended["code"])
        with self._changed:
            self._forked.clear()
            self._changed.notify_all()
            left = bool(self._at_work)
        if left:
            self._die("the process that starts the workers has ended")

    def _note_end(self, worker: str, code: int) -> None:
        with self._changed:
            self._forked.discard(worker)
            self._changed.notify_all()
            too_early = worker in self._at_work
        if too_early:
            self._die(_in_words(code))

    def _die(self, what: str) -> None:
        with self._changed:
            self._death = self._death or f"{what}; build again, and it goes on where it was"
            self._changed.notify_all()
            at_work = list(self._at_work.values())
            self._at_work.clear()
        for on_death in at_work:
            on_death()


def environment_of(workers: int) -> dict[str, str]:
    """Return the environment of workers that work side by side.

    What computes in threads of its own (torch, for captions) takes every core where it is not told: then the threads
    of each worker wait for those of the others, and all of them together take many times as long as one alone.
    """
    return {THREADS: str(max(1, num_cores() // workers)), **os.environ, **QUIET}


def _in_words(code: int) -> str:
    if code == -signal.SIGKILL:
        return "a worker process was killed, as happens when memory runs out (fewer --workers need less)"
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return f"a worker process {how}"


@contextmanager
def worker_server(workers: int, beam_args: Sequence[str] = ()) -> Iterator[WorkerServer | None]:
    """Start a server if these options mean worker processes of this machine: best before Beam is imported."""
    if workers == 1 or any(arg.split("=")[0] == "--runner" for arg in beam_args):
        yield None
        return
    server = WorkerServer(workers)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import without collecting garbage, which takes a fifth of the time and finds nothing.

    What was imported is not looked through later either: at the exit of a process that takes half a second.
    """
    was_enabled, num_modules = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > num_modules:
            gc.freeze()
        if was_enabled:
            gc.enable()
