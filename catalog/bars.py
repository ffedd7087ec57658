"""The one way to draw a bar: on a terminal alone."""

from rich.console import Console
from rich.progress import Progress, ProgressColumn


class _Bar(Progress):
    """A display that an interrupt ends even while it begins: else its thread would draw it once more, after the line
    that says what was interrupted."""

    def start(self) -> None:
        try:
            super().start()
        except BaseException:
            self.stop()
            raise


def bar(*columns: ProgressColumn, console: Console | None = None, stays: bool = False, shown: bool = True) -> Progress:
    """Return a display of progress on stderr, in rich's own columns unless others are given.

    Where nobody looks (a log, a pipe, a dumb terminal, or not `shown`) it writes nothing at all, not even the empty
    line that rich ends one with. It is gone when it ends, unless it `stays`.
    """
    console = console or Console(stderr=True)
    return _Bar(*columns, console=console, transient=not stays, disable=not (shown and console.is_interactive))
