"""How much noise at which timestep, what the network predicts there, and how much each timestep counts."""

# Shapes: N samples, B batch, C channels, H and W height and width, T timesteps.

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from byline.diffusion.configs import NoiseConfig
from byline.diffusion.flow import SMALLEST, flow_times


class Noising:
    """The forward process as numbers: `x_t = alpha_t x0 + sigma_t noise`.

    By betas, timesteps are whole numbers and `alpha^2 + sigma^2 = 1`. Of a flow they are any number, and
    `alpha + sigma = 1`.
    """

    def __init__(self, config: NoiseConfig) -> None:
        """Take the schedule from diffusers, so that training and sampling agree to the bit."""
        self.config = config
        if config.use_flow_sigmas:
            return
        cumprod_T: Tensor = DDIMScheduler(**config.scheduler_config()).alphas_cumprod.double()
        self.alpha_T = cumprod_T.sqrt().float()
        self.sigma_T = (1 - cumprod_T).sqrt().float()

    def times(self, uniform_N: Tensor) -> Tensor:
        """Return the timesteps to train on, as decided by a number in `[0, 1)` each."""
        if self.config.use_flow_sigmas:
            return flow_times(uniform_N, self.config) * self.config.num_train_timesteps
        return (uniform_N * self.config.num_train_timesteps).long()

    def times_at(self, share_N: Tensor) -> Tensor:
        """Return the timesteps at which noise is this share, `sigma / (alpha + sigma)`, or nearest to it.

        A share is a ratio of noise to picture, and so the same for every schedule; of a flow it is `s`.
        """
        if self.config.use_flow_sigmas:
            return share_N.float() * self.config.num_train_timesteps
        share_T = self.sigma_T / (self.alpha_T + self.sigma_T)
        return (share_T - share_N[:, None]).abs().argmin(1)

    def add(self, x0_BCHW: Tensor, noise_BCHW: Tensor, t_B: Tensor) -> Tensor:
        """Return `x_t`."""
        alpha, sigma = self._at(t_B, x0_BCHW)
        return alpha * x0_BCHW + sigma * noise_BCHW

    def target(self, x0_BCHW: Tensor, noise_BCHW: Tensor, t_B: Tensor) -> Tensor:
        """Return what the network should predict.

        For v it is `alpha noise - sigma x0` (Salimans & Ho 2022), of a flow `noise - x0`.
        """
        if self.config.prediction_type == "epsilon":
            return noise_BCHW
        if self.config.prediction_type == "sample":
            return x0_BCHW
        if self.config.prediction_type == "flow_prediction":
            return noise_BCHW - x0_BCHW
        alpha, sigma = self._at(t_B, x0_BCHW)
        v_BCHW: Tensor = alpha * noise_BCHW - sigma * x0_BCHW
        return v_BCHW

    def picture(self, predicted_BCHW: Tensor, x_BCHW: Tensor, t_B: Tensor) -> Tensor:
        """Return the `x0` that a prediction at `x_t` implies."""
        if self.config.prediction_type == "sample":
            return predicted_BCHW
        alpha, sigma = self._at(t_B, x_BCHW)
        if self.config.prediction_type == "epsilon":
            return (x_BCHW - sigma * predicted_BCHW) / alpha
        if self.config.prediction_type == "flow_prediction":
            return x_BCHW - sigma * predicted_BCHW
        x0_BCHW: Tensor = alpha * x_BCHW - sigma * predicted_BCHW
        return x0_BCHW

    def weight(self, t_B: Tensor) -> Tensor:
        """Return the weight of the squared error: 1, min-SNR-gamma for what is predicted, or that of a velocity.

        Of a flow, `x0` is wrong by `s` times what the velocity is wrong by.
        """
        alpha_B, sigma_B = self._alpha_sigma(t_B)
        weight_B = torch.ones_like(alpha_B)
        if self.config.velocity_loss:
            weight_B = weight_B / sigma_B.clamp(min=SMALLEST).square()
        if self.config.snr_gamma is None:
            return weight_B
        snr_B = (alpha_B / sigma_B).square()
        clipped_B = snr_B.clamp(max=self.config.snr_gamma)
        if self.config.prediction_type == "epsilon":
            return clipped_B / snr_B
        if self.config.prediction_type == "v_prediction":
            return clipped_B / (snr_B + 1)
        if self.config.prediction_type == "flow_prediction":
            return clipped_B * sigma_B.square()
        return weight_B * clipped_B

    def _at(self, t_B: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        shape = (-1,) + (1,) * (like.ndim - 1)
        alpha_B, sigma_B = self._alpha_sigma(t_B)
        return alpha_B.view(shape), sigma_B.view(shape)

    def _alpha_sigma(self, t_B: Tensor) -> tuple[Tensor, Tensor]:
        if self.config.use_flow_sigmas:
            s_B = t_B / self.config.num_train_timesteps
            return 1 - s_B, s_B
        return self.alpha_T.to(t_B.device)[t_B], self.sigma_T.to(t_B.device)[t_B]
