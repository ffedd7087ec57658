"""From a folder of pictures to pairs of copies, beside imagededup."""

import gc
import importlib
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.real_codes import sample_pictures
from benchmarks.side_by_side import write_section
from byline.dedup.decoding import decode_gray
from byline.dedup.hashes import perceptual_hashes
from byline.dedup.neighbors import near_pairs
from harness.pictures import flattened

RADIUS_BITS = 8
Pair = tuple[str, str]


def ours(folder: Path) -> set[Pair]:
    """Return the pairs of files whose 64-bit pHashes are near, equal ones included. Hashes 256 bits in passing."""
    paths = sorted(folder.iterdir())
    with ProcessPoolExecutor() as pool:
        codes = np.array([list(code) for code in pool.map(_code, paths, chunksize=64)], np.uint8)
    names = np.array([path.name for path in paths])
    distinct, inverse = np.unique(codes, axis=0, return_inverse=True)
    groups = [names[inverse == code] for code in range(len(distinct))]
    near = [(int(pair["i"]), int(pair["j"])) for pair in near_pairs(distinct, radius_bits=RADIUS_BITS)]
    alike = [(code, code) for code, group in enumerate(groups) if len(group) > 1]
    return {_pair(a, b) for code, other in [*near, *alike] for a in groups[code] for b in groups[other] if a != b}


def _code(path: Path) -> bytes:
    if path.suffix == ".jpg":
        return perceptual_hashes(decode_gray(path.read_bytes(), at_least_px=128))[0]
    return perceptual_hashes(flattened(path))[0]


def imagededup(folder: Path) -> set[Pair]:
    """Return what imagededup says are copies, hashed and searched in a process per core."""
    method = importlib.import_module("imagededup.methods").PHash(verbose=False)
    codes = method.encode_images(image_dir=str(folder))
    duplicates = method.find_duplicates(encoding_map=codes, max_distance_threshold=RADIUS_BITS)
    return {_pair(name, other) for name, others in duplicates.items() for other in others}


def _pair(name: str, other: str) -> Pair:
    return (name, other) if name < other else (other, name)


def compare_folders(rounds: int) -> None:
    """Measure both on all sample pictures, in turns, and write the section."""
    if find_spec("imagededup") is None:
        print("imagededup is not installed: pip install imagededup")
        return
    with tempfile.TemporaryDirectory() as name:
        for path in sample_pictures():
            (Path(name) / path.name).symlink_to(path)
        seconds, pair_sets = _measure([ours, imagededup], Path(name), rounds)
    both = len(pair_sets[0] & pair_sets[1])
    rows = [
        f"| {name} | {len(pairs):,} | {median(times):.2f} ({min(times):.2f} to {max(times):.2f}) | "
        f"{median(times) / median(seconds[0]):.1f}x |"
        for name, pairs, times in zip(("hashes and neighbors", "imagededup"), pair_sets, seconds, strict=True)
    ]
    write_section(
        "Copies in a folder, beside imagededup",
        "python -m benchmarks.pair_search_peers pictures",
        f"{len(sample_pictures()):,} sample pictures, from files to pairs of 64-bit pHashes within {RADIUS_BITS} bits; "
        "both on all cores. Ours computes the hash of 256 bits, too. "
        f"{both:,} pairs are found by both: the hashes differ, since imagededup lays transparency on black.\n\n"
        + "\n".join(["| | pairs | seconds | ratio |", "|---|---:|---:|---:|", *rows]),
    )


def _measure(
    arms: list[Callable[[Path], set[Pair]]], folder: Path, rounds: int
) -> tuple[list[list[float]], list[set[Pair]]]:
    pair_sets = [arm(folder) for arm in arms]
    seconds: list[list[float]] = [[] for _ in arms]
    for _ in range(rounds):
        for times, arm in zip(seconds, arms, strict=True):
            gc.collect()
            start = time.perf_counter()
            arm(folder)
            times.append(time.perf_counter() - start)
    return seconds, pair_sets
