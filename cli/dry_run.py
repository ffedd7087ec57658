"""What `byline train --dry-run` shows: an estimate, at 80 columns or as JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console

from byline.catalog.configs.extras import needs
from byline.catalog.errors import BylineError, ConfigError
from byline.cli.verb import say, size_of

if TYPE_CHECKING:
    from byline.training.config import TrainConfig
    from byline.training.estimate import Estimate
    from byline.training.memory import Memory

PARTS = ("weights", "gradients", "optimizer", "average", "buckets", "activations", "step", "total")


def show_estimate(
    path: str, *, on: str, gpus: int | None, price: float | None, mfu: float | None, as_json: bool
) -> None:
    """Print what a run would need. Raises `ConfigError` for options that cannot be used."""
    with needs("train", "byline train"):
        from byline.training.config import load_train_config
        from byline.training.estimate import estimate, parts_of
        from byline.training.hardware import find_hardware

    config = load_train_config(path)
    number = config.machine.num_ranks if gpus is None else gpus
    if number < 1:
        raise ConfigError(f"--gpus is {number}; it must be at least 1")
    hardware = find_hardware(on, num_ranks=number, usd_per_hour=price, mfu=mfu)
    estimates = [estimate(part, hardware, gpus=number) for part in parts_of(config)]
    samples = _num_samples(config)
    if as_json:
        shown = [_as_json(part, samples) for part in estimates]
        print(json.dumps(shown if config.phases else shown[0], indent=1))
        return
    console = Console(highlight=False, emoji=False)
    for part in estimates:
        for line in (*_lines(path, part, samples), "", *_memory_lines(part)):
            say(console, line)
    if config.phases:
        hours, gpu_hours = (sum(getattr(part.cost, name) for part in estimates) for name in ("hours", "gpu_hours"))
        usd = f", ${sum(part.cost.usd for part in estimates):,.0f}" if hardware.usd_per_hour else ""
        say(console, f"\nall {len(estimates)} phases: {_hours(hours)}, {gpu_hours:,.1f} GPU-hours{usd}")


def _lines(path: str, estimate: "Estimate", num_samples: int | None) -> Iterable[str]:
    cost, hardware = estimate.cost, estimate.hardware
    peak = _rate(hardware.tflops(estimate.precision))
    yield f"{path} on {estimate.gpus} x {hardware.name}. Nothing was written."
    passes = f"{estimate.passes} pass{'es' if estimate.passes > 1 else ''} a step"
    yield f"network    {estimate.num_parameters:,} weights, products in {estimate.precision}"
    yield f"work       {cost.flops_per_image / 1e9:,.1f} GFLOP an image, forward and backward"
    yield f"step       {estimate.images_per_pass:,} images a pass on each, {passes}"
    yield f"speed      {cost.images_per_s:,.0f} images/s, ASSUMING {cost.mfu:.1%} of {peak} (MFU):"
    yield f"           {hardware.mfu_from}"
    yield f"time       {_hours(cost.hours)} for {cost.images:,} images, {cost.gpu_hours:,.1f} GPU-hours"
    if hardware.usd_per_hour:
        yield f"price      ${cost.usd:,.0f}, ASSUMING ${hardware.usd_per_hour:.2f} an hour of each:"
        yield f"           {hardware.price_from}"
    yield f"save       {size_of(estimate.save_bytes)} a checkpoint, frozen models not counted"
    per_s = estimate.feed_bytes_per_image * cost.images_per_s
    yield f"feed       at most {size_of(estimate.feed_bytes_per_image)} an image, {size_of(per_s)}/s at that speed"
    if num_samples is None:
        yield "release    not there yet; only how often a picture is seen depends on it"
    else:
        held, times = size_of(estimate.feed_bytes_per_image * num_samples), cost.images / num_samples
        yield f"release    {num_samples:,} training pictures, each seen {times:,.1f} times; {held} at most to feed"


def _memory_lines(estimate: "Estimate") -> Iterable[str]:
    yield _row("GB on each", [f"ZeRO {memory.stage}" for memory in estimate.memory])
    for part in PARTS:
        yield _row(part, [f"{getattr(memory, part) / 1e9:,.2f}" for memory in estimate.memory])
    if not estimate.checkpoints_activations:
        yield _row("with activation checkpointing", _totals(estimate.memory_checkpointed))
    yield _row(f"fits {estimate.hardware.memory_gb:,.0f} GB", [_fits(memory, estimate) for memory in estimate.memory])
    yield f"The config asks for ZeRO {estimate.stage}. Total: all, of activations and step the larger."


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{name:<32}" + "".join(f"{cell:>11}" for cell in cells)


def _totals(memory: Sequence["Memory"]) -> list[str]:
    return [f"{stage.total / 1e9:,.2f}" for stage in memory]


def _fits(memory: "Memory", estimate: "Estimate") -> str:
    return "yes" if memory.total <= estimate.hardware.memory_gb * 1e9 else "no"


def _num_samples(config: "TrainConfig") -> int | None:
    """Return the training pictures of the release, None where it is not there or cannot be read now."""
    from byline.catalog.corpora.manifest import Release

    try:
        shards = Release(config.release).shards("train")
    except BylineError:
        return None
    return sum(shard.num_samples for shard in shards) or None


def _as_json(estimate: "Estimate", num_samples: int | None) -> dict[str, object]:
    return {
        **asdict(estimate),
        "hardware": estimate.hardware.model_dump(),
        "memory": [{**asdict(memory), "total": memory.total} for memory in estimate.memory],
        "memory_checkpointed": [{**asdict(memory), "total": memory.total} for memory in estimate.memory_checkpointed],
        "fits": estimate.fits,
        "train_samples": num_samples,
    }


def _hours(hours: float) -> str:
    if hours < 1:
        return f"{hours * 60:,.1f} minutes"
    return f"{hours:,.1f} hours" if hours < 48 else f"{hours / 24:,.1f} days"


def _rate(tflops: float) -> str:
    return f"{tflops:,.1f} TFLOP/s" if tflops >= 1 else f"{tflops * 1000:,.1f} GFLOP/s"
