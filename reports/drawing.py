"""Draw from a model for the report: samples, the training pictures nearest to them, the loss curve."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from byline.audits.memorization import nearest_training_pictures
from byline.catalog.corpora.manifest import Release
from byline.diffusion.checkpoint import open_checkpoint, require_trained_on
from byline.diffusion.configs import SamplingConfig
from byline.diffusion.sampling import TextToImage
from byline.evaluation.pictures import read_pictures
from byline.pages.chart import line_chart
from byline.pages.html import picture_url, safe_url
from byline.pipelines.releases.papers.escaping import plain
from byline.pipelines.releases.papers.licenses import license_words
from byline.training.log import LOG, LogEntry, read_log

PER_PROMPT = 4


def checkpoint_digest(run: str) -> str:
    """Return the digest of the newest checkpoint of a run."""
    return open_checkpoint(run)[1].digest


def draw(release: Release, run: str, prompts: list[str], *, seed: int, count: Callable[[int], None]) -> dict[str, Any]:
    """Return what the page shows of the newest checkpoint of `run`. `count` is told of prompts as they are drawn."""
    model = TextToImage.load(run)
    require_trained_on(model.info, release)
    config = SamplingConfig(images_per_prompt=PER_PROMPT, seed=seed)
    training = read_pictures(release, "train", side_px=model.info.resolution_px)
    rows, num_copies = [], 0
    samples = model.sample(prompts, config).numpy()
    nearest = nearest_training_pictures(samples, training.pixels_nchw)
    for index, prompt in enumerate(prompts):
        chosen = slice(index * PER_PROMPT, (index + 1) * PER_PROMPT)
        closest = min(nearest[chosen], key=lambda neighbor: neighbor.l2)
        num_copies += sum(neighbor.is_copy for neighbor in nearest[chosen])
        facts = training.facts[closest.index]
        rows.append(
            {
                "prompt": prompt,
                "pictures": [_png(picture) for picture in samples[chosen]],
                "nearest": _png(training.pixels_nchw[closest.index]),
                "mirrored": closest.mirrored,
                "score": closest.score,
                "credit": _credit(facts),
            }
        )
        count(1)
    log = [entry for entry in read_log(Path(run) / LOG) if entry.images_seen <= model.info.images_seen]
    seconds = sum(_seconds(log))
    return {
        "digest": model.info.digest,
        "images_seen": model.info.images_seen,
        "per_prompt": PER_PROMPT,
        "seed": seed,
        "sampler": config.sampler,
        "steps": config.num_inference_steps,
        "guidance": config.guidance_scale,
        "prompts": rows,
        "num_samples": len(samples),
        "num_copies": num_copies,
        "minutes": f"{seconds / 60:.1f}",
        "images_per_s": f"{model.info.images_seen / seconds:.0f}" if log else None,
        "curve": _curve(log) if len(log) > 1 else None,
    }


def _curve(log: list[LogEntry]) -> Markup:
    return line_chart([(entry.images_seen, entry.loss) for entry in log], title="loss", unit="images seen", log=True)


def _seconds(log: list[LogEntry]) -> list[float]:
    """Return the time between entries, from the rate that each one states."""
    seen = [0, *(entry.images_seen for entry in log)]
    return [(entry.images_seen - before) / entry.images_per_s for before, entry in zip(seen, log, strict=False)]


def _credit(facts: dict[str, Any]) -> dict[str, str | None]:
    """Return the credit of a sample, as pages show it."""
    page = facts["landing_url"] or facts["url"]
    return {
        **{name: plain(facts[name]) for name in ("title", "creator")},
        "license": license_words(facts["license"]),
        "page": safe_url(page),
        "creator_url": safe_url(facts["creator_url"]),
        "license_url": safe_url(facts["license_url"]),
    }


def _png(picture_chw: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    return picture_url(Image.fromarray(picture_chw.transpose(1, 2, 0)), "PNG")
