import math

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from pydantic import ValidationError

from byline.catalog.errors import ConfigError
from byline.diffusion.configs import NoiseConfig, SamplingConfig
from byline.diffusion.noise import Noising
from byline.diffusion.samplers import OF_FLOW, SAMPLERS, UNGUIDED, Guidance, build_scheduler, set_timesteps
from byline.diffusion.sampling import require_device
from byline.diffusion.seeds import seed_from

MEAN, SPREAD = 1.5, 0.4


def best_prediction(noising: Noising, x, t):
    """Return what a perfect network predicts when the data are Gaussian with `MEAN` and `SPREAD`."""
    alpha, sigma = noising.alpha_T[t], noising.sigma_T[t]
    variance = (alpha * SPREAD) ** 2 + sigma**2
    noise = sigma * (x - alpha * MEAN) / variance
    x0 = MEAN + alpha * SPREAD**2 * (x - alpha * MEAN) / variance
    return {"epsilon": noise, "sample": x0, "v_prediction": alpha * noise - sigma * x0}[noising.config.prediction_type]


FORWARD = [("epsilon", False), ("v_prediction", False), ("v_prediction", True), ("sample", False), ("sample", True)]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("prediction_type", "zero_snr"), FORWARD)
def test_samplers_reach_a_gaussian_or_are_refused(sampler, prediction_type, zero_snr):
    config = NoiseConfig(prediction_type=prediction_type, rescale_betas_zero_snr=zero_snr)
    if sampler == "heun" and (zero_snr or prediction_type == "sample"):
        with pytest.raises(
            ConfigError, match=r"heun knows no .*, which the model was trained with; use dpm\+\+ or ddim"
        ):
            build_scheduler(sampler, config.scheduler_config())
        return
    noising = Noising(config)
    scheduler = build_scheduler(sampler, config.scheduler_config())
    scheduler.set_timesteps(100)
    x = torch.randn((20_000,), generator=torch.Generator().manual_seed(0)) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        seen = scheduler.scale_model_input(x, t)
        x = scheduler.step(best_prediction(noising, seen, t.long()), t, x).prev_sample
    assert x.mean().item() == pytest.approx(MEAN, abs=0.1)
    assert x.std().item() == pytest.approx(SPREAD, abs=0.05)


@pytest.mark.parametrize("sampler", OF_FLOW)
@pytest.mark.parametrize("prediction_type", ["flow_prediction", "sample"])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_samplers_follow_a_flow_to_a_gaussian(sampler, prediction_type, shift):
    config = NoiseConfig(prediction_type=prediction_type, use_flow_sigmas=True, flow_shift=shift)
    scheduler = build_scheduler(sampler, config.scheduler_config())
    scheduler.set_timesteps(100)
    x = torch.randn((20_000,), generator=torch.Generator().manual_seed(0)) * scheduler.init_noise_sigma
    for t, s in zip(scheduler.timesteps, scheduler.sigmas.clone(), strict=False):
        x0 = MEAN + (1 - s) * SPREAD**2 * (x - (1 - s) * MEAN) / (((1 - s) * SPREAD) ** 2 + s**2)
        predicted = x0 if prediction_type == "sample" else (x - x0) / s
        x = scheduler.step(predicted, t, x).prev_sample
    assert x.mean().item() == pytest.approx(MEAN, abs=0.1)
    assert x.std().item() == pytest.approx(SPREAD, abs=0.05)


def error_of(sampler, num_steps):
    """Return how far a flow of Gaussian data ends from where its equation, which can be solved, leads."""
    config = NoiseConfig(prediction_type="flow_prediction", use_flow_sigmas=True)
    scheduler = build_scheduler(sampler, config.scheduler_config())
    scheduler.set_timesteps(num_steps)
    x, first = torch.linspace(-2, 2, 41, dtype=torch.float64), float(scheduler.sigmas[0])
    exact = MEAN + SPREAD * (x - (1 - first) * MEAN) / math.hypot((1 - first) * SPREAD, first)
    for t, s in zip(scheduler.timesteps, scheduler.sigmas.tolist(), strict=False):
        x0 = MEAN + (1 - s) * SPREAD**2 * (x - (1 - s) * MEAN) / (((1 - s) * SPREAD) ** 2 + s**2)
        x = scheduler.step((x - x0) / s, t, x).prev_sample
    return (x - exact).abs().max().item()


def test_twice_the_steps_leave_as_much_error_as_the_order_of_a_sampler_says():
    euler, multistep = (math.log2(error_of(name, 80) / error_of(name, 160)) for name in ("euler", "dpm++"))
    assert euler == pytest.approx(1, abs=0.05)
    assert multistep > 1.6  # 2 in the end; its first and last steps are Euler's
    assert error_of("dpm++", 25) < error_of("euler", 100)


def test_euler_takes_the_steps_of_flow_matching_in_diffusers():
    config = NoiseConfig(prediction_type="flow_prediction", use_flow_sigmas=True).scheduler_config()
    ours, theirs = build_scheduler("euler", config), FlowMatchEulerDiscreteScheduler()
    ours.set_timesteps(7)
    theirs.set_timesteps(sigmas=ours.sigmas[:-1].tolist())
    x = one = other = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    for t, of_theirs in zip(ours.timesteps, theirs.timesteps, strict=True):
        one = ours.step((x - one).sin(), t, one).prev_sample
        other = theirs.step((x - other).sin(), of_theirs, other).prev_sample
    torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


@pytest.mark.parametrize("sampler", ["ddim", "heun"])
def test_samplers_that_know_no_flow_are_refused(sampler):
    config = NoiseConfig(prediction_type="flow_prediction", use_flow_sigmas=True)
    with pytest.raises(ConfigError, match=rf"{sampler} knows no flow, .*; use dpm\+\+ or euler"):
        build_scheduler(sampler, config.scheduler_config())


def test_guidance_counts_inside_of_its_interval_only():
    config = SamplingConfig(guidance_scale=5, guidance_interval=(0.25, 0.75))
    guidance = Guidance(config, torch.tensor([999, 750, 500, 250, 1]), 1000)
    assert [guidance.at(step) for step in range(6)] == [UNGUIDED, 5, 5, 5, UNGUIDED, UNGUIDED]
    unguided = SamplingConfig(guidance_scale=1, guidance_interval=(0.25, 0.75))
    assert Guidance(unguided, torch.tensor([999, 500]), 1000).at(0) == 1


def test_an_interval_that_does_not_grow_is_refused():
    with pytest.raises(ValidationError, match=r"guidance_interval = \[0.5, 0.5\] must grow"):
        SamplingConfig(guidance_interval=(0.5, 0.5))


@pytest.mark.slow
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("zero_snr", [False, True])
def test_every_number_of_steps_is_taken_or_refused(sampler, zero_snr):
    scheduler_config = NoiseConfig(rescale_betas_zero_snr=zero_snr and sampler != "heun").scheduler_config()
    refused = 0
    for num in (*range(1, 260), 999, 1000, 1001):
        scheduler = build_scheduler(sampler, scheduler_config)
        config = SamplingConfig(sampler=sampler, num_inference_steps=num)
        try:
            set_timesteps(scheduler, config, 1000)
        except ConfigError:
            refused += 1
        else:
            assert len({float(t) for t in scheduler.timesteps}) == num
            assert 0 <= scheduler.timesteps.min() <= scheduler.timesteps.max() < 1000
    assert refused < 20


def test_seeds_depend_on_every_part():
    seeds = {seed_from(0, 1, 2), seed_from(0, 2, 1), seed_from(1, 1, 2), seed_from(0, 12)}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert math.isfinite(seed_from("caption", 3))


def test_a_sampler_that_is_not_known_is_refused():
    with pytest.raises(ValidationError, match="ddim"):
        SamplingConfig(sampler="lms")


@pytest.mark.parametrize("device", ["cuda:99", "abacus"])
def test_a_device_that_is_not_there_is_one_line(device):
    with pytest.raises(ConfigError, match=f"no device '{device}' here .*; use cpu"):
        require_device(device)
