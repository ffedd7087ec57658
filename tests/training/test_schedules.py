import pytest
import torch
from diffusers.optimization import get_constant_schedule_with_warmup
from transformers import get_wsd_schedule

from byline.catalog.errors import ConfigError
from byline.training.config import load_train_config
from byline.training.run_tables import OptimizerConfig
from byline.training.schedules import learning_rate
from harness.run_configs import write_toml
from tests.training.builders import a_diffusion_run

IMAGES = 1000


def rates(**settings):
    config = OptimizerConfig(learning_rate=2.0, **settings)
    return [learning_rate(config, seen, IMAGES) for seen in (0, 49, 250, 500, 900, 999)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [2.0, 1.988175, 1.707107, 1.0, 0.048943, 0.000005]),
        ({"warmup_images": 100}, [0.02, 0.994087, 1.707107, 1.0, 0.048943, 0.000005]),
        ({"min_lr_ratio": 0.5}, [2.0, 1.994087, 1.853553, 1.5, 1.024472, 1.000002]),
        ({"schedule": "constant", "warmup_images": 100}, [0.02, 1.0, 2.0, 2.0, 2.0, 2.0]),
        ({"schedule": "wsd", "decay_images": 200}, [2.0, 2.0, 2.0, 2.0, 1.0, 0.01]),
        ({"schedule": "wsd", "decay_images": 200, "min_lr_ratio": 0.1}, [2.0, 2.0, 2.0, 2.0, 1.1, 0.209]),
    ],
)
def test_a_schedule_is_a_function_of_the_images_seen(settings, expected):
    assert rates(**settings) == pytest.approx(expected, abs=1e-6)


def test_constant_is_diffusers():
    theirs = get_constant_schedule_with_warmup(an_optimizer(), num_warmup_steps=100).lr_lambdas[0]
    config = OptimizerConfig(learning_rate=1.0, schedule="constant", warmup_images=100)
    assert [learning_rate(config, seen - 1, IMAGES) for seen in range(1, IMAGES)] == [
        theirs(seen) for seen in range(1, IMAGES)
    ]


def test_the_decay_of_wsd_is_that_of_transformers():
    theirs = get_wsd_schedule(
        an_optimizer(),
        num_warmup_steps=0,
        num_decay_steps=300,
        num_stable_steps=700,
        decay_type="linear",
        min_lr_ratio=0.2,
    ).lr_lambdas[0]
    config = OptimizerConfig(learning_rate=1.0, schedule="wsd", decay_images=300, min_lr_ratio=0.2)
    assert [learning_rate(config, seen, IMAGES) for seen in range(IMAGES)] == pytest.approx(
        [theirs(seen) for seen in range(IMAGES)]
    )


def test_decay_without_the_schedule_that_decays_is_refused(tmp_path):
    path = write_toml(tmp_path / "run.toml", a_diffusion_run("c/releases/r", tmp_path, "vae"))
    path.write_text(path.read_text().replace("decay_images = 0", "decay_images = 5"))
    with pytest.raises(ConfigError, match="optimizer: schedule = 'cosine' with decay_images = 5; 'wsd' needs"):
        load_train_config(path)


def an_optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1)], lr=1.0)
