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
from pathlib import Path

WITHIN_S = 10.0


def own_name():
    """Return how this process is called in what people are told, and in its beats."""
    return f"{socket.gethostname()}-{os.getpid()}"


def code_digest():
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


def versions(names):
    """Return name -> version of these distributions, None for what is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def trouble(action):
    """Return in one line why an action fails, or that it does not end in time; None where it succeeds."""
    said = [f"no answer in {WITHIN_S:.0f} s"]

    def run():
        try:
            action()
            said[0] = None
        except Exception as error:
            said[0] = " ".join(str(error).split()) or type(error).__name__

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(WITHIN_S)
    return said[0]


def answer(asked_json):
    """Answer once in each process: as an object of the store, or as an error where that cannot be."""
    if getattr(sys, "_byline_answered", None) == asked_json:
        time.sleep(0.05)  # so that the other workers get to answer too
        return
    asked = json.loads(asked_json)
    said = {"worker": own_name(), "executable": sys.executable, "clock": time.time(), "troubles": []}
    said["versions"] = versions(asked["distributions"])
    try:
        said["code"] = code_digest()
        from byline.pipelines.beam.preflight import troubles_here
    except Exception as error:
        why = " ".join(str(error).split())
        said["troubles"].append(f"cannot import byline ({why}); install it for {sys.executable}")
    else:
        said["troubles"] += troubles_here(asked, trouble)
        from byline.catalog.disk.storage import Store

        data = json.dumps(said).encode()
        path = f"{asked['run']}/answers/{own_name()}.json"
        if trouble(lambda: Store(asked["root"]).write_bytes(path, data)) is None:
            sys._byline_answered = asked_json
            return
    raise RuntimeError("BYLINE-ANSWER" + json.dumps(said) + "BYLINE-END")
