"""The recipes of the speedrun are configs that hold, and what has a row is not trained again."""

import pytest

from benchmarks import speedrun
from byline.training.config import DiffusionRun, load_train_config


@pytest.mark.parametrize("name", speedrun.recipes())
def test_every_recipe_is_a_config_that_is_read_back(tmp_path, name):
    config = speedrun.config_of(speedrun.recipes()[name], str(tmp_path / "r"), tmp_path / "run", seed=1, images=6400)
    speedrun.write_config(config, tmp_path / "run.toml")
    read = load_train_config(tmp_path / "run.toml")
    assert isinstance(read, DiffusionRun)
    assert read.identity() == config.identity()


def test_what_has_a_row_is_left_out():
    names = list(speedrun.recipes())
    found = [{"recipe": names[0], "seed": 0, "core_s": 600}]
    assert list(speedrun.to_do(1, 600, [], found)) == [(name, 0) for name in names[1:]]
    assert list(speedrun.to_do(1, 60, names[:1], found)) == [(names[0], 0)]
