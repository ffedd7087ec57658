"""Finding near-duplicates, beside peers, on the same codes and the same pictures.

python -m benchmarks.pair_search_peers 64
python -m benchmarks.pair_search_peers 256
python -m benchmarks.pair_search_peers pictures

A peer that is not installed is left out. All of them, into an environment of their own:
pip install faiss-cpu pybktree imagededup threatexchange
"""

import argparse
import gc
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.real_codes import filled, real_codes
from benchmarks.search_arms import EXHAUSTIVE, OURS, PEERS, Arm, Pairs
from benchmarks.side_by_side import write_section

RADIUS_BITS = {64: 8, 256: 31}
CACHE = Path(tempfile.gettempdir()) / "byline-benchmark-codes.npz"


def recall(pairs: Pairs, truth: NDArray[np.int64], num_codes: int, num_queries: int) -> float:
    """Return the share of the true pairs, of those with one of the codes asked for, that were found.

    `truth` is what `_keys` makes of the true pairs. Nothing else may have been found.
    """
    keys = _keys(pairs, num_codes)
    assert np.isin(keys, truth).all(), "pairs beyond the radius were found"
    asked = truth if not num_queries else truth[truth // num_codes < num_queries]
    return float(np.isin(asked, keys).mean())


def _keys(pairs: Pairs, num_codes: int) -> NDArray[np.int64]:
    low, high = pairs.min(1), pairs.max(1)
    return np.unique(low[low != high] * num_codes + high[low != high])


def compare(bits: int, number: int, rounds: int) -> None:
    """Measure every arm that is installed, in turns, and write the section."""
    real = real_codes(cache=CACHE)[bits == 256]
    data = filled(real, number)
    radius = RADIUS_BITS[bits]
    truth = _keys(EXHAUSTIVE.search(data, radius, 0)[0], number)
    arms = [arm for arm in (OURS, EXHAUSTIVE, *PEERS[bits]) if arm.is_there()]
    OURS.search(data, radius, 0)  # compiles
    seconds: list[list[float]] = [[] for _ in arms]
    recalls = [1.0] * len(arms)
    for turn in range(rounds):
        for index, arm in enumerate(arms):
            if arm.is_slow and turn:
                continue
            gc.collect()
            pairs, taken = arm.search(data, radius, arm.num_queries)
            seconds[index].append(taken)
            recalls[index] = min(recalls[index], recall(pairs, truth, number, arm.num_queries))
    write_section(
        f"Pair search beside peers, {bits} bits",
        f"python -m benchmarks.pair_search_peers {bits}",
        f"All pairs within {radius} bits among {number:,} different pHashes: {min(len(real), number):,} of all sample "
        "pictures and of copies of another size, brightness and JPEG quality, the rest uniform. "
        f"{len(truth):,} pairs, by comparing all. {rounds} rounds, interleaved; the slowest peers in one only. "
        "Times of those that were asked for some of the codes are scaled to all.\n\n" + _table(arms, seconds, recalls),
    )


def _table(arms: Sequence[Arm], seconds: Sequence[Sequence[float]], recalls: Sequence[float]) -> str:
    lines = ["| search | asked for | recall | seconds | ratio |", "|---|---:|---:|---:|---:|"]
    for arm, times, share in zip(arms, seconds, recalls, strict=True):
        asked = f"{arm.num_queries:,}" if arm.num_queries else "all"
        spread = f"{median(times):,.2f} ({min(times):,.2f} to {max(times):,.2f})"
        ratio = f"{median(times) / median(seconds[0]):,.1f}x"
        lines.append(f"| {arm.name} | {asked} | {np.floor(share * 1e5) / 1e5:g} | {spread} | {ratio} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["64", "256", "pictures"])
    parser.add_argument("--codes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.what == "pictures":
        from benchmarks.folder_peers import compare_folders

        compare_folders(given.rounds)
    else:
        compare(int(given.what), given.codes, given.rounds)
