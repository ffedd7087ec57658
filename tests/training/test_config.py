import pytest
from pydantic import ValidationError

from byline.catalog.errors import ConfigError
from byline.training.config import load_train_config
from harness.run_configs import write_toml
from tests.training.builders import a_diffusion_run, an_autoencoder_run


def written(tmp_path, **overrides):
    return write_toml(tmp_path / "run.toml", a_diffusion_run("c/releases/r", tmp_path, "vae", **overrides))


def test_a_config_comes_back_as_it_was(tmp_path):
    config = a_diffusion_run("/c/releases/r", tmp_path, "vae", noise={"snr_gamma": 5.0})
    assert load_train_config(write_toml(tmp_path / "run.toml", config)) == config


def test_an_unknown_key_is_named_beside_the_known_ones(tmp_path):
    path = written(tmp_path)
    path.write_text(path.read_text() + "learning_rate = 1\n")
    with pytest.raises(ConfigError, match=r"unknown key 'learning_rate'; known keys: .*optimizer"):
        load_train_config(path)


def test_a_kind_that_is_not_known_is_refused(tmp_path):
    (tmp_path / "run.toml").write_text('kind = "gan"')
    with pytest.raises(ConfigError, match="kind must be 'autoencoder', 'diffusion' or 'text_encoder', got 'gan'"):
        load_train_config(tmp_path / "run.toml")


def test_epsilon_at_zero_terminal_snr_is_refused(tmp_path):
    path = written(tmp_path, noise={"prediction_type": "v_prediction", "rescale_betas_zero_snr": True})
    path.write_text(path.read_text().replace("v_prediction", "epsilon"))
    with pytest.raises(ConfigError, match="noise: prediction_type 'epsilon' says nothing about the picture"):
        load_train_config(path)


def test_half_a_step_is_refused(tmp_path):
    path = written(tmp_path)
    path.write_text(path.read_text().replace("images = 24", "images = 25"))
    with pytest.raises(ConfigError, match="images = 25 must be a multiple of 4"):
        load_train_config(path)


def test_places_and_machine_are_not_part_of_what_a_run_is(tmp_path):
    here = a_diffusion_run("c/releases/r", tmp_path / "here", "vae")
    there = a_diffusion_run("d/releases/r", tmp_path / "there", "other/vae", machine={"num_ranks": 2})
    assert here.identity() == there.identity()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"resolution_px": 17},
            "resolution_px = 17 must be a multiple of 2, by which the autoencoder shrinks pictures",
        ),
        (
            {"autoencoder": {"block_out_channels": [8, 10], "norm_num_groups": 4}},
            "block_out_channels has 10, which norm_num_groups = 4 does not divide",
        ),
    ],
)
def test_sizes_of_an_autoencoder_that_do_not_divide_are_one_line(tmp_path, overrides, message):
    with pytest.raises(ValidationError, match=message):
        an_autoencoder_run("c/releases/r", tmp_path, **overrides)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"batch_size": 6, "images": 24}, "batch_size = 6 must be a multiple of streams = 4"),
        ({"machine": {"num_ranks": 3}}, "streams = 4 must be a multiple of num_ranks = 3"),
    ],
)
def test_streams_that_cannot_be_shared_evenly_are_refused(tmp_path, overrides, message):
    machine = {"log_every_images": 12, "save_every_images": 24, **overrides.get("machine", {})}
    with pytest.raises(ValueError, match=message):
        written(tmp_path, **{**overrides, "machine": machine})


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ([{"from_images": 6}], r"phases\[0\].from_images = 6 must be a multiple of 4"),
        ([{"from_images": 12}, {"from_images": 8}], r"phases begin at \[12, 8\] images; these must grow"),
        ([{"from_images": 24}], r"phases begin at \[24\] images; these must grow, and end below images = 24"),
        ([{"from_images": 8, "resolution_px": 17}], "resolution_px = 17 must be a multiple of 2"),
        ([{"from_images": 8, "learning_rat": 1.0}], "learning_rat"),
    ],
)
def test_phases_that_cannot_follow_each_other_are_refused(tmp_path, phases, message):
    with pytest.raises(ValidationError, match=message):
        an_autoencoder_run("c/releases/r", tmp_path, phases=phases)


def test_a_phase_changes_what_it_names_from_then_on(tmp_path):
    phases = [{"from_images": 8, "resolution_px": 32}, {"from_images": 16, "learning_rate": 1e-5}]
    config = an_autoencoder_run("c/releases/r", tmp_path, phases=phases)
    parts = [(config.at(seen).resolution_px, config.at(seen).optimizer.learning_rate) for seen in (0, 7, 8, 16, 24)]
    assert parts == [(16, 1e-3), (16, 1e-3), (32, 1e-3), (32, 1e-5), (32, 1e-5)]
    assert [config.end_of_phase(seen) for seen in (0, 8, 15, 16)] == [8, 16, 16, 24]
