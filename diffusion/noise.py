"""How much noise at which timestep, what the network predicts there, and how much each timestep counts."""

# Shapes: B batch, C latent channels, H and W latent height and width, T timesteps.

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from byline.diffusion.configs import NoiseConfig


class Noising:
    """The forward process as numbers: `x_t = alpha_t x0 + sigma_t noise`, with `alpha^2 + sigma^2 = 1`."""

    def __init__(self, config: NoiseConfig) -> None:
        """Take the schedule from diffusers, so that training and sampling agree to the bit."""
        self.config = config
        cumprod_T: Tensor = DDIMScheduler(**config.scheduler_config()).alphas_cumprod.double()
        self.alpha_T = cumprod_T.sqrt().float()
        self.sigma_T = (1 - cumprod_T).sqrt().float()
        self.snr_T = (cumprod_T / (1 - cumprod_T)).float()

    def add(self, x0_BCHW: Tensor, noise_BCHW: Tensor, t_B: Tensor) -> Tensor:
        """Return `x_t`."""
        alpha, sigma = self._at(t_B, x0_BCHW)
        return alpha * x0_BCHW + sigma * noise_BCHW

    def target(self, x0_BCHW: Tensor, noise_BCHW: Tensor, t_B: Tensor) -> Tensor:
        """Return what the network should predict; for v it is `alpha noise - sigma x0` (Salimans & Ho 2022)."""
        if self.config.prediction_type == "epsilon":
            return noise_BCHW
        if self.config.prediction_type == "sample":
            return x0_BCHW
        alpha, sigma = self._at(t_B, x0_BCHW)
        v_BCHW: Tensor = alpha * noise_BCHW - sigma * x0_BCHW
        return v_BCHW

    def weight(self, t_B: Tensor) -> Tensor:
        """Return the weight of the squared error: 1, or min-SNR-gamma for what is predicted."""
        snr_B = self.snr_T.to(t_B.device)[t_B]
        if self.config.snr_gamma is None:
            return torch.ones_like(snr_B)
        clipped_B = snr_B.clamp(max=self.config.snr_gamma)
        divisors = {"epsilon": snr_B, "sample": torch.ones_like(snr_B), "v_prediction": snr_B + 1}
        return clipped_B / divisors[self.config.prediction_type]

    def _at(self, t_B: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        shape = (-1,) + (1,) * (like.ndim - 1)
        alpha_B, sigma_B = self.alpha_T.to(like.device)[t_B], self.sigma_T.to(like.device)[t_B]
        return alpha_B.view(shape), sigma_B.view(shape)
