"""Ingest one source in a process that may not have much memory, and say what became of it. A program of its own.

python bounded.py READER PATH ROOT -> a line of JSON: `error` or counts, and `peak_mb`, the most that was in memory.
"""

import json
import resource
import sys
from pathlib import Path

from byline.catalog.denylists.denylist import NOTHING_DENIED
from byline.catalog.disk.storage import Store
from byline.catalog.errors import BylineError
from byline.pipelines.sources.ingesting import write_run
from byline.pipelines.sources.readers import read_source
from byline.pipelines.sources.readers.options import AS_IT_IS

ADDRESSES = 6 << 30
"""Bytes of address space: of it libraries reserve much more than they use."""


def main(reader: str, path: str, root: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    try:
        rows = read_source(reader, path, "test", AS_IT_IS)
        counts = write_run(rows, Store(root), "records/test/1.parquet", NOTHING_DENIED, num_packs=1)
        told: dict[str, object] = {"records": counts.records, "unreadable": counts.unreadable}
    except BylineError as error:
        told = {"error": str(error)}
    print(json.dumps({**told, "peak_mb": _peak_kb() >> 10}))


def _peak_kb() -> int:
    """Return the most that this program had in memory; what the kernel counts of a child begins with its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main(*sys.argv[1:])
