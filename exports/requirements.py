"""What holds of each requirement of Fairly Trained's certification, told from what a checkpoint and its release say.

The requirements are those of fairlytrained.org/certifications, in short. byline states facts, and judges none of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from byline.catalog.corpora.manifest import Release
from byline.diffusion.checkpoint import CheckpointInfo
from byline.diffusion.configs import OFFLINE
from byline.diffusion.parts import FrozenPart
from byline.pipelines.releases.papers.escaping import plain

OF_THE_WEB = {OFFLINE: "text of the web"}
"""Name of a model whose training data are known here, and are no release -> what they are."""
WORDS_OF_SOURCES = "source-text"
"""The captioner that takes what sources say; every other one is a model."""
CHOOSE = ("safety", "embedding")
"""Instruments that are models, and by which pictures may have been left out."""


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One requirement, and what holds of it."""

    asks: str
    holds: str


def requirements_of(
    info: CheckpointInfo, parts: Sequence[tuple[str, FrozenPart]], release: Release | None
) -> list[Requirement]:
    """Return all of them. `parts` are the roles of the frozen parts and what is known of each."""
    return [
        Requirement(asks="training data are licensed, in the public domain, or one's own", holds=_data(info, release)),
        Requirement(asks="so are those of every model that is a part of it", holds=_models(info, parts)),
        Requirement(asks="and of every model that made some of the training data", holds=_makers(release)),
        Requirement(asks="due diligence about who provides the data", holds=_diligence()),
        Requirement(asks="records of the data of each training", holds=_records(info)),
    ]


def _data(info: CheckpointInfo, release: Release | None) -> str:
    if release is None:
        return f"told by release {info.release_digest[:16]}, which was not at hand: export with --release"
    num = sum(release.manifest.licenses.values())
    return (
        f"each of the {num:,} pictures, with its caption, is under a license or a mark that its source states: see the "
        "table of licenses. byline reads what is stated, and cannot tell a statement that is wrong"
    )


def _models(info: CheckpointInfo, parts: Sequence[tuple[str, FrozenPart]]) -> str:
    if not parts:
        return "holds: no other model is a part of it"
    if all(part.is_of_releases for _, part in parts):
        releases = dict.fromkeys(digest for _, part in parts for digest in part.trained_on.split())
        releases |= dict.fromkeys(part.release_digest for part in info.lineage)
        names = ", ".join(digest[:16] for digest in releases)
        by = "every part was trained by byline, on the pictures and captions of releases and on nothing else"
        return f"holds: {by}: {names}"
    known = [
        f"{role} {plain(part.name)} was trained on {OF_THE_WEB[part.name]}"
        for role, part in parts
        if part.name in OF_THE_WEB and not part.trained_on
    ]
    unknown = [
        f"{role} {plain(part.name)}" for role, part in parts if not part.trained_on and part.name not in OF_THE_WEB
    ]
    unknown += [
        f"the perceptual model of {role} {plain(part.name)} (weights {part.perceptual_model[:16]})"
        for role, part in parts
        if part.perceptual_model
    ]
    answers = [f"does NOT hold: {'; '.join(known)}"] if known else []
    answers += [f"is not shown: nothing here says what {' and '.join(unknown)} was trained on"] if unknown else []
    return ". It ".join(answers)


def _makers(release: Release | None) -> str:
    if release is None:
        return "told by the release, which was not at hand: export with --release"
    instruments = release.manifest.instruments
    by = {name: used for name, used in instruments.items() if name.split(" ")[0] == "captions"}
    models = [plain(used) for used in by.values() if not used.startswith(WORDS_OF_SOURCES)]
    answer = "holds: captions are the sources' own words, and no model wrote any"
    if models:
        answer = f"is not shown: captions were written by {', '.join(models)}"
    chosen = [f"{name} ({plain(instruments[name])})" for name in CHOOSE if name in instruments]
    return f"{answer}. Models were asked which pictures to leave out: {', '.join(chosen)}" if chosen else answer


def _diligence() -> str:
    return (
        "for whoever publishes the model to show. byline keeps, for each picture, its source, page, creator and "
        "license as stated, opt-outs, and each reason for a refusal"
    )


def _records(info: CheckpointInfo) -> str:
    seen = ", then ".join(f"{part.images_seen:,} images of release {part.release_digest[:16]}" for part in info.lineage)
    return (
        f"holds: {seen}, in an order that seed and position decide; byline trace says how often it saw a picture, and "
        "whose that is"
    )
