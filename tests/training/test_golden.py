"""What training computes, as numbers: a loss curve that must stay, and a loss that is known."""

import pytest
import torch
from torch import Tensor, nn

from byline.diffusion.configs import NoiseConfig
from byline.diffusion.noise import Noising
from byline.training.schedules import learning_rate
from byline.training.stepping import take_step
from tests.training.alone import an_engine
from tests.training.unets import BATCH, RATE, STEPS, a_batch_of_colors, a_denoiser, losses_of

GOLDEN = (1.097784, 0.997662, 0.955688, 0.876128, 0.777421, 0.746712)
"""Of every fourth step."""


@pytest.fixture(scope="module")
def losses() -> list[float]:
    return losses_of(an_engine(a_denoiser(), batch_size=BATCH))


def test_the_loss_curve_of_a_small_unet_stays(losses):
    """Other processors and versions of torch sum in another order: 1e-7 of a loss, which these steps do not let grow to
    1e-3. An error in noise, loss, clipping, optimizer or schedule moves these numbers by far more."""
    assert losses[::4] == pytest.approx(GOLDEN, rel=1e-3)


def test_the_engine_does_what_a_loop_of_torch_alone_does(losses):
    network, bare = a_denoiser(), []
    optimizer = torch.optim.AdamW(network.parameters(), lr=1.0, betas=(0.9, 0.99), weight_decay=0.01)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = learning_rate(RATE, step * BATCH, STEPS * BATCH)
        loss = network(*a_batch_of_colors(step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        bare.append(loss.item())
    assert losses == pytest.approx(bare, rel=1e-5)


class Linear(nn.Module):
    """Predicts the noise by a factor and an offset for each timestep, which is all that Gaussian data needs."""

    def __init__(self, noising: Noising) -> None:
        super().__init__()
        self.factor_T = nn.Parameter(torch.zeros(len(noising.alpha_T)))
        self.offset_T = nn.Parameter(torch.zeros(len(noising.alpha_T)))
        self._noising = noising

    def forward(self, x0_BD: Tensor, noise_BD: Tensor, t_B: Tensor) -> Tensor:
        """Return the loss."""
        noisy_BD = self._noising.add(x0_BD, noise_BD, t_B)
        predicted_BD = self.factor_T[t_B, None] * noisy_BD + self.offset_T[t_B, None]
        return (predicted_BD - self._noising.target(x0_BD, noise_BD, t_B)).square().mean()


def test_training_on_gaussian_data_reaches_the_loss_that_no_network_can_beat():
    """Of data of mean `m` and spread `s`, the noise in `alpha x0 + sigma noise` is known up to a variance of
    `(alpha s)^2 / ((alpha s)^2 + sigma^2)`, whatever `m`."""
    mean, spread, last = 0.7, 0.5, 100
    config = NoiseConfig(num_train_timesteps=10, beta_start=0.05, beta_end=0.6, prediction_type="epsilon")
    noising = Noising(config)
    engine = an_engine(Linear(noising), batch_size=64)
    losses = []
    for step in range(400):
        generator = torch.Generator().manual_seed(step)
        x0_BD = mean + spread * torch.randn(64, 16, generator=generator)
        noise_BD = torch.randn(64, 16, generator=generator)
        t_B = torch.randint(10, (64,), generator=generator)
        losses.append(take_step(engine, [(x0_BD, noise_BD, t_B)], lr=0.03 if step < 300 else 0.003).loss)
    signal_T = (noising.alpha_T * spread).square()
    known = (signal_T / (signal_T + noising.sigma_T.square())).mean()
    assert torch.stack(losses[-last:]).mean().item() == pytest.approx(known.item(), rel=0.05)
    assert torch.stack(losses[:last]).mean().item() > 1.1 * known.item()
