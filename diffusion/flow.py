"""Flow matching: straight lines from pictures to noise (Liu et al. 2022; Lipman et al. 2022; Esser et al. 2024).

    x_s = (1 - s) x0 + s noise         s in [0, 1]: 0 the picture, 1 noise
    v   = noise - x0                   the velocity, the same all along a line
    s   = sigmoid(mean + std n)        n unit Gaussian: `logit_normal` (Esser et al. 2024, eq. 19); else s is even
    s'  = k s / (1 + (k - 1) s)        `flow_shift` k (eq. 23): moves s toward noise

The network is told `s * num_train_timesteps`, which is what diffusers' samplers tell it.
"""

# Shapes: N samples.

import torch
from torch import Tensor

from byline.diffusion.configs import NoiseConfig

SMALLEST = 0.05
"""The least `s` by which an error of the picture is divided, to be one of the velocity (JiT, Li & He 2025)."""


def flow_times(uniform_N: Tensor, config: NoiseConfig) -> Tensor:
    """Return `s` of samples, float32, as decided by a number in `[0, 1)` each."""
    s_N = uniform_N.float()
    if config.weighting_scheme == "logit_normal":
        inner_N = s_N.double().clamp(2**-25, 1 - 2**-25)
        s_N = torch.sigmoid(config.logit_mean + config.logit_std * torch.special.ndtri(inner_N)).float()
    return config.flow_shift * s_N / (1 + (config.flow_shift - 1) * s_N)
