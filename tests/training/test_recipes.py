"""The recipes of the speedrun are configs that hold, and what has a row is not trained again."""

import pytest

from byline.training.config import DiffusionRun, load_train_config
from harness import recipes
from harness.rows import to_do
from harness.run_configs import write_toml


@pytest.mark.parametrize("name", recipes.recipes())
def test_every_recipe_is_a_config_that_is_read_back(tmp_path, name):
    config = recipes.config_of(recipes.recipes()[name], str(tmp_path / "r"), tmp_path / "run", seed=1, images=6400)
    write_toml(tmp_path / "run.toml", config)
    read = load_train_config(tmp_path / "run.toml")
    assert isinstance(read, DiffusionRun)
    assert read.identity() == config.identity()


def test_what_has_a_row_is_left_out():
    names = list(recipes.recipes())
    found = [{"recipe": names[0], "seed": 0}]
    assert list(to_do(names, 1, found, key="recipe")) == [(name, 0) for name in names[1:]]
    assert list(to_do(names[:1], 1, [], key="recipe")) == [(names[0], 0)]
