"""A rank for tests/training/test_launching.py: it notes its process in a folder, and ends as it is told to, or late."""

import os
import signal
import sys
import time
from pathlib import Path

from byline.training.launching import die_with_parent

die_with_parent()  # as `training.ranks.join` does
ending, folder = sys.argv[1:]
rank = os.environ["RANK"]
if ending == "stay":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
settings = [os.environ.get(name, "") for name in ("OMP_WAIT_POLICY", "THP_MEM_ALLOC_ENABLE")]
(Path(folder) / f"{rank}.settings").write_text(" ".join(settings))
(Path(folder) / f"{rank}.partial").write_text(str(os.getpid()))
(Path(folder) / f"{rank}.partial").rename(Path(folder) / rank)
while len(list(Path(folder).glob("[0-9]"))) < int(os.environ["WORLD_SIZE"]):
    time.sleep(0.01)
if ending == "well":
    sys.exit(0)
if rank == "1" and ending == "exit":
    sys.exit(7)
if rank == "1" and ending == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
time.sleep(600)
