"""Measure a checkpoint on a release: draw a picture for held-out captions, and look at what there is to see."""

# Shapes: N pictures, C colors, H and W height and width in pixels.

from dataclasses import dataclass, field

import numpy as np

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import ConfigError
from byline.diffusion.checkpoint import CheckpointInfo, require_trained_on
from byline.diffusion.configs import SamplingConfig
from byline.diffusion.sampling import TextToImage, require_device
from byline.evaluation.compared import Begin, Compared, Pixels, compare_all, require_enough
from byline.evaluation.features import DEFAULT, load_features
from byline.evaluation.held_out_loss import LEVELS, HeldOutLoss, held_out_loss
from byline.evaluation.measures import MEASURES
from byline.evaluation.pictures import Pictures, read_pictures

LOSS = "loss"
NAMES = (*MEASURES, LOSS)
MOST = 1000
"""Pictures that are drawn unless it is said how many."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What is measured, and how."""

    measures: tuple[str, ...] = ()
    """All that say something here when left out; one that is named and says nothing is an error."""
    features: str = DEFAULT
    num_samples: int | None = None
    """One for each held-out caption when left out, but at most `MOST`."""
    controls: bool = True
    sampling: SamplingConfig = field(default_factory=SamplingConfig)

    @property
    def distances(self) -> tuple[str, ...]:
        """Those of the measures that compare pictures with references."""
        return tuple(name for name in self.measures or NAMES if name in MEASURES)

    @property
    def has_loss(self) -> bool:
        """Whether the held-out loss is measured."""
        return LOSS in (self.measures or NAMES)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All that was measured, and the pictures behind it."""

    checkpoint: CheckpointInfo
    release: Release
    choices: Choices
    loss: HeldOutLoss | None
    compared: Compared | None
    prompts: tuple[str, ...]
    drawn: Pixels
    """A picture of each prompt, in their order."""
    real: Pixels
    """As many training pictures, in no order."""
    held_out: Pictures


def evaluate_checkpoint(
    checkpoint: str, release: Release, choices: Choices, *, device: str, begin: Begin
) -> Evaluation:
    """Measure the averaged weights of a checkpoint, or of the newest of a run. Equal arguments give equal numbers.

    Raises `ConfigError` for a measure that is unknown, or that was named and says nothing here, and `CorpusError` for
    another release than the one that it was trained on and for one that holds nothing out.
    """
    check_names(choices.measures)
    require_device(device)
    features = load_features(choices.features, device=device) if choices.distances else None
    model = TextToImage.load(checkpoint, device=device)
    require_trained_on(model.info, release)
    held_out = read_pictures(release, "heldout", side_px=model.info.resolution_px)
    num_held_out, seed = len(held_out.captions), choices.sampling.seed
    num = choices.num_samples or min(MOST, num_held_out)
    real_NCHW = drawn_NCHW = np.empty((0, *held_out.pixels_nchw.shape[1:]), np.uint8)
    prompts: tuple[str, ...] = ()
    compared = loss = None
    if features is not None:
        named = tuple(name for name in choices.measures if name in MEASURES)
        require_enough(named, features, references=num_held_out, pictures=num)
    if choices.has_loss:
        loss = held_out_loss(model, release, seed=seed, count=begin("held-out loss", LEVELS * num_held_out))
    if features is not None:
        prompts = tuple(held_out.captions[number % num_held_out] for number in range(num))
        drawn_NCHW = model.sample(list(prompts), choices.sampling, begin("draw", num)).numpy()
        real_NCHW = _some(read_pictures(release, "train", side_px=model.info.resolution_px).pixels_nchw, num, seed)
        compared = compare_all(
            drawn_NCHW,
            real_NCHW,
            held_out.pixels_nchw,
            features,
            measures=choices.distances,
            seed=seed,
            controls=choices.controls,
            begin=begin,
        )
    return Evaluation(
        checkpoint=model.info,
        release=release,
        choices=choices,
        loss=loss,
        compared=compared,
        prompts=prompts,
        drawn=drawn_NCHW,
        real=real_NCHW,
        held_out=held_out,
    )


def check_names(measures: tuple[str, ...]) -> None:
    """Raise `ConfigError` for a measure that there is not."""
    for name in measures:
        if name not in NAMES:
            raise ConfigError(f"no measure is called {name!r}; they are {', '.join(NAMES)}")


def _some(pixels_NCHW: Pixels, num: int, seed: int) -> Pixels:
    """Return so many of the pictures, or all, by a seed."""
    rows = np.random.default_rng(seed).permutation(len(pixels_NCHW))[:num]
    return pixels_NCHW[rows]
