"""Draw for simple prompts that the release has, and count the pictures that show them, beside the release's own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from byline.catalog.errors import ConfigError
from byline.diffusion.configs import SamplingConfig
from byline.diffusion.sampling import TextToImage
from byline.evaluation.compared import Begin, Pixels
from byline.evaluation.made_prompts import KINDS, PER_PROMPT, Followed, followed, followed_by_real, prompts_of
from byline.evaluation.measures import Refused
from byline.evaluation.pictures import Pictures


@dataclass(frozen=True, kw_only=True)
class Following:
    """One kind of prompt: what was drawn for it, the release's own pictures, and what was drawn for other prompts."""

    kind: str
    words: str
    drawn: Followed
    real: Followed
    wrong: Followed


@dataclass(frozen=True, kw_only=True)
class AllFollowing:
    """Every kind that was asked for, and the pictures behind it."""

    kinds: tuple[Following, ...]
    refused: tuple[Refused, ...]
    prompts: tuple[str, ...]
    """Each as often as it was drawn."""
    pictures: Pixels
    shown: tuple[tuple[str, ...], ...]
    """Each picture's kinds by which it shows its prompt."""


def follow_all(
    kinds: Sequence[str], model: TextToImage, training: Pictures, sampling: SamplingConfig, *, named: bool, begin: Begin
) -> AllFollowing:
    """Draw for all kinds of prompts and judge them. Raises `ConfigError` for one that is `named` and has too few."""
    prompts_by_kind, refused = {}, []
    for kind in kinds:
        try:
            prompts_by_kind[kind] = prompts_of(kind, training.captions)
        except ConfigError as error:
            if named:
                raise
            refused.append(Refused(name=kind, reason=str(error)))
    prompts = sorted({prompt for of_kind in prompts_by_kind.values() for prompt in of_kind})
    each = sampling.model_copy(update={"images_per_prompt": PER_PROMPT})
    texts = [prompt for prompt in prompts for _ in range(PER_PROMPT)]
    pictures = np.empty((0, *training.pixels_nchw.shape[1:]), np.uint8)
    if prompts:
        pictures = model.sample(prompts, each, begin("draw simple prompts", len(texts))).numpy()
    return AllFollowing(
        kinds=tuple(_following(kind, texts, pictures, training) for kind in prompts_by_kind),
        refused=tuple(refused),
        prompts=tuple(texts),
        pictures=pictures,
        shown=tuple(_shown(prompts_by_kind, text, picture) for text, picture in zip(texts, pictures, strict=True)),
    )


def _following(kind: str, texts: Sequence[str], pictures: Pixels, training: Pictures) -> Following:
    rows = [row for row, text in enumerate(texts) if KINDS[kind].is_one(text)]
    prompts, own = [texts[row] for row in rows], [pictures[row] for row in rows]
    half = len(set(prompts)) // 2 * PER_PROMPT  # sorted neighbors are of one color
    others = [*prompts[half:], *prompts[:half]]
    return Following(
        kind=kind,
        words=KINDS[kind].words,
        drawn=followed(kind, prompts, own),
        real=followed_by_real(kind, training),
        wrong=followed(kind, others, own),
    )


def _shown(kinds: Iterable[str], text: str, picture: Pixels) -> tuple[str, ...]:
    return tuple(kind for kind in kinds if KINDS[kind].is_one(text) and KINDS[kind].judge(text, picture))
