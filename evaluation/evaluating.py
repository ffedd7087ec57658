"""Measure a checkpoint on a release: draw a picture for held-out captions, and look at what there is to see."""

# Shapes: N pictures, C colors, H and W height and width in pixels.

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import ConfigError
from byline.diffusion.checkpoint import CheckpointInfo, require_trained_on
from byline.diffusion.configs import SamplingConfig
from byline.diffusion.sampling import TextToImage, require_device
from byline.evaluation.agreed import AGREEMENT, Agreed, agree, scorer_for
from byline.evaluation.agreement import require_enough_prompts
from byline.evaluation.compared import Begin, Compared, Pixels, compare_all, require_enough
from byline.evaluation.features import DEFAULT, Features, load_features
from byline.evaluation.following import AllFollowing, follow_all
from byline.evaluation.held_out_loss import LEVELS, HeldOutLoss, held_out_loss
from byline.evaluation.made_prompts import KINDS
from byline.evaluation.measures import MEASURES, Refused
from byline.evaluation.pictures import Pictures, read_pictures
from byline.evaluation.scorers import MOST_TRAINING

LOSS = "loss"
NAMES = (*MEASURES, AGREEMENT, *KINDS, LOSS)
MOST = 1000
"""Pictures that are drawn unless it is said how many."""
MOST_HELD_OUT = 10_000
"""Held-out pictures that are references."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What is measured, and how."""

    measures: tuple[str, ...] = ()
    """All that say something here when left out; one that is named and says nothing is an error."""
    features: str = DEFAULT
    num_samples: int | None = None
    """One for each held-out caption when left out, but at most `MOST`."""
    controls: bool = True
    scorer: str | None = None
    """What judges agreement: a folder or a hub's CLIP. Left out, one is trained on the release."""
    sampling: SamplingConfig = field(default_factory=SamplingConfig)

    @property
    def distances(self) -> tuple[str, ...]:
        """Those of the measures that compare pictures with references."""
        return tuple(name for name in self.measures or NAMES if name in MEASURES)

    def has(self, name: str) -> bool:
        """Whether a measure is made."""
        return name in (self.measures or NAMES)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of simple prompts that are drawn."""
        return tuple(name for name in self.measures or NAMES if name in KINDS)

    @property
    def draws(self) -> bool:
        """Whether pictures of held-out captions are needed."""
        return bool(self.distances) or self.has(AGREEMENT)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All that was measured, and the pictures behind it."""

    checkpoint: CheckpointInfo
    release: Release
    choices: Choices
    loss: HeldOutLoss | None
    compared: Compared | None
    agreed: Agreed | Refused | None
    following: AllFollowing | None
    prompts: tuple[str, ...]
    drawn: Pixels
    """A picture of each prompt, in their order."""
    real: Pixels
    """Training pictures, as many, in no order."""
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
    side_px, seed = model.info.resolution_px, choices.sampling.seed
    held_out = read_pictures(release, "heldout", side_px=side_px, most=MOST_HELD_OUT)
    num_held_out = len(held_out.captions)

    @cache
    def training() -> Pictures:
        return read_pictures(release, "train", side_px=side_px, most=MOST_TRAINING)

    num = choices.num_samples or min(MOST, num_held_out)
    prompts = tuple(held_out.captions[number % num_held_out] for number in range(num)) if choices.draws else ()
    _require_enough(choices, features, prompts, num_held_out)
    loss = compared = agreed = following = None
    if choices.has(LOSS):
        loss = held_out_loss(
            model, release, most=MOST_HELD_OUT, seed=seed, count=begin("held-out loss", LEVELS * num_held_out)
        )
    drawn_NCHW = real_NCHW = np.empty((0, 3, side_px, side_px), np.uint8)
    if choices.draws:
        drawn_NCHW = model.sample(list(prompts), choices.sampling, begin("draw", num)).numpy()
    if features is not None:
        real_NCHW = _some(training().pixels_nchw, num, seed)
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
    if choices.has(AGREEMENT):
        agreed = _agreed(choices, release, drawn_NCHW, prompts, held_out, device=device, begin=begin)
    if choices.kinds:
        named = bool(choices.measures)
        following = follow_all(choices.kinds, model, training(), choices.sampling, named=named, begin=begin)
    return Evaluation(
        checkpoint=model.info,
        release=release,
        choices=choices,
        loss=loss,
        compared=compared,
        agreed=agreed,
        following=following,
        prompts=prompts,
        drawn=drawn_NCHW,
        real=real_NCHW,
        held_out=held_out,
    )


def _require_enough(choices: Choices, features: Features | None, prompts: Sequence[str], references: int) -> None:
    """Raise `ConfigError`, before anything is drawn, for a measure that was named and would say nothing."""
    named = tuple(name for name in choices.measures if name in MEASURES)
    if features is not None:
        require_enough(named, features, references=references, pictures=len(prompts))
    if AGREEMENT in choices.measures:
        require_enough_prompts(len(prompts), len(set(prompts)))


def _agreed(
    choices: Choices,
    release: Release,
    drawn_NCHW: Pixels,
    prompts: Sequence[str],
    held_out: Pictures,
    *,
    device: str,
    begin: Begin,
) -> Agreed | Refused:
    """Return what agreement says. What prevents it is an error only if it was asked for."""
    seed, side_px = choices.sampling.seed, drawn_NCHW.shape[-1]
    try:
        require_enough_prompts(len(prompts), len(set(prompts)))
        require_enough_prompts(len(held_out.captions), len(set(held_out.captions)))
        scorer = scorer_for(choices.scorer, release, side_px=side_px, seed=seed, device=device, begin=begin)
        agreed = agree(drawn_NCHW, prompts, held_out, scorer, seed=seed, begin=begin)
    except ConfigError as error:
        agreed = Refused(name=AGREEMENT, reason=str(error))
    if isinstance(agreed, Refused) and AGREEMENT in choices.measures:
        raise ConfigError(agreed.reason)
    return agreed


def check_names(measures: tuple[str, ...]) -> None:
    """Raise `ConfigError` for a measure that there is not."""
    for name in measures:
        if name not in NAMES:
            raise ConfigError(f"no measure is called {name!r}; they are {', '.join(NAMES)}")


def _some(pixels_NCHW: Pixels, num: int, seed: int) -> Pixels:
    """Return so many of the pictures, or all, by a seed."""
    rows = np.random.default_rng(seed).permutation(len(pixels_NCHW))[:num]
    return pixels_NCHW[rows]
