"""The feed of training, beside webdataset's reader: python -m benchmarks.feed [ROUNDS]

Latents and texts of made samples lie on disk as facts; the feed maps what it makes of them. webdataset reads the same
bytes from tars, and decodes nothing.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
import torch
import webdataset

from benchmarks.feed_samples import Kind, facts_of, make_release
from benchmarks.side_by_side import Row, write_section
from byline.catalog.corpora.manifest import Release
from byline.diffusion.autoencoder import build_autoencoder
from byline.diffusion.configs import AutoencoderConfig, NoiseConfig
from byline.diffusion.noise import Noising
from byline.training.encoded import NUM_UNIFORM, Encoded
from byline.training.encoded_shards import make_encoded
from byline.training.feed import Batches, Share, Source, read_batches
from byline.training.feed_cache import FeedCache
from byline.training.order import Order
from byline.training.ranks import Ranks
from byline.training.samples import shards_of

BATCH = 256
STREAMS = 8
COLUMNS = [["latents"]]
SHARDS = 8
SAMPLES = {384: 16_384, 1024: 4_096}
"""Of an epoch, by the width of tokens."""
ROUNDS = 5
STEP_S = 0.05
"""What stands for the computing of a step, where waits are counted."""
WAITS_MS = (1, 10, 100)


KINDS = (
    Kind(name="12 tokens of 384, latents 8x8x8", latents=(8, 8, 8), tokens=12, width=384, target=20_000),
    Kind(name="12 tokens of 384, latents 4x32x32", latents=(4, 32, 32), tokens=12, width=384, target=20_000),
    Kind(name="77 tokens of 1,024, latents 4x32x32", latents=(4, 32, 32), tokens=77, width=1024, target=5_000),
)


def open_feed(
    release: Release, kind: Kind, cache: Path, *, max_bytes: float, window: int, gaussian: bool = True, ahead: int = 1
) -> Batches:
    """Return the batches of one rank of one; `gaussian` draws noise for latents too, `ahead` bytes are read ahead."""
    shards, (latents, text) = shards_of(release, "train"), facts_of(release.store)
    order = Order(
        shard_sizes=tuple(shard.num_samples for shard in shards), streams=STREAMS, window_samples=window, seed=0
    )
    channels, side, _ = kind.latents
    encoded = Encoded(
        autoencoder=build_autoencoder(
            AutoencoderConfig(block_out_channels=(8,), latent_channels=channels), side_px=side
        ),
        no_text=np.zeros((2, kind.width), np.float16),
        caption_drop_prob=0.1,
        flip_prob=0.0,
        max_tokens=77,
        noising=Noising(NoiseConfig()),
        device=torch.device("cpu"),
    )
    source = Source(
        cache=FeedCache(
            cache,
            max_bytes=max_bytes,
            names=[shard.pack for shard in shards],
            make=lambda shard, new: make_encoded(release, shards[shard], latents, text, COLUMNS, new),
        ),
        gather=encoded.gather,
        sample_bytes=kind.sample_bytes,
        num_uniform=NUM_UNIFORM,
        normal_shape=(1, *kind.latents) if gaussian else (1, 1, 1, 1),
    )
    ranks = Ranks(rank=0, size=1, device=torch.device("cpu"))
    share = Share(order=order, batch_size=BATCH, ranks=ranks)
    return read_batches(share, source, 0, 1, ahead_bytes=ahead)


def _taken(batches: Batches, samples: int) -> None:
    for _ in islice(batches, samples // BATCH):
        pass


def _read_tars(paths: list[str], kind: Kind) -> None:
    """Read as webdataset reads: bytes, not decoded."""
    size = 2 * int(np.prod(kind.latents))
    for sample in webdataset.WebDataset(paths, shardshuffle=False):
        assert len(sample["latents"]) == size


def _copied_s(kind: Kind, samples: int) -> float:
    """Return the seconds that a core needs to copy as many bytes once, into memory that it has."""
    source, into = (
        np.ones((SAMPLES[kind.width], kind.sample_bytes), np.uint8),
        np.ones((BATCH, kind.sample_bytes), np.uint8),
    )

    def copied() -> None:
        for start in range(0, samples, BATCH):
            np.copyto(into, source[start : start + BATCH])

    copied()
    return _cpu_s(copied)


def _cpu_s(work: Callable[[], None]) -> float:
    """Return the seconds that cores spent on some work, on whatever threads: other work beside it counts for little."""
    start = time.process_time()
    work()
    return time.process_time() - start


def _compare(kind: Kind, rounds: int) -> tuple[Row, Row, list[float]]:
    """Return what a core needs for as many samples as an epoch has: to read, with random numbers and all, to copy."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        per_shard = SAMPLES[kind.width] // SHARDS
        samples = SHARDS * per_shard
        release = make_release(folder, kind, num_shards=SHARDS, per_shard=per_shard, tars=True)
        tars = sorted(str(path) for path in folder.glob("*.tar"))
        open_kind = partial(open_feed, release, kind, folder / "cache", max_bytes=1e12, window=samples // STREAMS // 2)
        times: tuple[list[float], list[float], list[float]] = ([], [], [])
        copied_s: list[float] = []
        with closing(open_kind(gaussian=False)) as reading, closing(open_kind(gaussian=True)) as whole:
            arms = (partial(_taken, reading, samples), partial(_taken, whole, samples), partial(_read_tars, tars, kind))
            for arm in arms:
                arm()
            for _ in range(rounds):
                for seconds, arm in zip(times, arms, strict=True):
                    seconds.append(_cpu_s(arm))
                copied_s.append(_copied_s(kind, samples))
    reading_s, whole_s, peer_s = times
    rows = [Row(size=samples, ours_s=ours_s, peer_s=peer_s) for ours_s in (reading_s, whole_s)]
    return rows[0], rows[1], copied_s


def _rates(kind: Kind, measured: tuple[Row, Row, list[float]]) -> str:
    reading, whole, copied_s = measured
    cells = [_rate(reading.size, each) for each in (reading.ours_s, whole.ours_s, reading.peer_s, copied_s)]
    ratios = [f"{median(row.peer_s) / median(row.ours_s):.1f}x" for row in (reading, whole)]
    return f"| {' | '.join([kind.name, *cells, *ratios])} | {kind.target:,} |"


def _rate(samples: int, seconds: Sequence[float]) -> str:
    slowest, middle, fastest = (samples / by for by in (max(seconds), median(seconds), min(seconds)))
    return f"{middle:,.0f} ({slowest:,.0f} to {fastest:,.0f})"


def _memory(num_shards: int) -> int:
    """Return the most memory of its own, in bytes, that a new process has which reads 40,960 samples of a release."""
    with tempfile.TemporaryDirectory() as folder:
        make_release(Path(folder), KINDS[0], num_shards=num_shards, per_shard=2048, tars=False)
        command = [sys.executable, "-m", "benchmarks.feed", "memory", folder]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def tell_memory(folder: str) -> None:
    """Read in this process, and print the most that it had."""
    release, most = Release(f"{folder}/releases/made/v1"), 0
    with closing(open_feed(release, KINDS[0], Path(folder) / "cache", max_bytes=2e8, window=1024)) as batches:
        for _ in islice(batches, 160):
            most = max(most, _anonymous_bytes())
    print(most)


def _anonymous_bytes() -> int:
    """Return what this process has in memory that is not mapped from files, which the system may take back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def _waits() -> tuple[list[float], list[float]]:
    """Return how long steps waited, in milliseconds: those at which windows begin, and the others."""
    window, at_change, others = 2048, list[float](), list[float]()
    with tempfile.TemporaryDirectory() as name:
        release = make_release(Path(name), KINDS[0], num_shards=24, per_shard=2048, tars=False)
        most = 0.9 * 24 * 2048 * KINDS[0].sample_bytes
        feed = open_feed(release, KINDS[0], Path(name) / "cache", max_bytes=most, window=window, ahead=2**26)
        with closing(feed) as batches:
            next(batches)
            for step, _ in enumerate(islice(batches, 640), start=1):
                (at_change if step * BATCH // STREAMS % window == 0 else others).append(batches.wait_s * 1e3)
                time.sleep(STEP_S)
    return at_change, others


def _histogram(name: str, waits_ms: Sequence[float]) -> str:
    borders = (*WAITS_MS, float("inf"))
    counts = Counter(next(border for border in borders if wait <= border) for wait in waits_ms)
    cells = " | ".join(f"{counts[border]:,}" for border in borders)
    return f"| {name} | {cells} | {median(waits_ms):.2f} | {max(waits_ms):.1f} |"


TEXT = """Samples per second of one core's time, medians of {rounds} rounds in turn (least to most), and how many times
as many as webdataset {webdataset} gives, which reads the same bytes from tars and decodes nothing. Ours are the
network's inputs in batches of {batch}, from {shards} mapped shards in {streams} streams: mixed, padded and
normalized; then with their Gaussian noise too, which torch draws. "Copied once" is numpy's copy of as many bytes into
memory that is there already, which no reader can do without. The load of the machine was {load:.0f}: other work
took caches and memory from both.

| sample | read | read, with noise | webdataset | copied once | ratio | with noise | wanted |
|---|---:|---:|---:|---:|---:|---:|---:|
{rates}

Memory of a process that reads 40,960 samples, without what is mapped: {small:,.0f} MB of a release of 16,384 samples,
{large:,.0f} MB of one of 163,840.

How long steps of {step_ms:.0f} ms waited for their batch, where the cache holds nine tenths of the release, so that
shards are made again all the time:

| steps | up to 1 ms | up to 10 | up to 100 | longer | median, ms | longest, ms |
|---|---:|---:|---:|---:|---:|---:|
{at_change}
{others}"""


def main(rounds: int) -> None:
    """Measure all, and keep it in RESULTS.md."""
    torch.set_num_threads(1)
    rates = [_rates(kind, _compare(kind, rounds)) for kind in KINDS]
    small, large = (_memory(num_shards) / 1e6 for num_shards in (8, 80))
    at_change, others = _waits()
    text = TEXT.format(
        rounds=rounds,
        webdataset=webdataset.__version__,
        batch=BATCH,
        shards=SHARDS,
        streams=STREAMS,
        load=os.getloadavg()[1],
        rates="\n".join(rates),
        small=small,
        large=large,
        step_ms=STEP_S * 1e3,
        at_change=_histogram("at which windows begin", at_change),
        others=_histogram("others", others),
    )
    write_section("The feed of training", f"python -m benchmarks.feed {rounds}", text)


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        tell_memory(sys.argv[2])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
