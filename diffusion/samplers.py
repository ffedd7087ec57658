"""diffusers' samplers, by the forward process that a model was trained with; and when guidance counts."""

from inspect import signature
from typing import Any, Protocol

from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler, HeunDiscreteScheduler
from torch import Tensor

from byline.catalog.errors import ConfigError
from byline.diffusion.configs import SamplingConfig

SAMPLERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "ddim": (DDIMScheduler, {}),
    "dpm++": (DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++"}),
    "euler": (EulerDiscreteScheduler, {}),
    "heun": (HeunDiscreteScheduler, {}),
}
OF_FLOW: dict[str, tuple[Any, dict[str, Any]]] = {
    "dpm++": (DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++"}),
    "euler": (DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++", "solver_order": 1}),
}
"""Sampler -> diffusers' class and options for a flow.

DPM-Solver++ of order 1 takes Euler's steps there: `x + (s' - s) v = (s' / s) x + (1 - s' / s) x0`. diffusers' own
`FlowMatchEulerDiscreteScheduler` lacks what the pipeline asks of a scheduler, and knows no `sample`.
"""
UNGUIDED = 1 + 2**-20
"""What a pipeline still takes for guidance, so that it goes on predicting both, and what changes nothing."""


class Scheduler(Protocol):
    """What is used of a diffusers scheduler."""

    timesteps: Tensor
    init_noise_sigma: float
    order: int

    def set_timesteps(self, num_inference_steps: int) -> None: ...
    def scale_model_input(self, sample: Tensor, timestep: Tensor) -> Tensor: ...
    def step(self, model_output: Tensor, timestep: Tensor, sample: Tensor) -> Any: ...


def build_scheduler(sampler: str, scheduler_config: dict[str, Any]) -> Scheduler:
    """Return the sampler for a model that was trained with this forward process.

    Raises `ConfigError` for one that diffusers did not write for such a model.
    """
    is_flow = scheduler_config.get("use_flow_sigmas", False)
    if is_flow and sampler not in OF_FLOW:
        raise ConfigError(f"{sampler} knows no flow, which the model was trained with; use {' or '.join(OF_FLOW)}")
    kind, options = (OF_FLOW if is_flow else SAMPLERS)[sampler]
    unknown = {"rescale_betas_zero_snr"} - {*signature(kind.__init__).parameters}
    if any(scheduler_config.get(name) for name in unknown):
        raise ConfigError(f"{sampler} knows no {unknown.pop()}, which the model was trained with; use dpm++ or ddim")
    if sampler == "heun" and scheduler_config.get("prediction_type") == "sample":
        raise ConfigError("heun knows no prediction_type 'sample', which the model was trained with; use dpm++ or ddim")
    scheduler: Scheduler = kind.from_config(scheduler_config, **options)
    return scheduler


def set_timesteps(scheduler: Scheduler, config: SamplingConfig, num_train_timesteps: int) -> None:
    """Set the timesteps. Raises `ConfigError` for a number that diffusers rounds to steps that do not exist."""
    num = config.num_inference_steps
    if num <= num_train_timesteps:
        scheduler.set_timesteps(num)
        t = scheduler.timesteps
        steps = len(t) if scheduler.order == 1 else (len(t) + 1) // scheduler.order  # heun looks twice but at the last
        if steps == num and 0 <= int(t.min()) <= int(t.max()) < num_train_timesteps:
            return
    raise ConfigError(f"{config.sampler} cannot take {num} steps of {num_train_timesteps}; try {max(1, num - 1)}")


class Guidance:
    """How much guidance counts at each step: all of it in an interval of noise, outside of it none."""

    def __init__(self, config: SamplingConfig, timesteps: Tensor, num_train_timesteps: int) -> None:
        """Take the steps as the pipeline will take them."""
        low, high = config.guidance_interval
        shares = [float(t) / num_train_timesteps for t in timesteps]
        outside = min(config.guidance_scale, UNGUIDED)
        self._scales = [config.guidance_scale if low <= share <= high else outside for share in shares]

    def at(self, step: int) -> float:
        """Return the scale at a step; after the last one, that of the last."""
        return self._scales[min(step, len(self._scales) - 1)]

    def after_step(self, pipeline: Any, step: int, _: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """Set the scale of the next step; diffusers calls it."""
        pipeline._guidance_scale = self.at(step + 1)
        return tensors
