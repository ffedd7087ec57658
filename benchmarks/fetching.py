"""Fetch, resize and pack the same pictures: ours beside img2dataset. python -m benchmarks.fetching [URLS [ROUNDS]]

Both are programs of their own, run in turn, with two processes each, over one list of URLs on loopback. Seconds are
told twice: of the whole program, and from the first request that the server saw to the last byte of its packs.
"""

import os
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from rich.progress import track

from benchmarks.side_by_side import write_section
from benchmarks.storing import psnr_db
from byline.catalog.disk.storage import Store
from harness.fetch_only import WORKERS, Ran, asked, fetch_command, run, write_corpus
from harness.pictures import a_jpeg
from harness.web import Web, a_web

NUM_URLS, ROUNDS = 1_200, 5
NUM_HOSTS = 100
NUM_PICTURES = 40
NUM_SHARDS = 4
"""Packs of ours, shards of img2dataset's: two for each process."""
NOISES = {"267 kB": 11.0, "100 kB": 3.0}
"""Weight of a picture of 1024 x 768 -> noise that gives it."""
THREADS = (16, 32)
"""Of each img2dataset process; the better one counts."""
FETCH = {"per_host": 8, "rate_per_s": 1000.0}
SAMPLE = 25
MEMORY_URLS = (200, 20_000)
TINY = (96, 64)
PEER = """
from img2dataset import download
download(
    {urls!r}, image_size=256, output_folder={out!r}, processes_count={processes}, thread_count={threads},
    resize_mode="keep_ratio_largest", resize_only_if_bigger=True, encode_quality=95, output_format="webdataset",
    input_format="txt", number_sample_per_shard={per_shard}, extract_exif=False,
)
"""
"""`python -c`, so that its processes import nothing of ours. It computes sha256 as we do, and reads no EXIF."""

Sizes = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run of one program."""

    ran: Ran
    fetching_s: float
    """From the first request to the last byte of the packs."""
    sizes: dict[str, Sizes]
    """URL -> width, height, original width and original height, of every picture that came."""


@dataclass(frozen=True)
class Arm:
    """A program that fetches a list of URLs into a folder."""

    name: str
    command: Callable[[Sequence[str], Path, int], list[str]]
    """Of (URLs, an empty folder, number of shards)."""
    sizes: Callable[[Path], dict[str, Sizes]]
    newest: str
    """Files that a finished shard or pack has."""


def _sizes_of(rows: Sequence[dict[str, object]]) -> dict[str, Sizes]:
    names = ("width", "height", "original_width", "original_height")
    return {
        str(row["url"]): tuple(row[name] for name in names)  # type: ignore[misc]
        for row in rows
        if row["status"] == "success"
    }


def _ours(name: str, pixels: str = "") -> Arm:
    def command(urls: Sequence[str], folder: Path, num_shards: int) -> list[str]:
        config = write_corpus(folder, urls, num_packs=num_shards, fetch=FETCH)
        config.write_text(config.read_text() + pixels)
        return fetch_command(config)

    return Arm(name, command, lambda folder: _sizes_of(asked(folder / "corpus.toml")), "corpus/packs/*.parquet")


OURS = _ours("byline")
REDUCED = _ours("byline, reduced decoding", '\n[pixels]\ndecoding = "reduced"\n')


def _peer(threads: int) -> Arm:
    def command(urls: Sequence[str], folder: Path, num_shards: int) -> list[str]:
        (folder / "urls.txt").write_text("\n".join(urls) + "\n")
        per_shard = -(-len(urls) // num_shards)
        return [
            sys.executable,
            "-c",
            PEER.format(
                urls=str(folder / "urls.txt"),
                out=str(folder / "out"),
                processes=WORKERS,
                threads=threads,
                per_shard=per_shard,
            ),
        ]

    return Arm(f"img2dataset, {threads} threads", command, lambda folder: _sizes_of(_peer_rows(folder)), "out/*.json")


def _peer_rows(folder: Path) -> list[dict[str, object]]:
    return [row for path in sorted((folder / "out").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def _run(arm: Arm, urls: Sequence[str], folder: Path, web: Web, *, num_shards: int = NUM_SHARDS) -> Result:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    ran = run(arm.command(urls, folder, num_shards))
    first_s = next(request.arrived_s for request in web.requests() if request.arrived_s > ran.began_s)
    last_s = max(path.stat().st_mtime for path in folder.glob(arm.newest)) - _epoch_s()
    sizes = arm.sizes(folder)
    missing = len(set(urls) - set(sizes))
    assert not missing, f"{arm.name}: {missing} of {len(urls)} pictures did not come"
    return Result(ran=ran, fetching_s=last_s - first_s, sizes=sizes)


def _epoch_s() -> float:
    """Return what files' times are ahead of the clock that the log has."""
    return time.time() - time.monotonic()


def _pixels_of_ours(folder: Path, urls: Sequence[str]) -> list[np.ndarray]:
    store = Store(f"{folder}/corpus")
    rows = {row["url"]: row for row in asked(folder / "corpus.toml")}
    pixels = []
    for url in urls:
        with store.open(f"packs/{rows[url]['tar']}") as file:
            file.seek(int(str(rows[url]["offset"])))
            pixels.append(np.asarray(Image.open(BytesIO(file.read(int(str(rows[url]["size"])))))))
    return pixels


def _pixels_of_peer(folder: Path, urls: Sequence[str]) -> list[np.ndarray]:
    keys = {row["url"]: row["key"] for row in _peer_rows(folder)}
    members: dict[str, Path] = {}
    for path in sorted((folder / "out").glob("*.tar")):
        with tarfile.open(path) as tar:
            members |= dict.fromkeys(tar.getnames(), path)
    pixels = []
    for url in urls:
        name = f"{keys[url]}.jpg"
        with tarfile.open(members[name]) as tar, tar.extractfile(name) as file:  # type: ignore[union-attr]
            pixels.append(np.asarray(Image.open(BytesIO(file.read()))))
    return pixels


def _compare(folder: Path, pictures: Sequence[bytes], num_urls: int, rounds: int) -> tuple[str, list[str]]:
    """Run the arms in turn; return what was seen to be equal and how far the reduced are off, and two rows."""
    arms = [*(_peer(threads) for threads in THREADS), OURS, REDUCED]
    results: dict[str, list[Result]] = {arm.name: [] for arm in arms}
    with a_web(folder, pictures) as web:
        urls = [web.url(n % NUM_HOSTS, n % len(pictures), n) for n in range(num_urls)]
        folders = {arm.name: folder / f"arm{index}" for index, arm in enumerate(arms)}
        for _ in track(range(rounds), description=f"{num_urls:,} URLs"):
            for arm in arms:
                results[arm.name].append(_run(arm, urls, folders[arm.name], web))
    ours, reduced = results[OURS.name], results[REDUCED.name]
    peer_name = min(results.keys() - {OURS.name, REDUCED.name}, key=lambda name: median(_walls(results[name])))
    peer = results[peer_name]
    assert all(result.sizes == ours[0].sizes for arm in arms for result in results[arm.name]), "sizes differ"
    sample = urls[:: max(1, num_urls // SAMPLE)]
    theirs = _pixels_of_peer(folders[peer_name], sample)
    pairs = zip(_pixels_of_ours(folders[OURS.name], sample), theirs, strict=True)
    num_equal = sum(np.array_equal(a, b) for a, b in pairs)
    pairs = zip(_pixels_of_ours(folders[REDUCED.name], sample), theirs, strict=True)
    least_db = min(psnr_db(a, b) for a, b in pairs)
    fetching = ([result.fetching_s for result in arm] for arm in (ours, reduced, peer))
    rows = [
        _row(num_urls, "whole program", peer_name, *map(_walls, (ours, reduced, peer))),
        _row(num_urls, "from the first request on", peer_name, *fetching),
    ]
    text = (
        f"{num_urls:,} of {num_urls:,} came in all, sizes equal, pixels of {num_equal} of {len(sample)} equal; "
        f"with reduced decoding, the least PSNR of these {len(sample)} from img2dataset's is {least_db:.1f} dB"
    )
    return text, rows


def _walls(results: Sequence[Result]) -> list[float]:
    return [result.ran.wall_s for result in results]


def _row(
    num: int, what: str, peer: str, ours_s: Sequence[float], reduced_s: Sequence[float], peer_s: Sequence[float]
) -> str:
    ratios = [f"{median(peer_s) / median(seconds):.2f}x" for seconds in (ours_s, reduced_s)]
    theirs = f"{_rate(num, peer_s)} ({peer.split(', ')[1]})"
    return f"{what} | {_rate(num, ours_s)} | {theirs} | {ratios[0]} | {_rate(num, reduced_s)} | {ratios[1]} |"


def _rate(num: int, seconds: Sequence[float]) -> str:
    return f"{num / median(seconds):,.0f} ({num / max(seconds):,.0f} to {num / min(seconds):,.0f})"


def _memory(folder: Path, sizes: Sequence[int]) -> list[str]:
    """Return, for each number of URLs, the memory of the biggest process of each arm."""
    lines = []
    with a_web(folder, [a_jpeg(seed, size=TINY) for seed in range(NUM_PICTURES)]) as web:
        for size in sizes:
            urls = [web.url(n % NUM_HOSTS, n % NUM_PICTURES, n) for n in range(size)]
            peaks = [
                _run(arm, urls, folder / "arm", web, num_shards=WORKERS).ran.peak_mb
                for arm in (OURS, _peer(THREADS[0]))
            ]
            lines.append(f"| {size:,} | {peaks[0]:,.0f} MB | {peaks[1]:,.0f} MB |")
    return lines


def _main(num_urls: int, rounds: int, memory_urls: Sequence[int]) -> str:
    table = [
        "| pictures | images/s | byline | img2dataset | ratio | byline, reduced decoding | ratio |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    equal = []
    for name, noise in NOISES.items():
        pictures = [a_jpeg(seed, noise=noise) for seed in range(NUM_PICTURES)]
        mean_kb = sum(map(len, pictures)) / len(pictures) / 1000
        with tempfile.TemporaryDirectory() as folder:
            text, rows = _compare(Path(folder), pictures, num_urls, rounds)
        equal.append(f"{name}: {text}")
        table += [f"| {mean_kb:.0f} kB | {row}" for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        memory = _memory(Path(folder), memory_urls)
    heads = "| URLs of tiny pictures | byline | img2dataset |\n|---:|---:|---:|\n"
    return (
        f"{num_urls:,} URLs on {NUM_HOSTS} hosts of a loopback server (answers built beforehand, every URL's bytes its "
        f"own), {NUM_PICTURES} pictures of 1024 x 768, `image_size=256 resize_mode=keep_ratio_largest "
        f"encode_quality=95`, {WORKERS} processes each, {NUM_SHARDS} packs or shards; img2dataset "
        f"{version('img2dataset')} without EXIF, with the better of {' and '.join(map(str, THREADS))} threads. Ours is "
        f"the graph of `byline build` up to its fetch: ingest, judging of claims, fetch, packs. Run in turn, {rounds} "
        "times; images per second, medians (least to most), then how many times as many as img2dataset ours does: "
        'with its pixels, and with `decoding = "reduced"`, which gives others.\n\n'
        + "\n".join(table)
        + "\n\n"
        + "; ".join(equal)
        + ".\n\nMemory of the biggest process, with the list 100 times as long:\n\n"
        + heads
        + "\n".join(memory)
    )


if __name__ == "__main__":
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    numbers = [int(argument) for argument in sys.argv[1:]]
    num_urls = numbers[0] if numbers else NUM_URLS
    rounds = numbers[1] if len(numbers) > 1 else ROUNDS
    memory_urls = (
        MEMORY_URLS if num_urls >= NUM_URLS else tuple(max(1, size * num_urls // NUM_URLS) for size in MEMORY_URLS)
    )
    command = f"python -m benchmarks.fetching {' '.join(sys.argv[1:])}".strip()
    write_section("Fetching", command, _main(num_urls, rounds, memory_urls))
