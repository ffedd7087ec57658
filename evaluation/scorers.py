"""The scorers of agreement: towers trained on a release, and CLIP (`evaluation.clip_scorer`)."""

# Shapes: N pictures, T texts, L tokens, C colors, H and W height and width in pixels.

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import CheckpointError
from byline.catalog.json_text import parse_json
from byline.diffusion.configs import OFFLINE, TextEncoderConfig
from byline.diffusion.text import TextEncoder
from byline.diffusion.weights import load_tensors, save_tensors, weights_digest
from byline.evaluation.agreement import Count, Pixels, Scorer
from byline.evaluation.clip_scorer import ClipScorer
from byline.evaluation.efficientnet import NAME
from byline.evaluation.features import Features, load_features
from byline.evaluation.pictures import read_pictures
from byline.evaluation.report import Floats
from byline.evaluation.two_tower import Pairs, TwoTowers, train_towers

CARD, WEIGHTS = "scorer.json", "scorer.safetensors"
SIDE_PX = 128
"""Side at which the frozen network looks at pictures for the towers: a third of the work of its own 224."""
MAX_TOKENS = 32
MOST_TRAINING = 20_000
"""Training pictures that are read, and that a scorer learns from."""
Begin = Callable[[str, int], Count]


@dataclass(frozen=True, kw_only=True)
class TrainedScorer:
    """Towers over EfficientNet-Lite0 and all-MiniLM-L6-v2."""

    towers: TwoTowers
    features: Features
    text: TextEncoder
    trained_on: str
    """The digest of the release."""
    num_pairs: int

    @property
    def what(self) -> str:
        """Say what it is and what it learned from."""
        return (
            f"two towers over {NAME} at {SIDE_PX} px and {OFFLINE}, trained on the {self.num_pairs:,} pictures and "
            f"captions of the training split of release {self.trained_on[:16]}"
        )

    @property
    def digest(self) -> str:
        """Return a digest of the towers and of the networks below them."""
        parts = [weights_digest(self.towers), self.features.digest, self.text.digest]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def similarities(self, pixels_NCHW: Pixels, texts: Sequence[str], count: Count = lambda _: None) -> Floats:
        """Return cosines, `(N, T)`."""
        return self.towers.similarities(self.features.of(pixels_NCHW, count), vectors(self.text, texts))

    def save(self, folder: Path) -> None:
        """Write the towers, and a card that says what they learned from."""
        folder.mkdir(parents=True, exist_ok=True)
        save_tensors(folder / WEIGHTS, self.towers.state_dict())
        card = {
            "what": self.what,
            "digest": self.digest,
            "trained_on": self.trained_on,
            "num_pairs": self.num_pairs,
            "num_features": int(self.towers.pictures.mean.numel()),
            "text_width": int(self.towers.texts.mean.numel()),
        }
        (folder / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def vectors(encoder: TextEncoder, texts: Sequence[str], count: Count = lambda _: None) -> Floats:
    """Return the mean of each text's token vectors, padding left out, `(T, width)`."""
    tokens = encoder.tokenizer(
        list(texts), padding="max_length", truncation=True, max_length=encoder.config.max_tokens, return_tensors="np"
    )
    mask_TL1 = np.asarray(tokens["attention_mask"], float)[:, :, None]
    encoded = []
    for start in range(0, len(texts), 64):
        encoded += encoder.encode(list(texts[start : start + 64]))
        count(len(texts[start : start + 64]))
    text_TLD = torch.stack(encoded).double().numpy()
    means: Floats = (text_TLD * mask_TL1).sum(1) / mask_TL1.sum(1)
    return means


def _frozen(device: str) -> tuple[Features, TextEncoder]:
    features = load_features(NAME, device=device)
    at_side = replace(features, tower=replace(features.tower, side_px=SIDE_PX))
    return at_side, TextEncoder(TextEncoderConfig(max_tokens=MAX_TOKENS))


def train_scorer(release: Release, *, side_px: int, seed: int, device: str, begin: Begin) -> TrainedScorer:
    """Return a scorer that learned from the training pictures of a release alone, at the side that models draw."""
    features, text = _frozen(device)
    training = read_pictures(release, "train", side_px=side_px, most=MOST_TRAINING)
    num = len(training.captions)
    pairs = Pairs(
        features_ND=features.of(training.pixels_nchw, begin("scorer: look at training pictures", num)),
        texts_NW=vectors(text, training.captions, begin("scorer: read their captions", num)),
        captions=training.captions,
    )
    towers = train_towers(pairs, seed=seed)
    return TrainedScorer(towers=towers, features=features, text=text, trained_on=release.manifest.digest, num_pairs=num)


def load_scorer(name: str, *, device: str) -> Scorer:
    """Return the scorer of a folder that `TrainedScorer.save` wrote, or CLIP: a folder, or `OWNER/NAME@COMMIT`.

    Raises `CheckpointError` or `ConfigError`, one line, when it cannot be had.
    """
    if (Path(name) / CARD).is_file():
        return _load_trained(Path(name), device)
    return ClipScorer.load(name, device=device)


def _load_trained(folder: Path, device: str) -> TrainedScorer:
    features, text = _frozen(device)
    try:
        card = parse_json((folder / CARD).read_bytes())
        towers = TwoTowers(card["num_features"], card["text_width"])
        towers.load_state_dict(load_tensors(folder / WEIGHTS))
        scorer = TrainedScorer(
            towers=towers.eval().requires_grad_(False),
            features=features,
            text=text,
            trained_on=str(card["trained_on"]),
            num_pairs=int(card["num_pairs"]),
        )
        digest = str(card["digest"])
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{folder} holds no scorer: {' '.join(str(error).split())[:200]}") from error
    if scorer.digest != digest:
        raise CheckpointError(f"{folder} is a scorer of other weights than its {CARD} says; train it again")
    return scorer
