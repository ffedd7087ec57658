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


FLOWS = [
    {},
    {"flow_shift": 3.0},
    {"weighting_scheme": "logit_normal", "logit_mean": -0.5, "logit_std": 1.2},
    {"weighting_scheme": "logit_normal", "flow_shift": 3.0},
]


def a_flow(**overrides):
    return Noising(NoiseConfig(**{"use_flow_sigmas": True, "prediction_type": "flow_prediction", **overrides}))


def test_a_flow_is_a_straight_line_and_its_velocity_the_slope():
    noising, (x0, noise) = a_flow(), a_pair()
    t = torch.tensor([0.0, 100.0, 250.0, 500.0, 1000.0])
    x, later = noising.add(x0, noise, t), noising.add(x0, noise, t + 10)
    assert torch.equal(x[0], x0[0])
    assert torch.equal(x[-1], noise[-1])
    torch.testing.assert_close((later - x) / 0.01, noising.target(x0, noise, t), atol=1e-3, rtol=0)


@pytest.mark.parametrize("flow", FLOWS)
def test_times_of_a_flow_have_the_quantiles_of_their_distribution(flow):
    """Quantiles go through monotone maps: of a Gaussian through the sigmoid, and that through the shift."""
    uniform = torch.tensor([0.0, 0.1, 0.5, 0.9, 1 - 2**-24])
    config = a_flow(**flow).config
    expected = uniform.double()
    if config.weighting_scheme == "logit_normal":
        gauss = torch.distributions.Normal(config.logit_mean, config.logit_std)
        expected = 1 / (1 + torch.exp(-gauss.icdf(uniform.double().clamp(1e-7, 1 - 1e-7))))
    odds = config.flow_shift * expected / (1 - expected)
    times = Noising(config).times(uniform)
    torch.testing.assert_close(times[1:-1].double(), 1000 * (odds / (1 + odds))[1:-1], rtol=1e-4, atol=1e-3)
    assert times.min() >= 0
    assert times.max() <= 1000
    assert (times.diff() > 0).all()


def test_min_snr_and_velocity_weights_of_a_flow_are_the_closed_form():
    t = torch.tensor([10.0, 300.0, 900.0])
    s = t / 1000
    clipped = ((1 - s) / s).square().clamp(max=5)
    torch.testing.assert_close(a_flow(snr_gamma=5).weight(t), clipped * s**2)
    torch.testing.assert_close(a_flow(prediction_type="sample", snr_gamma=5).weight(t), clipped)
    weighted = a_flow(prediction_type="sample", velocity_loss=True).weight(t)
    torch.testing.assert_close(weighted, 1 / torch.tensor([0.05, 0.3, 0.9]) ** 2)


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction", "flow_prediction"])
def test_the_picture_comes_back_from_every_prediction(prediction_type):
    is_flow = prediction_type == "flow_prediction"
    noising = Noising(NoiseConfig(prediction_type=prediction_type, use_flow_sigmas=is_flow))
    x0, noise = a_pair()
    t = noising.times_at(torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9]))
    x = noising.add(x0, noise, t)
    torch.testing.assert_close(noising.picture(noising.target(x0, noise, t), x, t), x0, atol=1e-4, rtol=0)


def test_equal_shares_are_equal_ratios_of_noise_whatever_the_schedule():
    shares = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9])
    ratios = []
    for noising in (Noising(NoiseConfig()), Noising(NoiseConfig(rescale_betas_zero_snr=True)), a_flow()):
        zero, one = torch.zeros(5, 1), torch.ones(5, 1)
        t = noising.times_at(shares)
        ratios.append((noising.add(zero, one, t) / noising.add(one, zero, t)).flatten())
    for ratio in ratios[:2]:
        torch.testing.assert_close(ratio, ratios[2], rtol=0.05, atol=0)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"prediction_type": "flow_prediction"}, "use one of epsilon, sample, v_prediction"),
        ({"prediction_type": "epsilon", "use_flow_sigmas": True}, "use one of flow_prediction, sample"),
        ({"prediction_type": "sample", "flow_shift": 3}, "flow_shift is of a flow; set use_flow_sigmas = true"),
        (
            {"prediction_type": "sample", "use_flow_sigmas": True, "rescale_betas_zero_snr": True},
            "a flow ends in pure noise as it is",
        ),
        (
            {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "velocity_loss": True},
            "velocity_loss is for prediction_type 'sample'",
        ),
        (
            {"prediction_type": "sample", "use_flow_sigmas": True, "velocity_loss": True, "snr_gamma": 5},
            "two weights of timesteps",
        ),
    ],
)
def test_what_is_no_flow_is_refused(table, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(table, NoiseConfig, where="noise")
