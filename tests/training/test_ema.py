import pytest
import torch
from torch import nn

from byline.training.ema import RAMP, WeightAverage


def test_a_step_of_one_half_life_goes_half_the_way():
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = WeightAverage(network, half_life_images=8)
    nn.init.ones_(network.weight)
    average.update(images_seen=10_000, batch_size=8)
    assert average.tensors["weight"].item() == pytest.approx(0.5)


def test_the_average_forgets_faster_at_the_start():
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = WeightAverage(network, half_life_images=1_000_000)
    nn.init.ones_(network.weight)
    average.update(images_seen=100, batch_size=round(100 * RAMP))
    assert average.tensors["weight"].item() == pytest.approx(0.5)


def test_the_network_has_the_average_only_inside_the_block():
    network = nn.Linear(1, 1, bias=False)
    average = WeightAverage(network, half_life_images=8)
    before = network.weight.detach().clone()
    average.restore({"weight": before + 1})
    with average.in_place():
        assert torch.equal(network.weight, before + 1)
    assert torch.equal(network.weight, before)
