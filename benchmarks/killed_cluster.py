"""Kill parts of a cluster at random moments: python -m benchmarks.killed_cluster [NUMBER]

Each time a worker, a process that a worker started, the pool, the runner or the driver is killed, at a moment of the
build that follows from a seed, and the same command is run again. Prints what was said and whether the release is that
of a local build; ends with 1 if not.
"""

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.side_by_side import write_section
from byline.pipelines.beam.build import build
from harness.cluster import a_free_port, running
from harness.fetch_only import write_corpus
from harness.killed_cluster import VICTIMS, at_random, killed, whole

PICTURES, NUM_PACKS = 2_000, 3
"""So that a pack is large enough for a further process of its worker."""


def main(number: int = 20) -> int:
    """Return how many of the builds did not end as the local one."""
    wrong, rows = 0, Counter[tuple[str, str]]()
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), a_free_port()
        samples = Path(__file__).parent.parent / "samples/photographs"
        pictures = sorted(path.name for path in samples.glob("*.jpg"))
        serve = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(samples)]
        with running(serve, port, folder / "web.log"):
            url = f"http://127.0.0.1:{port}"
            urls = [f"{url}/{pictures[serial % len(pictures)]}?{serial}" for serial in range(PICTURES)]
            version = build(str(write_corpus(folder / "local", urls, num_packs=NUM_PACKS)), workers=2).version
            began = time.monotonic()
            wrong += whole(write_corpus(folder / "whole", urls, num_packs=NUM_PACKS), folder) != version
            took_s = time.monotonic() - began
            for seed in range(number):
                config = write_corpus(folder / str(seed), urls, num_packs=NUM_PACKS)
                result = killed(config, VICTIMS[seed % len(VICTIMS)], at_random(seed, took_s), folder)
                wrong += result.version != version
                how = "went on" if not result.code else "said what to do" if result.code > 0 else "was what was killed"
                rows[result.victim, how] += 1
                print(seed, result.victim, result.code, result.version == version, *result.lines[-1:], flush=True)
    lines = [f"| {victim} | {how} | {count} |" for (victim, how), count in sorted(rows.items())]
    write_section(
        "Killed while a cluster builds",
        f"python -m benchmarks.killed_cluster {number}",
        f"{PICTURES:,} pictures in {NUM_PACKS} packs, built on Prism with a pool; `kill -9` at a random moment of the "
        f"{took_s:.0f} s that a build took before, then the same command again. {number - wrong} of {number} gave the "
        "release of the local build.\n\n| killed | the build | times |\n|---|---|---:|\n" + "\n".join(lines),
    )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
