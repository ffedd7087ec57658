"""Kill parts of a cluster at random moments: python -m benchmarks.killed_cluster [NUMBER] [SECONDS]

Each time one of worker, pool, runner and driver is killed, at a moment of the build that follows from a seed, and the
same command is run again. Prints what was said and whether the release is that of a local build; ends with 1 if not.
"""

import sys
import tempfile
from pathlib import Path

from byline.pipelines.beam.build import build
from harness.cluster import a_free_port, running
from harness.fetch_only import write_corpus
from harness.killed_cluster import VICTIMS, at_random, killed

PICTURES = 200


def main(number: int = 20, most_s: int = 40) -> int:
    """Return how many of the builds did not end as the local one."""
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), a_free_port()
        samples = Path(__file__).parent.parent / "samples/photographs"
        pictures = sorted(path.name for path in samples.glob("*.jpg"))[:PICTURES]
        serve = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(samples)]
        with running(serve, port, folder / "web.log"):
            urls = [f"http://127.0.0.1:{port}/{picture}" for picture in pictures]
            version = build(str(write_corpus(folder / "local", urls, num_packs=8)), workers=2).version
            for seed in range(number):
                config = write_corpus(folder / str(seed), urls, num_packs=8)
                result = killed(config, VICTIMS[seed % len(VICTIMS)], at_random(seed, most_s), folder)
                wrong += result.version != version
                print(seed, result.victim, result.code, result.version == version, *result.lines[-1:], flush=True)
    print(f"{number - wrong} of {number} gave the release of the local build")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
