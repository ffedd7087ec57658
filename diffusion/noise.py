"""How much noise at which timestep, what the network predicts there, and how much each timestep counts."""

# Shapes: B batch, C latent channels, H and W latent height and width, T timesteps.

from typing import Any, Literal

import torch
from diffusers import DDIMScheduler
from pydantic import BaseModel, Field, model_validator
from torch import Tensor


class NoiseConfig(BaseModel, frozen=True, extra="forbid"):
    """The forward process, in diffusers' words."""

    num_train_timesteps: int = Field(default=1000, ge=2)
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "scaled_linear"
    beta_start: float = Field(default=0.00085, gt=0, lt=1)
    beta_end: float = Field(default=0.012, gt=0, lt=1)
    prediction_type: Literal["epsilon", "sample", "v_prediction"] = "v_prediction"
    rescale_betas_zero_snr: bool = False
    """Make the last timestep pure noise (Lin et al. 2023, algorithm 1)."""
    snr_gamma: float | None = Field(default=None, gt=0)
    """Weight timesteps by min-SNR-gamma (Hang et al. 2023; the paper uses 5). Leave it out for equal weights."""

    @model_validator(mode="after")
    def _no_epsilon_at_zero_snr(self) -> "NoiseConfig":
        if self.rescale_betas_zero_snr and self.prediction_type == "epsilon":
            raise ValueError(
                "prediction_type 'epsilon' says nothing about the picture at zero SNR; "
                "use 'v_prediction', or remove rescale_betas_zero_snr"
            )
        if self.rescale_betas_zero_snr and self.snr_gamma is not None:
            raise ValueError(
                "snr_gamma gives the last timestep, where sampling starts, no weight at zero SNR; remove one of the two"
            )
        return self

    def scheduler_config(self) -> dict[str, Any]:
        """Return the arguments of diffusers' schedulers. Latents are not clipped; sampling starts at the last step.

        Nothing counts from `steps_offset` then; pipelines want it to be 1.
        """
        fields = self.model_dump(exclude={"snr_gamma"})
        return {**fields, "timestep_spacing": "trailing", "clip_sample": False, "steps_offset": 1}


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
