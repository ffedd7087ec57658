"""The program that imports Beam and our stages once, and then forks a worker process for each that is asked for.

Nothing here has a second thread before a fork: a thread that holds a lock then would leave it held in the worker. So no
connection is opened here, and the libraries that start threads when they are imported are told not to (`QUIET`).
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import NoReturn

QUIET = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Environment under which importing starts no thread. Workers stand side by side, so each has one thread for BLAS."""
IMPORTED = (
    "apache_beam.runners.worker.sdk_worker_main",
    "byline.pipelines.beam.graph",
    "scipy.fftpack",
    "scipy.sparse.csgraph",
)
"""What workers need; the last two are imported where they are used, since most commands need none."""


def main() -> None:
    """Import, then serve what is asked on standard input, a socket, until it ends.

    Its one argument is a pipe that ends with the process that asks: so does this one, and each worker at once.
    """
    alive = int(sys.argv[-1])
    with socket.socket(fileno=os.dup(0)) as asking:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the process that asks decides
        gc.disable()  # collecting takes a fifth of the time of importing, and finds nothing
        for name in IMPORTED:
            importlib.import_module(name)
        gc.freeze()  # so that the workers' collections do not copy what all share
        gc.enable()
        serve(asking, alive)


def serve(asking: socket.socket, alive: int) -> None:
    """Fork a worker for each line `{"worker": its name, "environment": ...}`; answer `{"worker", "code"}` as it ends.

    The code is that of `subprocess`: negative for a signal.
    """
    names: dict[int, str] = {}

    def reap(*_: object) -> None:
        while names:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            ended = {"worker": names.pop(pid), "code": os.waitstatus_to_exitcode(status)}
            try:
                asking.sendall(json.dumps(ended).encode() + b"\n")
            except OSError:
                return  # nobody asks any more

    signal.signal(signal.SIGCHLD, reap)
    with asking.makefile() as lines:
        for line in lines:
            wanted = json.loads(line)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])  # until its name is known
            pid = os.fork()
            if not pid:
                os.close(asking.fileno())
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
                _work(wanted["environment"], alive)
            names[pid] = wanted["worker"]
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    for pid in list(names):  # they end with the process that asked for them
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _work(environment: Mapping[str, str], alive: int) -> NoReturn:
    """Be a worker of Beam until its control channel closes, or the process that asked for it is gone."""
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    code = 0
    try:
        _run_harness()
    except BaseException:
        code = 1
        if not select.select([alive], [], [], 1)[0]:  # otherwise the channel broke since the other end is gone
            traceback.print_exc(file=sys.__stderr__)
    sys.stdout.flush()
    os._exit(code)  # to take everything down in order takes a third of a second, and nothing waits for it


def _end_with(alive: int) -> None:
    os.read(alive, 1)
    os._exit(1)


def _run_harness() -> None:
    from apache_beam.runners.worker import sdk_worker_main

    # Beam prints every error here, and answers with it too: who asked tells it, once. It stays open, since threads of a
    # channel that breaks go on printing until the process has ended.
    sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sdk_worker_main.main([])
