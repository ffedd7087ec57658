import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from byline.dedup.embedding.augment import edited
from byline.dedup.embedding.corpus import group_of, is_held_out, load_drawings, load_photographs, photographs
from byline.dedup.embedding.geometry import Boxes, paste, warp
from byline.dedup.embedding.loss import contrastive_loss
from byline.dedup.embedding.network import NetworkConfig, load_network
from byline.dedup.embedding.scenes import Material, scenes
from byline.dedup.embedding.stamps import word_stamps
from byline.dedup.embedding.train import TrainingConfig, train

SAMPLES = Path(__file__).parent.parent.parent / "samples"
TINY = TrainingConfig(network=NetworkConfig(side_px=32, widths=(8, 8), dim=16), scenes_seen=24, batch=8)


@pytest.fixture(scope="module")
def material():
    chosen = photographs(SAMPLES / "photographs", held_out=False)
    drawings = load_drawings(SAMPLES / "drawings")[:40]
    return Material(
        photos=load_photographs(chosen.paths[:20]),
        groups=chosen.groups[:20],
        drawings=drawings,
        stamps=np.concatenate([drawings, word_stamps(5, np.random.default_rng(0))]),
    )


def unit(count, *, seed, dim=8):
    vectors = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(vectors, dim=1)


def test_copies_and_details_of_a_picture_are_one_group():
    names = ("a-crab.jpg", "a-crab-again.jpg", "a-crab-smaller.jpg")
    assert {group_of(Path(name)) for name in names} == {"a-crab"}
    assert group_of(Path("gcompris-details-nagoya-3.jpg")) == group_of(Path("gcompris-details-nagoya-background.jpg"))


def test_no_group_is_on_both_sides():
    sides = [set(photographs(SAMPLES / "photographs", held_out=side).groups) for side in (False, True)]
    assert not sides[0] & sides[1]


def test_a_fifth_of_many_groups_is_held_out():
    assert 0.18 < np.mean([is_held_out(f"group {number}") for number in range(5000)]) < 0.22


def test_the_loss_is_that_of_the_equations():
    first, second = unit(5, seed=0), unit(5, seed=1)
    every = torch.cat([first, second]).double()
    terms, nearest = [], []
    for i in range(10):
        j = (i + 5) % 10
        others = torch.stack([(every[i] @ every[k] / 0.1).exp() for k in range(10) if k != i]).sum()
        terms.append(-((every[i] @ every[j] / 0.1).exp() / others).log())
        nearest.append(-min((every[i] - every[k]).norm() for k in range(10) if k not in (i, j)).log())
    expected = sum(terms) / 10 + 2.0 * sum(nearest) / 10
    loss = contrastive_loss(first, second, temperature=0.1, entropy_weight=2.0)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_no_two_scenes_show_one_group(material):
    one_group = Material(
        photos=material.photos, groups=("same",) * 20, drawings=material.drawings, stamps=material.stamps
    )
    assert len(scenes(one_group, 8, np.random.default_rng(0))) == 8


def test_scenes_and_their_edits_are_pictures(material):
    random = np.random.default_rng(0)
    shown = scenes(material, 12, random)
    views = edited(shown, material.stamps, random, side_px=32)
    assert shown.shape == (12, 3, 128, 128)
    assert views.shape == (12, 3, 32, 32)
    assert all(bool(((x >= -1e-3) & (x <= 1 + 1e-3)).all()) for x in (shown, views))


def test_edits_follow_the_seed(material):
    shown = scenes(material, 8, np.random.default_rng(0))
    views = [edited(shown, material.stamps, np.random.default_rng(seed), side_px=32) for seed in (1, 1, 2)]
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])


def test_the_whole_box_is_the_picture():
    picture = torch.rand(1, 3, 16, 16)
    whole = Boxes(center=np.zeros((1, 2)), scale=np.ones((1, 2)))
    assert torch.allclose(warp(picture, whole, side_px=16), picture, atol=1e-5)


def test_a_stamp_covers_its_box_and_no_more():
    box = Boxes(center=np.array([[-0.5, -0.5]]), scale=np.array([[0.5, 0.5]]))
    canvas = paste(torch.zeros(1, 3, 16, 16), torch.ones(1, 4, 8, 8), box)
    assert canvas[0, :, :8, :8].min() > 0.99
    assert canvas[0, :, 9:, :].max() == canvas[0, :, :, 9:].max() == 0


def test_training_again_gives_the_same_weights(material, tmp_path):
    for name in "ab":
        train(TINY, material, tmp_path / name)
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"]
    assert files[0] == files[1]


def test_another_seed_gives_other_weights(material, tmp_path):
    for seed in (0, 1):
        train(TINY.model_copy(update={"seed": seed}), material, tmp_path / str(seed))
    nets = [load_network(tmp_path / str(seed)).state_dict() for seed in (0, 1)]
    assert not torch.equal(nets[0]["head.weight"], nets[1]["head.weight"])


def test_what_training_writes_makes_unit_vectors(material, tmp_path):
    train(TINY, material, tmp_path)
    vectors = load_network(tmp_path)(torch.rand(3, 3, 32, 32))
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3), atol=1e-5)
    assert all(not torch.equal(a, b) for a, b in itertools.pairwise(vectors))
