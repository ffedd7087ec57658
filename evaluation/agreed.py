"""What agreement says of drawn pictures, beside real ones and the same pictures with other prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from byline.catalog.corpora.manifest import Release
from byline.evaluation.agreement import NEAR, Agreement, Pixels, Scorer, measure_agreement, of_other_prompts
from byline.evaluation.compared import Begin
from byline.evaluation.measures import Refused
from byline.evaluation.pictures import Pictures
from byline.evaluation.scorers import load_scorer, train_scorer

AGREEMENT = "agreement"


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """How far pictures agree with prompts, by one scorer."""

    scorer: str
    digest: str
    drawn: Agreement
    real: Agreement
    """What the held-out pictures of these prompts give: as good as the scorer, which saw none of them, can tell."""
    wrong: Agreement
    """What the drawn pictures give, each with the prompt of another one."""


def scorer_for(name: str | None, release: Release, *, side_px: int, seed: int, device: str, begin: Begin) -> Scorer:
    """Return the scorer of a folder or a hub (`OWNER/NAME@COMMIT`), or train one on the release.

    The folder of a trained one is written where there is none yet.
    """
    if name is not None and ("@" in name or Path(name).exists()):
        return load_scorer(name, device=device)
    trained = train_scorer(release, side_px=side_px, seed=seed, device=device, begin=begin)
    if name is not None:
        trained.save(Path(name))
    return trained


def agree(
    drawn_NCHW: Pixels, prompts: Sequence[str], held_out: Pictures, scorer: Scorer, *, seed: int, begin: Begin
) -> Agreed | Refused:
    """Measure agreement, or refuse where the scorer does not know real pictures with their captions from wrong ones.

    `prompts` are the captions of what is held out, in their order and from the first again.
    """
    num = min(len(prompts), len(held_out.captions))
    count = begin("agreement", 2 * len(drawn_NCHW) + num)

    def of(pixels_NCHW: Pixels, texts: Sequence[str]) -> Agreement:
        return measure_agreement(pixels_NCHW, texts, scorer, seed=seed, count=count)

    real = of(held_out.pixels_nchw[:num], held_out.captions[:num])
    by_chance = NEAR / real.num_prompts
    if real.near_interval[0] <= by_chance:
        return Refused(
            name=AGREEMENT,
            reason=f"the scorer ({scorer.what}) finds the caption of a real picture no better than chance; "
            "name another one with --scorer",
        )
    return Agreed(
        scorer=scorer.what,
        digest=scorer.digest,
        drawn=of(drawn_NCHW, prompts),
        real=real,
        wrong=of(drawn_NCHW, of_other_prompts(prompts)),
    )
