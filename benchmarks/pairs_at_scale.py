"""Finding all near pairs of up to tens of millions of uniform codes, of which one in 20 is a near copy of another.

python -m benchmarks.pairs_at_scale 100000 1000000 10000000 70000000
python -m benchmarks.pairs_at_scale 1000000 --bits 64
python -m benchmarks.pairs_at_scale 10000000 --more

Each size has a process of its own, which compiles first. 70 million codes take about 5 GB and 7 minutes on two cores.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from math import log10
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.line_plots import Line, Panel, draw
from benchmarks.side_by_side import write_section
from byline.dedup.banding import band_plan
from byline.dedup.neighbors import PAIR, NearIndex, near_pairs

PLOT = Path("docs/images/pairs_at_scale.svg")
BLOCK = 1_000_000
COPY_EVERY = 20
ASKED_S = {1_000_000: 3.0, 10_000_000: 60.0, 70_000_000: 1200.0}
"""What the search of 256-bit codes may take, on two cores."""
ASKED_GB = 8.0

Codes = NDArray[np.uint8]


def codes_with_copies(num_codes: int, bits: int) -> tuple[Codes, NDArray[np.void]]:
    """Return uniform codes, of which every 20th is a copy of an earlier one, 1 bit to the greatest radius away.

    And these pairs, as `PAIR` rows: original, copy, distance. No original is a copy. Made in blocks of a million, so
    that little memory is needed beside that of the codes.
    """
    codes, planted = np.empty((num_codes, bits // 8), np.uint8), []
    for start in range(0, num_codes, BLOCK):
        random, stop = np.random.default_rng(start), min(start + BLOCK, num_codes)
        codes[start:stop] = random.integers(0, 256, (stop - start, bits // 8), dtype=np.uint8)
        pairs = np.empty((stop - start) // COPY_EVERY, PAIR)
        pairs["j"] = np.arange(start + COPY_EVERY - 1, stop, COPY_EVERY)
        pairs["i"] = random.integers(0, pairs["j"])
        pairs["i"] -= pairs["i"] % COPY_EVERY == COPY_EVERY - 1
        pairs["distance"] = random.integers(1, band_plan(bits).max_radius_bits + 1, len(pairs))
        codes[pairs["j"]] = codes[pairs["i"]] ^ _differing(pairs["distance"], bits, random)
        planted.append(pairs)
    return codes, np.concatenate(planted)


def _differing(distances: NDArray[np.uint32], bits: int, random: np.random.Generator) -> Codes:
    order = random.random((len(distances), bits), dtype=np.float32).argsort(axis=1)
    flags = np.zeros(order.shape, np.uint8)
    np.put_along_axis(flags, order, np.arange(bits) < distances[:, None], axis=1)
    return np.packbits(flags, axis=1)


def timed(work: Any) -> tuple[Any, dict[str, float]]:
    """Return what it returns, and how long it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def search(num_codes: int, bits: int) -> dict[str, Any]:
    """Search once, in this process; return times, the peak of memory, and how many planted pairs were found."""
    radius = band_plan(bits).max_radius_bits
    near_pairs(codes_with_copies(1000, bits)[0], radius_bits=radius)  # compiles
    codes, planted = codes_with_copies(num_codes, bits)
    pairs, taken = timed(lambda: near_pairs(codes, radius_bits=radius))
    peak_gb = _peak_gb()
    is_found = np.isin(_keys(planted), _keys(pairs))
    by_distance = [
        [int((planted["distance"] == bits_away).sum()), int(is_found[planted["distance"] == bits_away].sum())]
        for bits_away in range(radius + 1)
    ]
    return {**taken, "codes": num_codes, "peak_gb": peak_gb, "pairs": len(pairs), "by_distance": by_distance}


def more(num_codes: int, bits: int, rounds: int) -> dict[str, Any]:
    """Search for the pairs of 1 % more codes, and from nothing, in turns; check that both know the same pairs."""
    radius, num_new = band_plan(bits).max_radius_bits, num_codes // 100
    codes, _ = codes_with_copies(num_codes + num_new, bits)
    old, new = codes[:num_codes], codes[num_codes:]
    _with_more(old[:1000], new[:1000], radius), near_pairs(old[:1000], radius_bits=radius)  # compiles
    times: dict[str, list[dict[str, float]]] = {"more": [], "nothing": []}
    for _ in range(rounds):
        added, taken = timed(lambda: _with_more(old, new, radius))
        times["more"].append(taken)
        whole, taken = timed(lambda: near_pairs(codes, radius_bits=radius))
        times["nothing"].append(taken)
    union = np.concatenate([near_pairs(old, radius_bits=radius), added])
    union = union[np.lexsort((union["j"], union["i"]))]
    assert np.array_equal(union, whole), "a continued search found other pairs than one from nothing"
    return {**times, "codes": num_codes, "new": num_new, "pairs": len(whole), "added": len(added)}


def _with_more(old: Codes, new: Codes, radius: int) -> NDArray[np.void]:
    between = NearIndex(new, radius_bits=radius).pairs_with(old)
    among = near_pairs(new, radius_bits=radius)
    between["j"] += len(old)
    among["i"] += len(old)
    among["j"] += len(old)
    return np.concatenate([between, among])


def _keys(pairs: NDArray[np.void]) -> NDArray[np.uint64]:
    keys: NDArray[np.uint64] = pairs["i"].astype(np.uint64) << np.uint64(32) | pairs["j"]
    return keys


def _peak_gb() -> float:
    """Of this program alone: what `getrusage` says is never less than it was of the program that started it."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024 / 1e9


def _alone(part: str, num_codes: int, bits: int, rounds: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.pairs_at_scale", str(num_codes)]
    command += ["--bits", str(bits), "--rounds", str(rounds), "--alone", part]
    result: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def write_sizes(sizes: Sequence[int], bits: int) -> None:
    """Search each size in a process of its own, and write the section, and for 256 bits the plot."""
    exact, radius = band_plan(bits).exact_up_to_bits, band_plan(bits).max_radius_bits
    ranges = [(1, min(exact, radius)), *([(exact + 1, radius - 1), (radius, radius)] if exact < radius else [])]
    heads = [f"found at {first} to {last}" if first < last else f"at {first}" for first, last in ranges]
    lines = ["| codes | seconds | CPU seconds | GB | planted pairs | " + " | ".join(heads) + " | all pairs |"]
    lines.append("|---:" * (6 + len(heads)) + "|")
    measured = []
    for size in sizes:
        result = _alone("search", size, bits, 1)
        measured.append(result)
        counts = np.array(result["by_distance"])
        shares = [f"{_recall(counts[first : last + 1])}" for first, last in ranges]
        lines.append(
            f"| {size:,} | {result['wall_s']:,.2f} | {result['cpu_s']:,.2f} | {result['peak_gb']:.2f} | "
            + f"{counts[:, 0].sum():,} | "
            + " | ".join(shares)
            + f" | {result['pairs']:,} |"
        )
        print(lines[-1], flush=True)
    text = (
        f"All pairs within {radius} bits among uniform codes of {bits} bits. Every 20th is a copy of an earlier one, "
    )
    text += (
        f"1 to {radius} bits away, of bits drawn evenly. One run of each size. GB is the peak of the whole process, "
    )
    text += (
        "the codes among it. A copy that happens to equal another copy is collapsed with it, and its pair counts as "
    )
    text += "not found: one among 70 million did.\n\n"
    sizes_given = " ".join(map(str, sizes))
    bits_given = "" if bits == 256 else f" --bits {bits}"
    if bits == 256:
        PLOT.write_text(_plot(measured))
        text += "![Seconds and memory against the number of codes](../docs/images/pairs_at_scale.svg)\n\n"
    write_section(
        f"Pair search at scale, {bits} bits",
        f"python -m benchmarks.pairs_at_scale {sizes_given}{bits_given}",
        text + "\n".join(lines),
    )


def _recall(planted_and_found: NDArray[np.int64]) -> str:
    planted, num_found = planted_and_found.sum(axis=0)
    return f"{np.floor(num_found / planted * 1e5) / 1e5:g}"


def write_more(num_codes: int, bits: int, rounds: int) -> None:
    """Search for the pairs of 1 % more codes in a process of its own, and write the section."""
    result = _alone("more", num_codes, bits, rounds)
    lines = ["| search | seconds | CPU seconds |", "|---|---:|---:|"]
    for name, label in (("more", f"of the {result['new']:,} that are new"), ("nothing", "from nothing")):
        lines.append(f"| {label} | {_spread(result[name], 'wall_s')} | {_spread(result[name], 'cpu_s')} |")
    ratios = [_median(result["nothing"], key) / _median(result["more"], key) for key in ("wall_s", "cpu_s")]
    lines.append(f"| ratio | {ratios[0]:.1f}x | {ratios[1]:.1f}x |")
    write_section(
        f"Pair search: 1 % more, {bits} bits",
        f"python -m benchmarks.pairs_at_scale {num_codes}{'' if bits == 256 else f' --bits {bits}'} --more",
        f"{result['new']:,} codes come to {num_codes:,}: an index of the new ones that the old ones pass, and a search "
        f"among the new. The pairs found ({result['added']:,}), with those of the old codes, are those that a search "
        f"from nothing finds ({result['pairs']:,}). {rounds} rounds, interleaved; median, least and most.\n\n"
        + "\n".join(lines),
    )


def _median(times: Sequence[dict[str, float]], key: str) -> float:
    return median(run[key] for run in times)


def _spread(times: Sequence[dict[str, float]], key: str) -> str:
    values = [run[key] for run in times]
    return f"{median(values):,.2f} ({min(values):,.2f} to {max(values):,.2f})"


def _plot(measured: Sequence[dict[str, Any]]) -> str:
    panels = []
    for title, key, asked, exponents in (
        ("Seconds", "wall_s", list(ASKED_S.items()), (-2, 4)),
        ("Peak memory, GB", "peak_gb", [(10**5, ASKED_GB), (10**8, ASKED_GB)], (-1, 1)),
    ):
        lines = [
            Line(name=name, color=color, points=[(log10(x), _share(log10(y), exponents)) for x, y in points])
            for name, color, points in (
                ("measured", "#0072b2", [(result["codes"], result[key]) for result in measured]),
                ("asked for, at most", "#d55e00", asked),
            )
        ]
        marks = range(exponents[0], exponents[1] + 1)
        panels.append(
            Panel(
                title=title,
                x_label="codes, millions",
                min_x=5,
                max_x=8,
                x_ticks=[(5, "0.1"), (6, "1"), (7, "10"), (8, "100")],
                y_ticks=[(_share(mark, exponents), f"{10.0**mark:g}") for mark in marks],
                lines=lines,
            )
        )
    return draw(panels, columns=2, description="Seconds and memory of a search against the number of codes, log axes")


def _share(value: float, limits: tuple[int, int]) -> float:
    return (value - limits[0]) / (limits[1] - limits[0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="+", help="numbers of codes")
    parser.add_argument("--bits", type=int, choices=[64, 256], default=256)
    parser.add_argument("--more", action="store_true", help="add 1 %% to so many codes")
    parser.add_argument("--rounds", type=int, default=3, help="of --more")
    parser.add_argument("--alone", choices=["search", "more"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone == "search":
        print(json.dumps(search(given.sizes[0], given.bits)))
    elif given.alone == "more":
        print(json.dumps(more(given.sizes[0], given.bits, given.rounds)))
    elif given.more:
        for size in given.sizes:
            write_more(size, given.bits, given.rounds)
    else:
        write_sizes(given.sizes, given.bits)
