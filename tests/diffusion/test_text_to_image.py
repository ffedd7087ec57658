import pytest

from byline.catalog.errors import CheckpointError
from byline.diffusion.grid import grid_png
from byline.diffusion.sampling import SamplingConfig, TextToImage
from byline.training.run import run
from tests.training.builders import (
    a_diffusion_run,
    a_release,
    an_autoencoder,
    an_autoencoder_run,
    write_toml,
)

QUICK = SamplingConfig(num_inference_steps=2, images_per_prompt=2)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sampled")
    autoencoder = an_autoencoder(folder / "vae")
    run(write_toml(folder / "run.toml", a_diffusion_run(a_release(folder / "c"), folder / "run", autoencoder)))
    return folder / "run"


def test_equal_seeds_give_equal_bytes(checkpoint):
    pictures = [TextToImage.load(checkpoint).sample(["a", "b"], QUICK).numpy() for _ in range(2)]
    first, second = (grid_png(each, ["a", "b"], notes={"seed": "0"}) for each in pictures)
    assert first == second


def test_seed_prompt_and_place_give_other_pictures(checkpoint):
    model = TextToImage.load(checkpoint)
    pictures = model.sample(["a", "a"], QUICK)
    other = model.sample(["a", "a"], QUICK.model_copy(update={"seed": 1}))
    assert pictures.shape == (4, 3, 16, 16)
    assert len({picture.numpy().tobytes() for picture in [*pictures, *other]}) == 8


def test_an_autoencoder_cannot_draw(tmp_path):
    run(write_toml(tmp_path / "run.toml", an_autoencoder_run(a_release(tmp_path / "c"), tmp_path / "run")))
    with pytest.raises(CheckpointError, match="holds an autoencoder; name a diffusion checkpoint"):
        TextToImage.load(tmp_path / "run")


def test_no_checkpoint_is_one_line(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint in .*; make one with: byline train"):
        TextToImage.load(tmp_path)
