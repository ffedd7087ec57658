"""The learning rate, as a pure function of the images seen: a run that goes on needs no state of a scheduler."""

import math

from byline.training.run_tables import OptimizerConfig


def learning_rate(config: OptimizerConfig, images_seen: int, images: int) -> float:
    """Return the rate of the step that starts at `images_seen`, of a run over `images`."""
    warmup = min(1.0, (images_seen + 1) / max(1, config.warmup_images))
    left = config.min_lr_ratio + (1 - config.min_lr_ratio) * _shape(config, images_seen, images)
    return config.learning_rate * warmup * left


def _shape(config: OptimizerConfig, images_seen: int, images: int) -> float:
    """Return what is left of the rate, in [0, 1]."""
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * images_seen / images))
    if config.schedule == "wsd":
        return min(1.0, (images - images_seen) / config.decay_images)
    return 1.0
