"""Prompts to pictures, with classifier-free guidance and diffusers' samplers. Equal arguments give equal bytes."""

# Shapes: B batch, C channels, H and W height and width, L tokens, D width of a token.

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    UNet2DConditionModel,
)
from pydantic import BaseModel, Field
from torch import Tensor

from byline.catalog.errors import CheckpointError, ConfigError
from byline.diffusion.autoencoder import Precision, autocast, decode, denormalize, load_autoencoder
from byline.diffusion.checkpoint import CheckpointInfo, open_checkpoint
from byline.diffusion.networks import predict
from byline.diffusion.pixels import to_bytes
from byline.diffusion.text import TextEncoder, TextEncoderConfig, pad_tokens
from byline.diffusion.weights import load_pretrained

BATCH = 16


class SamplingConfig(BaseModel, frozen=True, extra="forbid"):
    """How to sample, in diffusers' words."""

    sampler: Literal["ddim", "dpm++"] = "dpm++"
    num_inference_steps: int = Field(default=25, ge=1)
    guidance_scale: float = Field(default=4.0, ge=0)
    """1 is the model as it is; more follows the prompt more closely."""
    guidance_rescale: float = Field(default=0.0, ge=0, le=1)
    """How far to shrink guided predictions back to the spread of unguided ones (Lin et al. 2023, section 3.4)."""
    images_per_prompt: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    precision: Precision = "fp32"


class Scheduler(Protocol):
    """What this file uses of a diffusers scheduler."""

    timesteps: Tensor
    init_noise_sigma: float

    def set_timesteps(self, num_inference_steps: int) -> None: ...
    def scale_model_input(self, sample: Tensor, timestep: Tensor) -> Tensor: ...
    def step(self, model_output: Tensor, timestep: Tensor, sample: Tensor) -> Any: ...


def build_scheduler(sampler: str, scheduler_config: dict[str, Any]) -> Scheduler:
    """Return the sampler for a model that was trained with this forward process."""
    if sampler == "ddim":
        ddim: Scheduler = DDIMScheduler.from_config(scheduler_config)
        return ddim
    solver: Scheduler = DPMSolverMultistepScheduler.from_config(scheduler_config, algorithm_type="dpmsolver++")
    return solver


@dataclass(frozen=True, kw_only=True)
class TextToImage:
    """A diffusion checkpoint, ready to sample."""

    info: CheckpointInfo
    unet: UNet2DConditionModel
    autoencoder: AutoencoderKL
    text_encoder: TextEncoder
    scheduler_config: dict[str, Any]

    @classmethod
    def load(cls, checkpoint: str | Path, *, averaged: bool = True) -> "TextToImage":
        """Open a checkpoint, or the newest one of a run. `averaged` takes the EMA weights.

        Raises `CheckpointError` when the text encoder at hand is not the one that the model was trained with.
        """
        folder, info = open_checkpoint(checkpoint)
        if info.kind != "diffusion":
            raise CheckpointError(f"{folder} holds an {info.kind}; name a diffusion checkpoint")
        text_encoder = TextEncoder(TextEncoderConfig(**info.config["text_encoder"]))
        if text_encoder.digest != info.provenance["text_encoder"]:
            raise CheckpointError(
                f"text encoder {text_encoder.config.name} has digest {text_encoder.digest[:12]}, {folder} was "
                f"trained with {info.provenance['text_encoder'][:12]}; install that version"
            )
        unet = load_pretrained(UNet2DConditionModel, str(folder / ("unet_ema" if averaged else "unet")))
        return cls(
            info=info,
            unet=unet.eval().requires_grad_(False),
            autoencoder=load_autoencoder(str(folder / "vae")),
            text_encoder=text_encoder,
            scheduler_config=dict(DDIMScheduler.load_config(folder / "scheduler")),
        )

    def sample(self, prompts: list[str], config: SamplingConfig) -> Tensor:
        """Return `(len(prompts) * images_per_prompt, 3, H, W)` bytes, prompt by prompt."""
        places = [(p, i) for p in range(len(prompts)) for i in range(config.images_per_prompt)]
        texts = self.text_encoder.encode([*prompts, ""])
        pictures = []
        for start in range(0, len(places), BATCH):
            batch = places[start : start + BATCH]
            noise_BCHW = torch.stack([self._noise(config.seed, *place) for place in batch])
            latents_BCHW = self._denoise(noise_BCHW, [texts[p] for p, _ in batch], texts[-1], config)
            raw_BCHW = denormalize(self.autoencoder, latents_BCHW)
            pictures.append(to_bytes(decode(self.autoencoder, raw_BCHW, config.precision)))
        return torch.cat(pictures)

    def _noise(self, seed: int, prompt_index: int, image_index: int) -> Tensor:
        side, channels = self.unet.config.sample_size, self.unet.config.in_channels
        generator = torch.Generator().manual_seed(seed_from(seed, prompt_index, image_index))
        return torch.randn((channels, side, side), generator=generator)

    def _denoise(self, noise_BCHW: Tensor, texts: list[Tensor], no_text_LD: Tensor, config: SamplingConfig) -> Tensor:
        scheduler = build_scheduler(config.sampler, self.scheduler_config)
        set_timesteps(scheduler, config, int(self.scheduler_config["num_train_timesteps"]))
        text_BLD, mask_BL = pad_tokens([*texts, *[no_text_LD] * len(texts)])
        x_BCHW = noise_BCHW * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            doubled_BCHW = scheduler.scale_model_input(torch.cat([x_BCHW, x_BCHW]), t)
            with torch.no_grad(), autocast(x_BCHW.device, config.precision):
                both_BCHW = predict(self.unet, doubled_BCHW, t, text_BLD, mask_BL)
            with_text_BCHW, without_BCHW = both_BCHW.chunk(2)
            guided_BCHW = guide(with_text_BCHW, without_BCHW, config)
            x_BCHW = scheduler.step(guided_BCHW, t, x_BCHW).prev_sample
        return x_BCHW


def set_timesteps(scheduler: Scheduler, config: SamplingConfig, num_train_timesteps: int) -> None:
    """Set the timesteps. Raises `ConfigError` for a number that diffusers rounds to steps that do not exist."""
    num = config.num_inference_steps
    if num <= num_train_timesteps:
        scheduler.set_timesteps(num)
        t = scheduler.timesteps
        if len(t) == num and 0 <= int(t.min()) <= int(t.max()) < num_train_timesteps:
            return
    raise ConfigError(f"{config.sampler} cannot take {num} steps of {num_train_timesteps}; try {max(1, num - 1)}")


def guide(with_text_BCHW: Tensor, without_BCHW: Tensor, config: SamplingConfig) -> Tensor:
    """Return the guided prediction (Ho & Salimans 2022, eq. 6, with `guidance_scale = 1 + w`)."""
    guided_BCHW = without_BCHW + config.guidance_scale * (with_text_BCHW - without_BCHW)
    spread, wanted = (x.std(dim=(1, 2, 3), keepdim=True) for x in (guided_BCHW, with_text_BCHW))
    rescaled_BCHW = guided_BCHW * (wanted / spread)
    return guided_BCHW + config.guidance_rescale * (rescaled_BCHW - guided_BCHW)


def seed_from(*parts: int | str) -> int:
    """Return a seed in `[0, 2^63)` that only `parts` decide."""
    text = ":".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
