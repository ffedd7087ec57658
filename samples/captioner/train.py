"""Train tiny-blip2 from nothing: `python -m samples.captioner.train WORK samples/models/tiny-blip2`.

WORK is what `python -m samples.captioner.data WORK` made. The same seed, threads and versions on the same processor
give the same weights: one that has bfloat16 computes in it, and gives others than one that has not.
"""

# Shapes: B pictures, T tokens, P places in a picture, W words of the vocabulary, D width.

import argparse
import copy
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, Field
from torch import Tensor, nn
from torch.nn import functional

from byline.catalog.caption_words import words_of
from samples.captioner.data import read, sample_rows
from samples.captioner.network import (
    END,
    IMAGE_PX,
    PAD,
    PATCH_PX,
    QUERIES,
    SPECIAL,
    new_network,
    new_processor,
    save,
    seen_by,
)
from samples.captioner.split import (
    HELD_OUT,
    SHARED,
    VALIDATION,
    clusters,
    is_held_out,
    is_learned,
    is_validation,
    pieces_of,
    shows_something,
    vocabulary,
)
from samples.captioner.views import augmented

_SIDES = frozenset("left right clockwise counterclockwise anticlockwise east west northeast northwest".split())
"""A mirrored picture would make these words wrong."""
_STEPS_A_LINE, _STEPS_A_COPY = 100, 2_000
_HAS_BFLOAT16 = torch.cpu._is_avx512_bf16_supported()
_LEAST_NAMED = 2
"""In how many concepts a word occurs, of titles and tags, that the vision tower names."""


class TrainingConfig(BaseModel, frozen=True, extra="forbid"):
    """What decides the weights, beside the pictures."""

    views: int = Field(default=1_500_000, gt=0)
    batch: int = Field(default=32, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    warm_steps: int = Field(default=300, ge=1)
    cooling: float = Field(default=0.3, gt=0, le=1)
    """Share of the views, the last, over which the learning rate falls to nothing. Until then it is the same, and so is
    the network, whatever `views` says."""
    weight_decay: float = Field(default=0.05, ge=0)
    smoothing: float = Field(default=0.05, ge=0, lt=1)
    balance: float = Field(default=0.5, ge=0, le=1)
    """Pictures of a concept that has n are drawn n to this power as rarely: some have fifty, by sets and skin tones."""
    nameless: float = Field(default=0.4, ge=0, le=1)
    """Share of captions that are shown without their names, where something remains."""
    shown: float = Field(default=0.5, gt=0, le=1)
    """Share of a picture's places that is shown."""
    whole: float = Field(default=0.1, ge=0, le=1)
    """Share of the views, the last, that show all places, as captioning does."""
    naming_weight: float = Field(default=100.0, ge=0)
    """Of the loss by which the vision tower alone names all words of the title and of the tags."""
    averaging: float = Field(default=0.998, ge=0, lt=1)
    """Decay of the averaged weights, which are the ones that are kept."""
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True, kw_only=True)
class Material:
    """What is learned from: pictures, their captions as tokens, and which words each goes with."""

    pixels_n4hw: npt.NDArray[np.uint8]
    tokens: list[list[int]]
    shared: frozenset[int]
    """Tokens that several concepts have; the others are names."""
    named_nw: npt.NDArray[np.bool_]
    in_concept_n: npt.NDArray[np.int64]
    """How many pictures there are of what each is of."""
    may_mirror_n: npt.NDArray[np.bool_]
    words: list[str]


def material_of(work: Path) -> Material:
    """Return the training side of the pictures in `work`."""
    rows, pixels_n4hw = read(work)
    cluster_of = clusters(rows, pixels_n4hw)
    shows = shows_something(pixels_n4hw)
    learned = [i for i, row in enumerate(rows) if shows[i] and is_learned(row, cluster_of[i]) and pieces_of(row.title)]
    rows, in_clusters = [rows[i] for i in learned], [cluster_of[i] for i in learned]
    pieces = [pieces_of(row.title) for row in rows]
    words = vocabulary(pieces, in_clusters, least=1)
    num_shared = len(vocabulary(pieces, in_clusters, least=SHARED))
    index = {word: len(SPECIAL) + i for i, word in enumerate(words)}
    of_pictures = [words_of(f"{row.title} {row.tags}") for row in rows]
    counts = Counter(in_clusters)
    named = vocabulary(of_pictures, in_clusters, least=_LEAST_NAMED)
    return Material(
        pixels_n4hw=pixels_n4hw[learned],
        tokens=[[index[piece] for piece in those] for those in pieces],
        shared=frozenset(range(len(SPECIAL), len(SPECIAL) + num_shared)),  # the most common come first
        named_nw=np.array([[word in those for word in named] for those in map(set, of_pictures)]),
        in_concept_n=np.array([counts[cluster] for cluster in in_clusters]),
        may_mirror_n=np.array([not _SIDES & set(words_of(row.title)) for row in rows]),
        words=words,
    )


def write_names(work: Path, out: Path) -> None:
    """Write the names of the pictures of samples/ that are not learned from, in order."""
    rows, pixels_n4hw = read(work)
    ours = {row.name for row, _ in sample_rows()}
    sides = [(row, of) for row, of in zip(rows, clusters(rows, pixels_n4hw), strict=True) if row.name in ours]
    for file, which in {HELD_OUT: lambda row, of: is_held_out(of), VALIDATION: is_validation}.items():
        names = sorted(row.name for row, of in sides if which(row, of))
        (out / file).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def train(config: TrainingConfig, material: Material, out: Path) -> None:
    """Write the averaged network to `out`, at the end and now and then before it."""
    network = new_network(material.words, seed=config.seed).train()
    network.set_attn_implementation("eager")  # the fused one takes twice as long backward, on a CPU in bfloat16
    naming = nn.Linear(network.config.vision_config.hidden_size, material.named_nw.shape[1])
    nn.init.constant_(naming.bias, -4.0)
    averaged = copy.deepcopy(network).eval()
    parameters = [*network.parameters(), *naming.parameters()]
    optimizer = _optimizer(parameters, config)
    steps = max(1, config.views // config.batch)
    start = time.process_time()
    for step in range(steps):
        if step % _STEPS_A_COPY == 0:  # and first of all: what cannot be written fails before it is trained
            save(averaged, new_processor(material.words), out)
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _schedule(step, steps, config)
        shown = 1.0 if step >= steps * (1 - config.whole) else config.shown
        caption, name = _losses(network, naming, material, config, step, shown)
        optimizer.zero_grad()
        (caption + config.naming_weight * name).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        _average(averaged, network, decay=min(config.averaging, (1 + step) / (10 + step)))
        if (step + 1) % _STEPS_A_LINE == 0 or step == steps - 1:
            seen, took = (step + 1) * config.batch, time.process_time() - start
            print(f"{seen} views, caption {caption.item():.6f}, names {name.item():.6f}, {took:.0f} s", flush=True)
    save(averaged, new_processor(material.words), out)


def _optimizer(parameters: Sequence[nn.Parameter], config: TrainingConfig) -> torch.optim.AdamW:
    groups = [
        {"params": [weights for weights in parameters if weights.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [weights for weights in parameters if weights.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)


def _losses(
    network: Any, naming: nn.Module, material: Material, config: TrainingConfig, step: int, shown: float
) -> tuple[Tensor, Tensor]:
    """Return the loss of captions, and that of words named by the vision tower alone."""
    random = np.random.default_rng([config.seed, step])
    chosen = _drawn(material.in_concept_n, config, random)
    pixels_B3HW = augmented(material.pixels_n4hw[chosen], material.may_mirror_n[chosen], random)
    captions = [_without_names(material.tokens[i], material.shared, random, config.nameless) for i in chosen]
    input_BT, target_BT = _batch(captions)
    shown_BP = _shown(len(chosen), shown, random)
    with torch.autocast("cpu", torch.bfloat16, enabled=_HAS_BFLOAT16):
        seen = seen_by(network.vision_model, pixels_B3HW, shown_BP)
        queries = network.query_tokens.expand(len(chosen), -1, -1)
        asked = network.qformer(query_embeds=queries, encoder_hidden_states=seen).last_hidden_state
        words_BTD = network.get_input_embeddings()(input_BT)
        embeds_BTD = torch.cat([network.language_projection(asked), words_BTD], 1)
        mask_BT = torch.cat([input_BT.new_ones(len(chosen), QUERIES), (input_BT != PAD).long()], 1)
        logits = network.language_model(inputs_embeds=embeds_BTD, attention_mask=mask_BT).logits[:, QUERIES:]
        named = naming(seen.mean(1))
    caption = functional.cross_entropy(
        logits.flatten(0, 1).float(), target_BT.flatten(), ignore_index=PAD, label_smoothing=config.smoothing
    )
    named_BW = torch.from_numpy(material.named_nw[chosen]).float()
    return caption, functional.binary_cross_entropy_with_logits(named.float(), named_BW)


def _drawn(
    in_concept_n: npt.NDArray[np.int64], config: TrainingConfig, random: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Return the pictures of a batch."""
    shares = in_concept_n**-config.balance
    drawn = np.searchsorted((shares / shares.sum()).cumsum(), random.random(config.batch))
    return np.minimum(drawn, len(shares) - 1)


def _shown(num: int, share: float, random: np.random.Generator) -> Tensor:
    """Return which places of each picture are shown: the first, which is no patch, and a share of the patches."""
    places = (IMAGE_PX // PATCH_PX) ** 2
    if (kept := max(1, round(places * share))) == places:
        return torch.arange(places + 1).expand(num, -1)
    patches = torch.from_numpy(random.random((num, places)).argsort(1)[:, :kept] + 1)
    return torch.cat([patches.new_zeros(num, 1), patches], 1)


def _batch(captions: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Return what the language model reads, and what it should write at each place."""
    longest = max(map(len, captions)) + 1
    input_BT = torch.full((len(captions), longest), PAD)
    target_BT = torch.full((len(captions), longest), PAD)
    for row, tokens in enumerate(captions):
        input_BT[row, : len(tokens) + 1] = torch.tensor([END, *tokens])
        target_BT[row, : len(tokens) + 1] = torch.tensor([*tokens, END])
    return input_BT, target_BT


def _without_names(tokens: list[int], shared: frozenset[int], random: np.random.Generator, share: float) -> list[int]:
    """Return a caption, in that share of cases without its names: "flag:" of "flag: Japan".

    So a name is likelier than none only where the network is sure of it. A caption of names alone stays.
    """
    kept = [token for token in tokens if token in shared]
    return kept if kept and random.random() < share else tokens


@torch.no_grad()
def _average(averaged: nn.Module, network: nn.Module, *, decay: float) -> None:
    for kept, new in zip(averaged.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


def _schedule(step: int, steps: int, config: TrainingConfig) -> float:
    """Warm up, stay, and at the end fall along a line."""
    return min(1.0, (step + 1) / config.warm_steps, (steps - step) / (config.cooling * steps))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--views", type=int, default=TrainingConfig().views)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    material = material_of(options.work)
    print(f"{len(material.tokens):,} pictures, {len(material.words)} words, {material.named_nw.shape[1]} names")
    train(TrainingConfig(views=options.views, seed=options.seed), material, options.out)
    write_names(options.work, options.out)


if __name__ == "__main__":
    main()
