"""One corpus in releases that differ in their captions alone; `benchmarks/telephoning.py` trains a model on each."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import tomli_w

from byline.catalog.corpora.manifest import SPLITS, Release
from byline.catalog.digests import sha256_of_file
from byline.catalog.errors import CorpusError
from byline.evaluation.captions import score
from byline.training.samples import read_names
from harness.planted import POLICY, pictures_of, write_corpus

ARMS = Path(__file__).with_suffix(".toml")
"""Arm -> what it is in words, and its captions."""
CORPUS = ARMS.parent.parent / "configs/corpora/demo.toml"
CAPTIONER = ARMS.parent.parent / "samples/models/tiny-blip2"
NOT_LEARNED = ("held-out.txt", "validation.txt")
"""Files of its folder: names of the pictures that it did not learn from."""
HELD_OUT_FRACTION = 0.4
"""So much is held out, because from most of it the scorer learns."""


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """A training picture with the captions of an arm."""

    file_name: str
    title: str
    weighted: Mapping[str, float]
    """Caption -> how often to draw it against the others."""


def arms() -> dict[str, dict[str, Any]]:
    """Return the tables of each arm, titles first."""
    return tomllib.loads(ARMS.read_text(encoding="utf-8"))


def write_corpora(folder: Path) -> dict[str, Path]:
    """Write a config for each arm, all of one corpus and one policy; return their paths.

    A title is required by the policy, a caption may be of one letter, and whether a picture is held out its pixels
    decide: so captions do not change which pictures are in.
    """
    folder.mkdir(parents=True, exist_ok=True)
    policy = tomllib.loads(POLICY.read_text(encoding="utf-8"))
    policy["split"] = {"heldout_fraction": HELD_OUT_FRACTION}
    policy["credit"]["required"] = [*policy["credit"]["required"], "title"]
    policy["caption"]["min_characters"] = 1
    (folder / "policy.toml").write_text(tomli_w.dumps(policy))
    paths = {}
    for name, arm in arms().items():
        captions = {key: table for key, table in arm.items() if key != "words"}
        for captioner in (captions["caption"], *(also["by"] for also in captions.get("captions", {}).values())):
            captioner |= _absolute(captioner, ARMS.parent, key="model")
        paths[name] = folder / f"{name}.toml"
        config = {**_demo(), "name": name, "root": "corpus", "policy": "policy.toml", **captions}
        paths[name].write_text(tomli_w.dumps(config))
    return paths


def _demo() -> dict[str, Any]:
    config = tomllib.loads(CORPUS.read_text(encoding="utf-8"))
    folder = CORPUS.parent
    config["sources"] = [_absolute(source, folder, key="path") for source in config["sources"]]
    config["serve"] = {url: str((folder / served).resolve()) for url, served in config["serve"].items()}
    config["weights"] = _absolute(config["weights"], folder, key="autoencoder")
    return config


def _absolute(table: dict[str, Any], folder: Path, *, key: str) -> dict[str, Any]:
    return {name: str((folder / value).resolve()) if name == key else value for name, value in table.items()}


def require_same_pictures(releases: Mapping[str, Release]) -> None:
    """Raise `CorpusError` unless all releases train on the same pictures, and hold out the same ones."""
    (first, release), *others = releases.items()
    for split in SPLITS:
        wanted = _digests(release, split)
        for name, other in others:
            if (have := _digests(other, split)) != wanted:
                raise CorpusError(
                    f"releases {first} and {name} differ in {len(wanted ^ have)} {split} pictures; captions may not "
                    "decide which pictures are in: name a policy that refuses none for its caption"
                )


def _digests(release: Release, split: Any) -> set[str]:
    return {sha256 for shard in release.shards(split) for sha256 in read_names(release, shard).sha256s}


def write_judges_corpus(folder: Path, release: Release, *, prompts: int) -> Path:
    """Write what a release holds out, but for the pictures of the prompts, as a folder to build; return its config.

    Those of the prompts are the first by digest. Raises `CorpusError` when nothing is left.
    """
    held_out = pictures_of(release, "heldout")
    if len(held_out) < 2 * prompts:
        raise CorpusError(
            f"{prompts} prompts leave {max(0, len(held_out) - prompts)} of {len(held_out)} held-out pictures to a "
            "scorer, and it needs as many as there are prompts; ask for fewer"
        )
    others = [(picture, 0) for picture in held_out[prompts:]]
    return write_corpus("judge", folder, others, resolved=False, captions_differ=False)


def captioned_in(release: Release) -> list[Captioned]:
    """Return the training pictures of a release by digest, with their captions."""
    captioned = {}
    for shard in release.shards("train"):
        names = read_names(release, shard)
        rows = release.rows(shard, ["sha256", "url", "title"])
        assert rows is not None, "byline build writes a table beside each shard"
        row_of = {row["sha256"]: row for row in rows.to_pylist()}
        for sha256, weighted in zip(names.sha256s, names.weighted, strict=True):
            row = row_of[sha256]
            captioned[sha256] = Captioned(
                file_name=PurePosixPath(row["url"]).stem, title=row["title"], weighted=dict(weighted)
            )
    return [captioned[sha256] for sha256 in sorted(captioned)]


def draw_captions(pictures: Iterable[Captioned], *, draws: int, seed: int) -> list[str]:
    """Return so many captions of each picture, one picture after the other, drawn as a trainer draws them."""
    drawn = []
    for number, picture in enumerate(pictures):
        texts, weights = zip(*picture.weighted.items(), strict=True)
        shares = np.array(weights) / sum(weights)
        picks = np.random.default_rng([seed, number]).choice(len(texts), draws, p=shares)
        drawn += [texts[pick] for pick in picks]
    return drawn


def captioner_digest() -> str:
    """Return the digest of the weights that caption."""
    with (CAPTIONER / "model.safetensors").open("rb") as weights:
        return sha256_of_file(weights)


def about_captions(pictures: list[Captioned]) -> dict[str, Any]:
    """Return who captioned, how many pictures, how many of them it has learned from, and how captions match titles.

    `different_captions` counts them whatever the case; `word_f1` is of a draw of each picture with its title.
    """
    unseen = {name for file in NOT_LEARNED for name in (CAPTIONER / file).read_text(encoding="utf-8").split()}
    drawn = draw_captions(pictures, draws=1, seed=0)
    return {
        "captioner": captioner_digest(),
        "trained_on": len(pictures),
        "captioner_learned": sum(picture.file_name not in unseen for picture in pictures),
        "word_f1": float(score(drawn, [picture.title for picture in pictures]).word_f1.mean()),
        "different_captions": len({caption.casefold() for picture in pictures for caption in picture.weighted}),
    }
