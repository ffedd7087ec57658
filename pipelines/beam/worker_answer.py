"""What a worker answers before a build. Its text is sent: a worker may have another byline, or none.

So it stands alone, and imports byline only to look at it.
"""

import hashlib
import json
import os
import platform
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

WITHIN_S = 10.0
ANSWERED = "BYLINE_ANSWERED"
"""The variable of a process that says which question it has answered."""


def own_name() -> str:
    """Return how this process is called in what people are told, and in its beats."""
    return f"{socket.gethostname()}-{os.getpid()}"


def code_digest() -> str:
    """Return a digest of byline's own code, as this process would import it."""
    import byline

    digest = hashlib.sha256()
    for folder in sorted(byline.__path__):
        for where, folders, names in os.walk(folder, followlinks=True):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for name in sorted(names):
                if name.endswith(".py"):
                    path = Path(where, name)
                    digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def versions(names: Iterable[str]) -> dict[str, str | None]:
    """Return name -> version of Python and of these distributions, None for what is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    by_name: dict[str, str | None] = {"python": platform.python_version()}
    for name in names:
        try:
            by_name[name] = version(name)
        except PackageNotFoundError:
            by_name[name] = None
    return by_name


def trouble(action: Callable[[], object]) -> str | None:
    """Return in one line why an action fails, or that it does not end in time; None where it succeeds."""
    why: list[str | None] = [f"no answer in {WITHIN_S:.0f} s"]

    def run() -> None:
        try:
            action()
            why[0] = None
        except Exception as error:
            why[0] = " ".join(str(error).split()) or type(error).__name__

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(WITHIN_S)
    return why[0]


def answer(question_json: str) -> None:
    """Answer once in each process: as an object of the store, or as an error where that cannot be."""
    digest = hashlib.sha256(question_json.encode()).hexdigest()
    if os.environ.get(ANSWERED) == digest:
        time.sleep(0.05)  # so that the other workers get to answer too
        return
    asked = json.loads(question_json)
    report: dict[str, Any] = {"worker": own_name(), "executable": sys.executable, "clock": time.time(), "troubles": []}
    report["versions"] = versions(asked["distributions"])
    try:
        report["code"] = code_digest()
        from byline.catalog.disk.storage import Store
        from byline.pipelines.beam.preflight import troubles_here
    except Exception as error:
        why = " ".join(str(error).split())
        report["troubles"].append(f"cannot import byline ({why}); install it for {sys.executable}")
    else:
        report["troubles"] += troubles_here(asked, trouble)
        data, path = json.dumps(report).encode(), f"{asked['run']}-answers/{own_name()}.json"
        if trouble(lambda: Store(asked["root"]).write_bytes(path, data)) is None:
            os.environ[ANSWERED] = digest
            return
    raise RuntimeError("BYLINE-ANSWER" + json.dumps(report) + "BYLINE-END")
