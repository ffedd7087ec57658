"""A real terminal to run verbs in."""

import os
import pty
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS = 80


@dataclass
class Terminal:
    """A verb that runs in a terminal of its own, as its foreground process."""

    process: int
    file: int
    started: float
    shown: bytes = b""
    first_after_s: float | None = None
    code: int | None = field(default=None)

    def read(self, *, until: bytes | None = None, within_s: float = 300) -> str:
        """Read until a text is on the screen, or to the end."""
        while until is None or until not in self.shown:
            assert time.monotonic() - self.started < within_s, self.shown.decode()
            try:
                more = os.read(self.file, 4096)
            except OSError:  # the other side is closed
                more = b""
            if not more:
                break
            if self.first_after_s is None:
                self.first_after_s = time.monotonic() - self.started
            self.shown += more
        return self.shown.decode()

    def press_ctrl_c(self) -> None:
        """Send what the key sends."""
        os.write(self.file, b"\x03")

    def wait(self) -> int:
        """Read to the end, and return the exit code."""
        self.read()
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        os.close(self.file)
        return self.code


def run_in_terminal(*arguments: str, folder: Path) -> Terminal:
    """Start a verb in a new terminal of 80 columns."""
    started = time.monotonic()
    process, file = pty.fork()
    if process == 0:
        os.chdir(folder)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore it
        environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm"}
        command = [sys.executable, "-m", "byline.cli.main", *arguments]
        os.execve(sys.executable, command, environment)
    return Terminal(process, file, started)
