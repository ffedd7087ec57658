"""The captioner of this repository: what its folder holds, and that it looks at pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from byline.captioning import CaptionRequest
from byline.captioning.generating import Blip2Config, GeneratingCaptioner
from byline.catalog.configs.model_folders import safetensors_folder
from byline.evaluation.captions import grouped_interval, score
from samples.captioner.data import Row, sample_rows, squared
from samples.captioner.network import IMAGE_PX, PATCH_PX, WIDTH, new_network, seen_by
from samples.captioner.split import (
    HELD_OUT,
    HELD_OUT_SET,
    clusters,
    concept_of,
    is_held_out,
    is_learned,
    is_validation,
    pieces_of,
    shows_something,
    vocabulary,
)
from samples.captioner.train import Material, TrainingConfig, _drawn, _schedule, train

FOLDER = Path(__file__).parents[2] / "samples/models/tiny-blip2"
DRAWING = FOLDER.parents[1] / "drawings/openmoji-1f600.png"
MOST_WEIGHTS, MOST_BYTES = 6_000_000, 12_000_000


def a_row(title: str, of_set: str = "openmoji") -> Row:
    return Row(of_set=of_set, name=f"{of_set}-{title}", title=title, tags="")


def captions_of(paths: list[Path]) -> list[str]:
    captioner = GeneratingCaptioner(Blip2Config(captioner="blip2", model=str(FOLDER), max_new_tokens=12))
    return captioner.caption([CaptionRequest(sha256=path.stem, image=path.read_bytes()) for path in paths])


def test_it_is_a_blip2_of_the_size_that_its_card_says_in_half_precision():
    assert safetensors_folder(str(FOLDER), "", what="a captioner") == FOLDER
    assert json.loads((FOLDER / "config.json").read_text())["architectures"] == ["Blip2ForConditionalGeneration"]
    with safe_open(FOLDER / "model.safetensors", "np") as weights:
        tensors = [weights.get_slice(name) for name in weights.offset_keys()]
    assert {tensor.get_dtype() for tensor in tensors} == {"F16"}
    num_weights = sum(int(np.prod(tensor.get_shape())) for tensor in tensors)
    assert num_weights < MOST_WEIGHTS
    assert f"{num_weights / 1e6:.2f} million weights" in (FOLDER / "README.md").read_text().replace("\n", " ")
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MOST_BYTES


@pytest.mark.slow
def test_drawings_that_it_never_saw_are_captioned_better_than_by_other_titles():
    """Weaker than what the card says, of fewer pictures: that it looks at them."""
    held_out = set((FOLDER / HELD_OUT).read_text(encoding="utf-8").split())
    rows = [(row, path) for row, path in sample_rows() if row.name in held_out and row.of_set == "openmoji"][::2]
    titles = [row.title for row, _ in rows]
    captions = captions_of([path for _, path in rows])
    # Its own captions in another order: as many words, of the same kind, of other pictures.
    others = captions[len(captions) // 2 :] + captions[: len(captions) // 2]
    better = score(captions, titles).word_f1 - score(others, titles).word_f1
    low, _ = grouped_interval(better, [concept_of(row) for row, _ in rows], seed=0)
    assert len(rows) > 100
    assert low > 0


@pytest.mark.parametrize(
    ("title", "concept"),
    [
        ("waving hand: light skin tone", "wavinghand"),
        ("waving hand: medium-dark skin tone", "wavinghand"),
        ("waving hand", "wavinghand"),
        ("Van Gogh 12", "vangogh"),
    ],
)
def test_skin_tones_and_numbers_make_no_concept(title, concept):
    assert concept_of(a_row(title)) == concept


def test_copies_are_one_cluster_and_a_cluster_is_on_one_side():
    drawn = np.random.default_rng(0).integers(0, 255, (3, 4, 64, 64)).astype(np.uint8)
    drawn[:, 3], drawn[1] = 255, drawn[0]
    rows = [a_row("flag: Chad"), a_row("flag: Romania"), a_row("dog"), a_row("dog", "noto")]
    names = clusters(rows, np.concatenate([drawn, drawn[:1]]))
    assert names[0] == names[1] == names[2] == names[3]  # the last is a dog, and a copy of a flag
    assert clusters(rows[:3], drawn)[0] == clusters(rows[:3], drawn)[1] != clusters(rows[:3], drawn)[2]


def test_nothing_is_learned_of_a_set_that_is_held_out_nor_of_concepts_that_are():
    clusters = [str(i) for i in range(2000)]
    dog, other_dog = a_row("dog"), a_row("dog", HELD_OUT_SET)
    held_out = {cluster for cluster in clusters if is_held_out(cluster)}
    validation = {cluster for cluster in clusters if is_validation(dog, cluster)}
    learned = {cluster for cluster in clusters if is_learned(dog, cluster)}
    assert sorted([*held_out, *validation, *learned]) == sorted(clusters)
    assert not any(is_learned(other_dog, cluster) or is_validation(other_dog, cluster) for cluster in clusters)
    assert 0.12 < len(held_out) / len(clusters) < 0.18
    assert 0.05 < len(validation) / len(clusters) < 0.09


def test_hidden_places_decide_nothing():
    network = new_network(["dog"], seed=0).eval()
    pixels = torch.rand(2, 3, IMAGE_PX, IMAGE_PX)
    changed = pixels.clone()
    changed[:, :, :PATCH_PX, :PATCH_PX] += 1  # place 1: the first patch
    half, whole = torch.tensor([[0, 3, 5]]).expand(2, -1), torch.arange((IMAGE_PX // PATCH_PX) ** 2 + 1).expand(2, -1)
    with torch.no_grad():
        seen, seen_changed = (seen_by(network.vision_model, x, half) for x in (pixels, changed))
        all_seen, by_transformers = seen_by(network.vision_model, pixels, whole), network.vision_model(pixels)
    assert seen.shape == (2, 3, WIDTH)
    assert torch.equal(seen, seen_changed)
    assert torch.equal(all_seen, by_transformers.last_hidden_state)


@pytest.mark.parametrize(("step", "rate"), [(0, 0.1), (9, 1.0), (69, 1.0), (85, 0.5), (99, 1 / 30)])
def test_the_learning_rate_warms_up_stays_and_falls_at_the_end(step, rate):
    assert _schedule(step, 100, TrainingConfig(warm_steps=10, cooling=0.3)) == pytest.approx(rate)


def test_pictures_of_what_has_many_are_drawn_more_rarely():
    config = TrainingConfig(batch=40_000, balance=0.5)
    drawn = _drawn(np.array([1, 16, 16]), config, np.random.default_rng(0))
    shares = np.bincount(drawn) / config.batch
    assert shares == pytest.approx([4 / 6, 1 / 6, 1 / 6], abs=0.01)


def test_a_short_training_writes_a_captioner(tmp_path):
    random = np.random.default_rng(0)
    material = Material(
        pixels_n4hw=random.integers(0, 256, (4, 4, 64, 64)).astype(np.uint8),
        tokens=[[4], [5], [4, 5], [5, 4]],
        shared=frozenset({4}),
        named_nw=random.random((4, 7)) < 0.5,
        in_concept_n=np.array([1, 1, 2, 2]),
        may_mirror_n=np.array([True, False, True, False]),
        words=["dog", "cat"],
    )
    config = TrainingConfig(views=12, batch=4, whole=0.34)
    for out in ("first", "again"):
        train(config, material, tmp_path / out)
    first, again = ((tmp_path / out / "model.safetensors").read_bytes() for out in ("first", "again"))
    assert first == again
    captioner = GeneratingCaptioner(Blip2Config(captioner="blip2", model=str(tmp_path / "first"), max_new_tokens=3))
    (written,) = captioner.captions([CaptionRequest(sha256="a", image=DRAWING.read_bytes())])
    assert 1 <= written[0].num_tokens <= 3


def test_words_are_counted_by_concepts_and_keep_their_colon():
    assert pieces_of("Flag: St. Helena 2") == ["flag:", "st", "helena"]
    texts = [pieces_of(title) for title in ("red heart", "red heart", "red dog", "blue dog")]
    assert vocabulary(texts, ["heart", "heart", "a", "b"], least=2) == ["dog", "red"]


def test_pictures_of_nothing_are_told():
    blank = squared(Image.new("RGBA", (80, 80), (0, 0, 0, 0)))
    black = squared(Image.new("RGBA", (80, 80), (0, 0, 0, 255)))
    half = black.copy()
    half[3, :, :32] = 0
    assert shows_something(np.stack([blank, half])).tolist() == [False, True]
