"""What a build that is killed again and again asks for twice. python -m benchmarks.killed_fetch [PICTURES [KILLS]]"""

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.side_by_side import write_section
from byline.pipelines.beam.stages.fetch import WINDOW
from harness.fetch_only import WORKERS
from harness.killed_fetch import kill_and_compare

NUM_URLS, NUM_KILLS = 2_000, 10


def _main(num_urls: int, num_kills: int) -> str:
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        killed = kill_and_compare(Path(folder), num_urls, num_kills)
    again, most = sum(killed.asked_again), max(killed.asked_again)
    allowed = WINDOW * WORKERS
    same = {True: "the same", False: "NOT THE SAME"}
    return (
        f"`byline build` in {WORKERS} processes, all of them killed -9 at {num_kills} random moments while it fetched "
        f"{num_urls:,} pictures, and then run to its end ({time.perf_counter() - start:,.0f} s in all, with an "
        "undisturbed build).\n\n"
        "| pictures | kills | asked for again, in all | most after one kill | allowed (a batch for each process) | "
        "most times one picture | never asked for | tars and indexes | release |\n"
        "|---:|---:|---:|---:|---:|---:|---:|---|---|\n"
        f"| {num_urls:,} | {num_kills} | {again:,} | {most:,} | {allowed:,} | {killed.most_times} | "
        f"{killed.num_never} | {same[killed.packs_equal]} | {same[killed.release_equal]} |\n\n"
        f"After each kill: {', '.join(map(str, killed.asked_again))}. Times of fetching are left out of the comparison "
        "of indexes."
    )


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    sizes = (*numbers, *(NUM_URLS, NUM_KILLS)[len(numbers) :])
    command = f"python -m benchmarks.killed_fetch {' '.join(sys.argv[1:])}".strip()
    write_section("Killed while it fetches", command, _main(*sizes))
