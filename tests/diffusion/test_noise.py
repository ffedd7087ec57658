import pytest
import torch
from diffusers import DDPMScheduler

from byline.catalog.configs.loading import parse_config
from byline.catalog.errors import ConfigError
from byline.diffusion.configs import NoiseConfig
from byline.diffusion.noise import Noising

T = torch.tensor([0, 1, 250, 998, 999])


def a_pair():
    generator = torch.Generator().manual_seed(0)
    return torch.randn((5, 4, 8, 8), generator=generator), torch.randn((5, 4, 8, 8), generator=generator)


@pytest.mark.parametrize("schedule", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_noise_and_velocity_are_those_of_diffusers(schedule):
    config = NoiseConfig(beta_schedule=schedule)
    x0, noise = a_pair()
    reference = DDPMScheduler(beta_schedule=schedule, beta_start=config.beta_start, beta_end=config.beta_end)
    torch.testing.assert_close(Noising(config).add(x0, noise, T), reference.add_noise(x0, noise, T))
    torch.testing.assert_close(Noising(config).target(x0, noise, T), reference.get_velocity(x0, noise, T))


def test_picture_and_noise_come_back_from_the_velocity():
    noising = Noising(NoiseConfig())
    x0, noise = a_pair()
    x, v = noising.add(x0, noise, T), noising.target(x0, noise, T)
    alpha, sigma = (a[T].view(-1, 1, 1, 1) for a in (noising.alpha_T, noising.sigma_T))
    torch.testing.assert_close(alpha * x - sigma * v, x0, atol=1e-5, rtol=0)
    torch.testing.assert_close(sigma * x + alpha * v, noise, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("prediction_type", "expected"),
    [
        ("epsilon", lambda snr: min(snr, 5) / snr),
        ("sample", lambda snr: min(snr, 5)),
        ("v_prediction", lambda snr: min(snr, 5) / (snr + 1)),
    ],
)
def test_min_snr_weights_are_the_closed_form(prediction_type, expected):
    noising = Noising(NoiseConfig(prediction_type=prediction_type, snr_gamma=5))
    snr = noising.alpha_T[T] ** 2 / noising.sigma_T[T] ** 2
    torch.testing.assert_close(
        noising.weight(T), torch.tensor([expected(s) for s in snr.tolist()]), rtol=1e-3, atol=1e-6
    )


def test_without_gamma_all_timesteps_count_the_same():
    assert Noising(NoiseConfig()).weight(T).tolist() == [1.0] * 5


def test_the_last_timestep_is_pure_noise_at_zero_terminal_snr():
    zero, plain = (Noising(NoiseConfig(rescale_betas_zero_snr=rescale)) for rescale in (True, False))
    assert zero.alpha_T[-1] == 0
    assert plain.alpha_T[-1] > 0.05
    torch.testing.assert_close(zero.alpha_T[0], plain.alpha_T[0])


def test_epsilon_at_zero_terminal_snr_is_refused():
    table = {"prediction_type": "epsilon", "rescale_betas_zero_snr": True}
    with pytest.raises(ConfigError, match="use 'v_prediction', or remove rescale_betas_zero_snr"):
        parse_config(table, NoiseConfig, where="noise")
