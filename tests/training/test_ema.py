import pytest
import torch
from torch import nn

from byline.training.ema import RAMP, WeightAverage
from byline.training.engine import Engine
from byline.training.state import weights_of
from tests.training.alone import an_engine


def an_average(weight: float, **settings: int) -> tuple[Engine, WeightAverage]:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, weight)
    engine = an_engine(network)
    return engine, WeightAverage(engine, **settings)


def move_to(engine: Engine, weight: float) -> None:
    nn.init.constant_(engine.network.get_parameter("weight"), weight)


def test_a_step_of_one_half_life_goes_half_the_way():
    engine, average = an_average(0.0, half_life_images=8)
    move_to(engine, 1.0)
    average.update(images_seen=10_000, batch_size=8)
    assert average.full()["weight"].item() == pytest.approx(0.5)


def test_the_average_forgets_faster_at_its_start():
    engine, average = an_average(0.0, half_life_images=1_000_000, start_images=1000)
    move_to(engine, 1.0)
    average.update(images_seen=1100, batch_size=round(100 * RAMP))
    assert average.full()["weight"].item() == pytest.approx(0.5)


def test_before_its_start_the_average_is_the_weights():
    engine, average = an_average(0.0, half_life_images=8, start_images=100)
    move_to(engine, 0.3)
    average.update(images_seen=100, batch_size=8)
    assert torch.equal(average.full()["weight"], weights_of(engine)["weight"])


def test_to_read_and_to_restore_an_average_leaves_the_weights():
    engine, average = an_average(0.25, half_life_images=8)
    average.restore({"weight": torch.full((1, 1), 1.5)})
    assert average.full()["weight"].item() == 1.5
    assert weights_of(engine)["weight"].item() == 0.25
