"""`kill -9` of a process at a moment that is chosen, and no sooner: a process that ended before is a failure."""

import signal
import subprocess
import time
from collections.abc import Callable

POLL_S = 0.002


def kill_when(process: "subprocess.Popen[str] | subprocess.Popen[bytes]", is_there: Callable[[], bool]) -> None:
    """Kill a process, and none that it started, as soon as `is_there()`, which must be within two minutes."""
    deadline = time.monotonic() + 120
    while not (there := is_there()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(POLL_S)
    process.kill()
    assert (there, process.wait()) == (True, -signal.SIGKILL)
