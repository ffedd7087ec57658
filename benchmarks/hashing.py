"""Hashing files beside imagehash and pdqhash, full decode against reduced. python -m benchmarks.hashing FOLDER

pdqhash is left out where it is not installed; to have it: pip install pdqhash (it needs a C++ compiler).

FOLDER holds real photographs, of which JPEGs of at least 1024x768 are used. Debian's wallpapers are some: `apt-get
download gnome-backgrounds mate-backgrounds plasma-workspace-wallpapers ukui-wallpapers lomiri-wallpapers-16.04
lomiri-wallpapers-20.04`, then `dpkg -x` of each into FOLDER.
"""

import argparse
import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import imagehash
import numpy as np
from PIL import Image

from benchmarks.side_by_side import measure, table, write_section
from byline.dedup.decoding import decode
from byline.dedup.hashes import REDUCED_PX, hashes_of_bytes
from byline.dedup.pdq import REDUCED_PX as PDQ_PX
from byline.dedup.pdq import pdq

Item = TypeVar("Item")
MIN_SIZE = (1024, 768)
MAX_PIXELS = 10_000_000
PDQ_EVERY = 3
"""Of so many files one is timed: pdqhash takes a second for a full one."""
TRUSTED_PDQ = 80
"""PDQ's quality from which its authors ask implementations to agree, within 10 bits."""


def pictures(folder: Path) -> tuple[list[bytes], list[bytes]]:
    """Return the baseline and the progressive JPEGs, each once."""
    by_kind: tuple[list[bytes], list[bytes]] = ([], [])
    for data in sorted({path.read_bytes() for path in folder.rglob("*.jp*g") if path.is_file()}):
        with Image.open(BytesIO(data)) as image:
            longer, shorter = max(image.size), min(image.size)
            if longer >= MIN_SIZE[0] and shorter >= MIN_SIZE[1] and longer * shorter <= MAX_PIXELS:
                by_kind["progressive" in image.info].append(data)
    return by_kind


def _imagehash(data: bytes, hash_size: int = 8) -> bytes:
    with Image.open(BytesIO(data)) as image:
        return np.packbits(imagehash.phash(image, hash_size=hash_size).hash).tobytes()


def _three(data: bytes) -> bytes:
    with Image.open(BytesIO(data)) as image:
        image.load()
        imagehash.dhash(image)
        imagehash.phash(image, hash_size=16)
        return np.packbits(imagehash.phash(image).hash).tobytes()


def _apart(code: bytes, other: bytes) -> int:
    return (int.from_bytes(code) ^ int.from_bytes(other)).bit_count()


def _histogram(distances: Iterable[int]) -> str:
    return ", ".join(f"{bits}: {number}" for bits, number in sorted(Counter(distances).items()))


def _each(work: Callable[[Item], object], items: Sequence[Item]) -> Callable[[], None]:
    def run() -> None:
        for item in items:
            work(item)

    return run


def _compare(name: str, files: list[bytes], rounds: int) -> str:
    rows = {
        "`imagehash.phash`, 64 bits alone": measure(
            len(files), _each(hashes_of_bytes, files), _each(_imagehash, files), rounds=rounds
        ),
        "imagehash, the same three hashes": measure(
            len(files), _each(hashes_of_bytes, files), _each(_three, files), rounds=rounds
        ),
    }
    parts = [f"**{name}**"]
    for peer, row in rows.items():
        parts.append(table("files", "hashes_of_bytes (pHash 64, 256, dHash)", peer, [row]))
    reduced = [hashes_of_bytes(data) for data in files]
    exact = [hashes_of_bytes(data, exact=True) for data in files]
    for data, hashes in zip(files, exact, strict=True):
        if (hashes.phash64, hashes.phash256) != (_imagehash(data), _imagehash(data, 16)):
            raise SystemExit("exact hashes are not imagehash's")
    lines = [
        f"{label}: {_histogram(_apart(getattr(a, key), getattr(b, key)) for a, b in zip(reduced, exact, strict=True))}"
        for label, key in (("pHash 64", "phash64"), ("pHash 256", "phash256"), ("dHash 64", "dhash64"))
    ]
    parts.append("Bits from the exact hash, and files: " + "; ".join(lines) + ".")
    return "\n\n".join(parts)


def _by_pdqhash(image: Image.Image) -> tuple[bytes, int]:
    bits, quality = importlib.import_module("pdqhash").compute(np.asarray(image.convert("RGB")))
    return np.packbits(bits).tobytes(), quality


def _beside_pdqhash(files: list[bytes], rounds: int) -> list[str]:
    if find_spec("pdqhash") is None:
        return ["pdqhash is not installed, and left out."]
    tables = []
    for name, at_least_px in ((f"reduced to {PDQ_PX} px", PDQ_PX), ("decoded in full", None)):
        images = [decode(data, at_least_px=at_least_px) for data in files]
        if [pdq(image) for image in images] != [_by_pdqhash(image) for image in images]:
            raise SystemExit("PDQ's hashes or qualities are not those of pdqhash")
        row = measure(len(images), _each(pdq, images), _each(_by_pdqhash, images), rounds=rounds)
        tables.append(table(f"pictures, {name}", "ours, decoding left out", "pdqhash, decoding left out", [row]))
    return [*tables, "Every hash and quality is that of pdqhash."]


def _compare_pdq(files: list[bytes], rounds: int) -> str:
    def full(data: bytes) -> tuple[bytes, int]:
        return pdq(decode(data, at_least_px=None))

    def reduced(data: bytes) -> tuple[bytes, int]:
        return pdq(decode(data, at_least_px=PDQ_PX))

    timed = files[::PDQ_EVERY]
    row = measure(len(timed), _each(reduced, timed), _each(full, timed), rounds=rounds)
    pairs = [(full(data), reduced(data)) for data in files]
    trusted = [(from_full, from_reduced) for from_full, from_reduced in pairs if from_full[1] >= TRUSTED_PDQ]
    distances = [_apart(from_full[0], from_reduced[0]) for from_full, from_reduced in trusted]
    return "\n\n".join(
        [
            f"**PDQ, decoded to {PDQ_PX} px at least**",
            table("files", f"reduced to {PDQ_PX} px", "full decode", [row]),
            f"Of {len(pairs)} files {len(trusted)} have quality {TRUSTED_PDQ} or more;"
            f" bits from the full one, and files: {_histogram(distances)}.",
            *_beside_pdqhash(timed, rounds),
        ]
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    baseline, progressive = pictures(arguments.folder)
    sections = [
        f"Real photographs of {MIN_SIZE[0]}x{MIN_SIZE[1]} to {MAX_PIXELS // 10**6} megapixels (the module names the"
        f" packages). Ours decodes to {REDUCED_PX} px at least and gives three hashes; exact, it gives imagehash's own"
        " bits in both, for every file."
    ]
    for name, files in (("Baseline JPEGs", baseline), ("Progressive JPEGs", progressive)):
        if files:
            sections.append(_compare(name, files, arguments.rounds))
    sections.append(_compare_pdq([*baseline, *progressive], arguments.rounds))
    write_section("Hashing", "python -m benchmarks.hashing FOLDER", "\n\n".join(sections))
