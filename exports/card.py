"""The card of an exported model: how to draw, what it is made of and asks for, what it cost, how good it is."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from byline.catalog.corpora.manifest import Release
from byline.catalog.licenses.reading import family
from byline.catalog.policies.policy import obligations_of
from byline.diffusion.checkpoint import FOLDER, CheckpointInfo
from byline.diffusion.configs import SamplingConfig
from byline.diffusion.parts import NOT_STATED, FrozenPart, read_parts
from byline.diffusion.sampling import dtype_of
from byline.evaluation.report import read_reports
from byline.exports.requirements import OF_THE_WEB, requirements_of
from byline.pipelines.releases.papers.escaping import markdown_templates, plain
from byline.pipelines.releases.papers.licenses import license_words
from byline.pipelines.releases.papers.wording import OBLIGATIONS
from byline.training.log import LOG, read_log
from byline.training.text_encoder_task import TOKENIZER

OF_THE_PICTURES = "per-part"
"""The license that a card of ours names in its head."""


def card(
    folder: Path,
    info: CheckpointInfo,
    release: Release | None,
    papers: Sequence[str],
    reports: Sequence[Path],
    precision: str,
) -> bytes:
    """Return README.md of what is exported of the checkpoint at `folder`. `papers` are those of the release."""
    parts = _parts(folder, info)
    text = markdown_templates("byline.exports").get_template("card.md.j2")
    return text.render(
        info=info,
        trained_on=[
            f"release {ancestor.release_digest[:16]} ({ancestor.images_seen:,} images)" for ancestor in info.lineage
        ],
        release=release,
        sampling=SamplingConfig(guidance_scale=4 if info.config.get("caption_drop_prob", 1) else 1),
        dtype=str(dtype_of(precision)),
        parts=[_row(role, part, info.provenance[role]) for role, part in parts],
        requirements=requirements_of(
            info, [role_and_part for role_and_part in parts if role_and_part[0] != TOKENIZER], release
        ),
        is_of_byline=bool(parts) and all(part.is_of_releases for _, part in parts),
        obligations=[] if release is None else _obligations(release),
        licenses=[] if release is None else _licenses(release),
        papers=papers,
        hours=_hours(folder, info),
        reports=[asdict(report) for path in reports for report in read_reports(path, info.digest)],
    ).encode()


def _parts(folder: Path, info: CheckpointInfo) -> list[tuple[str, FrozenPart]]:
    """Return each frozen part: all that provenance names but the checkpoint that the run started from."""
    known, started = read_parts(folder), {ancestor.digest for ancestor in info.ancestors}
    roles = [role for role, digest in sorted(info.provenance.items()) if digest not in started]
    return [(role, known.get(role, FrozenPart(name=NOT_STATED))) for role in roles]


def _row(role: str, part: FrozenPart, digest: str) -> dict[str, str]:
    """Return what the table of parts says of a part."""
    releases = ", then ".join(f"release {release[:16]}" for release in part.trained_on.split())
    alone = f"a perceptual model (weights {part.perceptual_model})" if part.perceptual_model else "nothing else"
    license = part.license if part.license == NOT_STATED else f"{part.license} (its card)"
    if part.trained_on and part.license in (NOT_STATED, OF_THE_PICTURES):
        license = "what its pictures ask for"
    return {
        "role": plain(role),
        "name": f"{part.name} at {part.revision}" if part.revision else part.name,
        "use": "made of the captions" if role == TOKENIZER else "used as it came",
        "trained_on": f"{releases}, and {alone}" if releases else OF_THE_WEB.get(part.name, NOT_STATED),
        "license": license,
        "digest": f"tokenizer {digest}" if role == TOKENIZER else f"weights {digest}",
    }


def _obligations(release: Release) -> list[str]:
    asked = {each for spdx in release.manifest.licenses for each in obligations_of(family(spdx))}
    return [OBLIGATIONS[name] for name in sorted(asked)]


def _licenses(release: Release) -> list[tuple[str, int]]:
    counted = sorted(release.manifest.licenses.items(), key=lambda item: (-item[1], item[0]))
    return [(license_words(spdx), count) for spdx, count in counted]


def _hours(folder: Path, info: CheckpointInfo) -> float | None:
    """Return how long the steps of the run took, by its log; None without one that reaches the checkpoint."""
    if folder.parent.name != FOLDER:
        return None
    log = [entry for entry in read_log(folder.parent.parent / LOG) if entry.images_seen <= info.images_seen]
    if not log or log[-1].images_seen < info.images_seen:
        return None
    before = [0, *(entry.images_seen for entry in log)]
    return sum((entry.images_seen - seen) / entry.images_per_s for entry, seen in zip(log, before, strict=False)) / 3600
