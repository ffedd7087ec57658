"""Captions beside transformers' own pipeline, and how long a device waits: python -m benchmarks.captions [ROUNDS]

The model has BLIP-2's architecture and input, and is so small that what is around it is what is measured.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image

from benchmarks.side_by_side import write_section
from byline.captioning.captioners import CaptionRequest, Written
from byline.captioning.generating import Blip2Config, CaptionMachineConfig, GeneratingCaptioner
from byline.captioning.hygiene import clean_caption
from byline.captioning.preparing import Preparer
from tests.captioning.models import save_tiny_blip2

PICTURES = 64
SIDE_PX = 512
MODEL_PX = 224
PROMPT = "a photo of"
TOKENS = 20
BATCH = 32
ROUNDS = 3
WAITED_ROUNDS = 6
"""Times that the pictures are fed to the device that sleeps: many more than are read ahead."""
SPEEDS = (40, 80, 160, 320, 640)
"""Of a device that only sleeps, in images a second."""


class SleepingCaptioner(GeneratingCaptioner):
    """Captions on a device that only sleeps, so that what it waits for is the feed."""

    def __init__(self, config: Blip2Config, speed: float) -> None:
        super().__init__(config)
        self.speed, self.slept_s, self.num = speed, 0.0, 0
        self.began = self.ended = 0.0

    def _network_on(self, device: str) -> Any:
        return None

    def _generate(self, network: Any, batch: Sequence[Any]) -> list[tuple[Written, ...]]:
        if not self.began:  # the processes have begun by now
            self.began = time.perf_counter()
        before = time.perf_counter()
        time.sleep(len(batch) / self.speed)
        self.ended = time.perf_counter()
        self.slept_s += self.ended - before
        return [(Written(text="asleep"),)] * len(batch)

    @property
    def waited(self) -> float:
        """The share of its time that the device waited, from the first batch to the last."""
        return 1 - self.slept_s / (self.ended - self.began)


def make_requests(num: int) -> list[CaptionRequest]:
    """Return so many JPEGs with detail at every scale, all different."""
    generator = np.random.default_rng(0)
    return [CaptionRequest(sha256=str(i), image=_jpeg(generator)) for i in range(num)]


def _jpeg(generator: np.random.Generator) -> bytes:
    layers = [
        np.asarray(
            Image.fromarray(generator.integers(0, 256, (side, side, 3), dtype=np.uint8)).resize((SIDE_PX, SIDE_PX)),
            dtype=np.float32,
        )
        for side in (3, 9, 40, 170)
    ]
    weights = np.array([0.5, 0.25, 0.15, 0.1], np.float32)
    mixed = np.tensordot(weights, np.stack(layers), axes=1).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(mixed).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _config(folder: Path, **machine: Any) -> Blip2Config:
    return Blip2Config(
        captioner="blip2",
        model=str(folder),
        prompt=PROMPT,
        num_beams=1,
        max_new_tokens=TOKENS,
        machine=CaptionMachineConfig(device="cpu", **machine),
    )


def _by_pipeline(folder: Path) -> Callable[[Sequence[CaptionRequest]], list[str]]:
    """Caption picture by picture, as transformers' documentation does it, by a processor that is told how many tokens
    a picture has: left alone it puts none into a prompt, and BLIP-2 captions without looking."""
    pipe: Any = transformers.pipeline("image-text-to-text", model=str(folder), device="cpu")
    pipe.processor.num_query_tokens = pipe.model.config.num_query_tokens
    greedy = {"max_new_tokens": TOKENS, "num_beams": 1, "do_sample": False}

    def caption(requests: Sequence[CaptionRequest]) -> list[str]:
        written = []
        for request in requests:
            assert request.image is not None
            image = Image.open(BytesIO(request.image)).convert("RGB")
            outputs = pipe(images=image, text=PROMPT, return_full_text=False, generate_kwargs=greedy)
            written.append(clean_caption(outputs[0]["generated_text"], 300))
        return written

    return caption


def _row(name: str, rates: Sequence[float], peer: Sequence[float]) -> str:
    ratio = median(rates) / median(peer)
    return f"| {name} | {median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f}) | {ratio:.2f}x |"


def _compare(folder: Path, requests: Sequence[CaptionRequest], rounds: int) -> tuple[str, int]:
    """Return the rows of the table, and how many captions are the same."""
    arms = {
        "transformers.pipeline, one by one": _by_pipeline(folder),
        "byline": GeneratingCaptioner(_config(folder, batch_size=BATCH)).caption,
    }
    captions = {name: arm(requests) for name, arm in arms.items()}
    rates: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        for name, arm in arms.items():
            began = time.perf_counter()
            arm(requests)
            rates[name].append(len(requests) / (time.perf_counter() - began))
    theirs, ours = captions.values()
    peer = next(iter(rates.values()))
    rows = "\n".join(_row(name, rate, peer) for name, rate in rates.items())
    return rows, sum(a == b for a, b in zip(theirs, ours, strict=True))


def _waits(folder: Path, requests: Sequence[CaptionRequest]) -> str:
    rows = []
    for speed in SPEEDS:
        sleeping = SleepingCaptioner(_config(folder, batch_size=16, decoders=os.cpu_count()), speed)
        sleeping.caption([*requests] * WAITED_ROUNDS)
        rows.append(f"| {speed} | {sleeping.waited:.1%} |")
    return "\n".join(rows)


def _prepared_ms(folder: Path, requests: Sequence[CaptionRequest]) -> float:
    """Return the milliseconds of a core that the inputs of a picture take."""
    preparer = Preparer(str(folder), "", "")
    preparer.prepare(requests[0])
    began_s = time.process_time()
    for request in requests:
        preparer.prepare(request)
    return (time.process_time() - began_s) / len(requests) * 1e3


def main(rounds: int) -> None:
    """Measure all, and keep it in RESULTS.md."""
    requests = make_requests(PICTURES)
    with tempfile.TemporaryDirectory() as name:
        folder = save_tiny_blip2(Path(name), side_px=MODEL_PX, patch_px=32)
        rows, same = _compare(folder, requests, rounds)
        waits, prepared_ms = _waits(folder, requests), _prepared_ms(folder, requests)
    write_section(
        "Captions",
        f"python -m benchmarks.captions {rounds}",
        f"Images per second from {PICTURES} JPEGs of {SIDE_PX} px to captions of {TOKENS} tokens at most, greedy, by a "
        f"small model of BLIP-2's classes with random weights that sees {MODEL_PX} px; transformers "
        f"{transformers.__version__}, {torch.get_num_threads()} threads of torch on {os.cpu_count()} cores; medians of "
        f"{rounds} rounds in turn (least to most). The load of the machine was {os.getloadavg()[1]:.0f}. {same} of "
        f"{PICTURES} captions are the same.\n\n"
        f"| | images/s | ratio |\n|---|---:|---:|\n{rows}\n\n"
        "The share of its time that a device which only sleeps waited for pictures, from its first batch of 16 to its "
        f"last, with {os.cpu_count()} processes that prepare them, for which a picture takes {prepared_ms:.1f} ms of a "
        "core, most of it in the model's own processor:\n\n"
        f"| images/s of the device | waited |\n|---:|---:|\n{waits}",
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
