from dataclasses import replace

import pytest

from byline.catalog.errors import ConfigError
from byline.diffusion.configs import UNetConfig
from byline.training.config import load_train_config
from byline.training.estimate import cost_of, estimate, parts_of
from byline.training.hardware import CPU, find_hardware
from byline.training.memory import memory_of
from byline.training.tracing import Trace
from harness.training_cases import Case, estimated_and_measured
from tests.training.builders import a_diffusion_run, an_autoencoder, an_autoencoder_run

A100 = find_hardware("a100")
TRACE = Trace(
    num_images=4,
    num_parameters=1000,
    num_in_matrices=600,
    num_buffers=10,
    flops=4000,
    saved_bytes=50_000,
    peak_bytes=60_000,
    peak_with_gradients_bytes=61_000,
)


@pytest.mark.slow
def test_the_recipe_of_stable_diffusion_2_costs_what_mosaicml_published():
    found = {
        side: estimate(load_train_config(f"configs/training/sd2-base-{side}.toml"), A100, gpus=8) for side in (256, 512)
    }
    assert {one.num_parameters for one in found.values()} == {865_910_724}
    assert found[256].cost.images_per_s == pytest.approx(1100, rel=0.25)
    assert found[512].cost.images_per_s == pytest.approx(290, rel=0.25)
    assert sum(one.cost.gpu_hours for one in found.values()) == pytest.approx(15_600, rel=0.25)
    assert sum(one.cost.usd for one in found.values()) == pytest.approx(31_200, rel=0.25)
    assert found[512].fits
    assert found[512].memory_checkpointed[2].activations < 0.7 * found[512].memory[2].activations


@pytest.mark.slow
@pytest.mark.parametrize(("name", "gpus", "hours"), [("transformer-b-256", 1, 12), ("transformer-xl-512", 8, 24)])
def test_a_run_of_a_night_and_one_of_a_day_take_as_long_and_fit(name, gpus, hours):
    config, h100 = load_train_config(f"configs/training/{name}.toml"), find_hardware("h100")
    estimates = [estimate(part, h100, gpus=gpus) for part in parts_of(config)]
    assert sum(each.cost.hours for each in estimates) == pytest.approx(hours, rel=0.05)
    assert all(each.fits for each in estimates)


def test_microdit_costs_what_was_published_though_byline_has_no_such_network():
    h100, per_step = find_hardware("h100"), 2048
    work = {285.4e9: 250_000, 730.6e9: 30_000, 1121.8e9: 50_000, 3264.6e9: 5_000}  # docs/cost.md says where from
    hours = sum(
        cost_of(images=steps * per_step, flops_per_image=flops, hardware=h100, gpus=8, precision="bf16").gpu_hours
        for flops, steps in work.items()
    )
    assert hours == pytest.approx(2.6 * 24 * 8, rel=0.25)


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "num_ranks"), [(0, 1), (2, 2)])
def test_memory_is_what_real_ranks_take(tmp_path, stage, num_ranks):
    case = Case(
        name="", stage=stage, num_ranks=num_ranks, block_out_channels=(192, 384), side=8, batch_size=4 * num_ranks
    )
    memory, measured = estimated_and_measured(case, tmp_path)
    assert memory.total == pytest.approx(measured, rel=0.25)


def _memory(stage, **overrides):
    settings = {"num_ranks": 4, "num_passes": 1, "state_numbers": 2000, **overrides}
    return memory_of(TRACE, {"reduce_bucket_size": 100}, stage=stage, **settings)


@pytest.mark.parametrize(
    ("stage", "weights", "optimizer", "average", "gradients", "buckets"),
    [
        (0, 4040, 8000, 4000, 4000, 0),
        (1, 5040, 2000, 1000, 4000, 400),
        (2, 5040, 2000, 1000, 1000, 400),
        (3, 2040, 2000, 1000, 1000, 400 + 4000),
    ],
)
def test_each_stage_divides_what_it_divides(stage, weights, optimizer, average, gradients, buckets):
    memory = _memory(stage)
    assert (memory.weights, memory.optimizer, memory.average) == (weights, optimizer, average)
    assert (memory.gradients, memory.buckets) == (gradients, buckets)
    assert memory.total == weights + optimizer + average + gradients + buckets + memory.activations


def test_gradients_of_several_passes_are_there_beside_the_activations():
    assert _memory(0, num_passes=2).total == _memory(0).total + 60_000 - (61_000 - 4000)


def test_a_step_needs_more_than_a_pass_with_few_activations():
    few = replace(TRACE, peak_bytes=100, peak_with_gradients_bytes=4100)
    memory = memory_of(few, {}, stage=0, num_ranks=1, num_passes=1, state_numbers=2000)
    assert memory.total == 4040 + 8000 + 4000 + 4000 + 4000


def _tiny(tmp_path, **overrides):
    return a_diffusion_run(
        str(tmp_path / "no-release"), tmp_path / "run", an_autoencoder(tmp_path / "vae"), **overrides
    )


@pytest.mark.slow
def test_a_tiny_run_is_estimated_whole(tmp_path):
    found = estimate(_tiny(tmp_path), A100, gpus=1)
    assert found.save_bytes == 16 * found.num_parameters
    assert found.feed_bytes_per_image == 2 * (4 * 8 * 8 + 32 * 384)
    assert [memory.stage for memory in found.memory] == [0, 1, 2, 3]
    assert found.cost.hours == pytest.approx(24 * found.cost.flops_per_image / (0.26 * 19.5e12) / 3600)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_muon_keeps_less_and_only_without_zero(tmp_path):
    adamw = estimate(_tiny(tmp_path), A100, gpus=1)
    muon = estimate(_tiny(tmp_path, optimizer={"name": "muon", "learning_rate": 1e-3}), A100, gpus=1)
    assert [memory.stage for memory in muon.memory] == [0]
    assert muon.memory[0].optimizer < adamw.memory[0].optimizer


def test_an_autoencoder_is_estimated_too(tmp_path):
    found = estimate(an_autoencoder_run("none", tmp_path / "run"), A100, gpus=2)
    assert found.images_per_pass == 2
    assert found.feed_bytes_per_image == 3 * 16 * 16


@pytest.mark.parametrize(
    ("overrides", "gpus", "message"),
    [
        ({}, 3, "batch_size = 4 must be a multiple of the 3 ranks"),
        ({"resolution_px": 17}, 1, "resolution_px = 17 must be a multiple of 2, by which .* shrinks pictures"),
        ({"text_encoder": {"name": "nobody/nothing"}}, 1, "the sizes of nobody/nothing are not known: no config.json"),
        (
            {"optimizer": {"name": "muon", "learning_rate": 1e-3}, "machine": {"deepspeed": "zero2"}},
            1,
            "'muon' needs whole",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(tmp_path, overrides, gpus, message):
    with pytest.raises(ConfigError, match=message):
        estimate(_tiny(tmp_path, **overrides), A100, gpus=gpus)


def test_channels_that_groups_do_not_divide_are_one_line(tmp_path):
    config = {"block_out_channels": (12, 8), "norm_num_groups": 8, "attention_head_dim": 2}
    unet = UNetConfig.model_construct(**config)  # by whatever way it comes: the config may refuse it first
    run = _tiny(tmp_path).model_copy(update={"unet": unet})
    with pytest.raises(ConfigError, match=r"the network of this config cannot be built: [^\n]*12[^\n]*$"):
        estimate(run, A100, gpus=1)


def test_unknown_hardware_names_the_known():
    with pytest.raises(ConfigError, match=r"unknown hardware 'tpu'; known: a100, .*, mi300x, cpu$"):
        find_hardware("tpu")


def test_a_stated_price_and_mfu_take_the_place_of_the_assumed():
    found = find_hardware("h100", usd_per_hour=1.5, mfu=0.4)
    assert (found.usd_per_hour, found.price_from, found.mfu, found.mfu_from) == (1.5, "as given", 0.4, "as given")
    with pytest.raises(ConfigError, match="hardware h100: mfu: .* less than or equal to 1, got 2"):
        find_hardware("h100", mfu=2)


@pytest.mark.slow
def test_a_cpu_is_measured_and_shared_by_the_ranks():
    alone, shared = find_hardware(CPU), find_hardware(CPU, num_ranks=2)
    assert alone.fp32_tflops > 0
    assert shared.memory_gb == pytest.approx(alone.memory_gb / 2)
