import math

import pytest
import torch
from pydantic import ValidationError

from byline.catalog.errors import ConfigError
from byline.diffusion.configs import NoiseConfig
from byline.diffusion.noise import Noising
from byline.diffusion.sampling import SamplingConfig, build_scheduler, guide, seed_from, set_timesteps

MEAN, SPREAD = 1.5, 0.4


def best_prediction(noising: Noising, x, t):
    """Return what a perfect network predicts when the data are Gaussian with `MEAN` and `SPREAD`."""
    alpha, sigma = noising.alpha_T[t], noising.sigma_T[t]
    variance = (alpha * SPREAD) ** 2 + sigma**2
    noise = sigma * (x - alpha * MEAN) / variance
    x0 = MEAN + alpha * SPREAD**2 * (x - alpha * MEAN) / variance
    return {"epsilon": noise, "sample": x0, "v_prediction": alpha * noise - sigma * x0}[noising.config.prediction_type]


@pytest.mark.parametrize("sampler", ["ddim", "dpm++"])
@pytest.mark.parametrize(
    ("prediction_type", "zero_snr"),
    [("epsilon", False), ("v_prediction", False), ("v_prediction", True), ("sample", False), ("sample", True)],
)
def test_samplers_reach_a_gaussian(sampler, prediction_type, zero_snr):
    config = NoiseConfig(prediction_type=prediction_type, rescale_betas_zero_snr=zero_snr)
    noising = Noising(config)
    scheduler = build_scheduler(sampler, config.scheduler_config())
    scheduler.set_timesteps(100)
    x = torch.randn((20_000,), generator=torch.Generator().manual_seed(0)) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        x = scheduler.step(best_prediction(noising, x, t), t, x).prev_sample
    assert x.mean().item() == pytest.approx(MEAN, abs=0.1)
    assert x.std().item() == pytest.approx(SPREAD, abs=0.05)


@pytest.mark.parametrize("sampler", ["ddim", "dpm++"])
@pytest.mark.parametrize("zero_snr", [False, True])
def test_every_number_of_steps_is_taken_or_refused(sampler, zero_snr):
    scheduler_config = NoiseConfig(rescale_betas_zero_snr=zero_snr).scheduler_config()
    refused = 0
    for num in (*range(1, 260), 999, 1000, 1001):
        scheduler = build_scheduler(sampler, scheduler_config)
        config = SamplingConfig(sampler=sampler, num_inference_steps=num)
        try:
            set_timesteps(scheduler, config, 1000)
        except ConfigError:
            refused += 1
        else:
            assert len(scheduler.timesteps) == num
            assert 0 <= scheduler.timesteps.min() <= scheduler.timesteps.max() < 1000
    assert refused < 20


def test_scale_one_is_the_prediction_with_text():
    with_text, without = torch.randn(2, 3, 4, 8, 8).unbind()
    torch.testing.assert_close(guide(with_text, without, SamplingConfig(guidance_scale=1)), with_text)


def test_full_rescale_gives_the_spread_without_guidance():
    with_text, without = torch.randn(2, 3, 4, 8, 8).unbind()
    guided = guide(with_text, without, SamplingConfig(guidance_scale=9, guidance_rescale=1))
    torch.testing.assert_close(guided.std((1, 2, 3)), with_text.std((1, 2, 3)))


def test_seeds_depend_on_every_part():
    seeds = {seed_from(0, 1, 2), seed_from(0, 2, 1), seed_from(1, 1, 2), seed_from(0, 12)}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert math.isfinite(seed_from("caption", 3))


def test_a_sampler_that_is_not_known_is_refused():
    with pytest.raises(ValidationError, match="ddim"):
        SamplingConfig(sampler="euler")
