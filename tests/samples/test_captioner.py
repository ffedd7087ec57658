"""The captioner of this repository: what its folder holds, and that it looks at pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open

from byline.captioning import CaptionRequest
from byline.captioning.generating import Blip2Config, GeneratingCaptioner
from byline.catalog.configs.model_folders import safetensors_folder
from byline.evaluation.captions import grouped_interval, score
from samples.captioner.data import Row, sample_rows, squared
from samples.captioner.split import (
    HELD_OUT,
    HELD_OUT_SET,
    clusters,
    concept_of,
    is_held_out,
    is_learned,
    pieces_of,
    shows_something,
    vocabulary,
)

FOLDER = Path(__file__).parents[2] / "samples/models/tiny-blip2"
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
    held_out, learned = (next(str(i) for i in range(99) if is_held_out(str(i)) is side) for side in (True, False))
    assert is_learned(a_row("dog"), learned)
    assert not is_learned(a_row("dog"), held_out)
    assert not is_learned(a_row("dog", HELD_OUT_SET), learned)
    share = np.mean([is_held_out(str(i)) for i in range(2000)])
    assert 0.12 < share < 0.18


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
