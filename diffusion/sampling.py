"""Prompts to pictures, with classifier-free guidance and diffusers' samplers. Equal arguments give equal bytes.

Pictures are drawn by diffusers' own `StableDiffusionPipeline`. So what `byline export` writes, which is that pipeline,
draws the same ones.
"""

# Shapes: B batch, C channels, H and W height and width.

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, DDIMScheduler
from torch import Tensor

from byline.catalog.errors import CheckpointError, ConfigError
from byline.diffusion.autoencoder import fold_statistics, load_autoencoder
from byline.diffusion.checkpoint import CheckpointInfo, open_checkpoint
from byline.diffusion.configs import SamplingConfig, TextEncoderConfig
from byline.diffusion.networks import Denoiser, load_denoiser, text_width_of
from byline.diffusion.pixel_space import PixelSpace
from byline.diffusion.samplers import Guidance, build_scheduler, set_timesteps
from byline.diffusion.text import TextEncoder, require_width

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Precision -> what weights are kept and computed in."""
PIPELINE_STEP_PX = 8
"""What diffusers' pipeline wants sides to be multiples of, whatever the autoencoder."""


def build_pipeline(
    unet: Denoiser,
    autoencoder: Any,
    text_encoder: TextEncoder,
    scheduler_config: dict[str, Any],
    sampler: str = "dpm++",
) -> "StableDiffusionPipeline":
    """Return diffusers' pipeline of these parts; of a U-Net of latents nothing in it is ours.

    The autoencoder needs nothing but its `scaling_factor` (`fold_statistics`).
    """
    _quiet_libraries()
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=text_encoder.model,
        tokenizer=text_encoder.tokenizer,
        unet=unet,
        scheduler=build_scheduler(sampler, scheduler_config),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(
    pipeline: "StableDiffusionPipeline",
    scheduler_config: dict[str, Any],
    prompts: list[str],
    config: SamplingConfig,
    advance: Callable[[int], None] = lambda _: None,
) -> Tensor:
    """Return `(len(prompts) * images_per_prompt, 3, H, W)` bytes, prompt by prompt.

    `advance` is told of pictures as they are done. Raises `ConfigError` for a width or height that the model has not.
    """
    pipeline.scheduler = scheduler = build_scheduler(config.sampler, scheduler_config)
    set_timesteps(scheduler, config, int(scheduler_config["num_train_timesteps"]))
    guidance = Guidance(config, scheduler.timesteps, int(scheduler_config["num_train_timesteps"]))
    _require_sides(pipeline, config)
    texts = [prompt for prompt in prompts for _ in range(config.images_per_prompt)]
    pictures = []
    for start in range(0, len(texts), config.batch_size):
        batch = texts[start : start + config.batch_size]
        drawn_BHWC = pipeline(
            batch,
            num_inference_steps=config.num_inference_steps,
            guidance_scale=guidance.at(0),
            guidance_rescale=config.guidance_rescale,
            callback_on_step_end=guidance.after_step,
            generator=[torch.Generator().manual_seed(config.seed + start + i) for i in range(len(batch))],
            output_type="np",
            width=config.width_px,
            height=config.height_px,
        ).images
        bytes_BHWC = torch.from_numpy((drawn_BHWC * 255).round().astype("uint8"))  # as diffusers' `numpy_to_pil`
        pictures.append(bytes_BHWC.permute(0, 3, 1, 2))
        advance(len(batch))
    return torch.cat(pictures)


def _require_sides(pipeline: "StableDiffusionPipeline", config: SamplingConfig) -> None:
    patch_size = pipeline.unet.config.get("patch_size", 1)
    factor = math.lcm(PIPELINE_STEP_PX, pipeline.vae_scale_factor * patch_size)
    for name, side_px in (("width", config.width_px), ("height", config.height_px)):
        if side_px is not None and side_px % factor:
            raise ConfigError(f"--{name} {side_px} must be a multiple of {factor} for this model")


@dataclass(frozen=True, kw_only=True)
class TextToImage:
    """A diffusion checkpoint, ready to sample."""

    info: CheckpointInfo
    unet: Denoiser
    autoencoder: AutoencoderKL | PixelSpace
    text_encoder: TextEncoder
    scheduler_config: dict[str, Any]

    @classmethod
    def load(
        cls,
        checkpoint: str | Path,
        *,
        averaged: bool = True,
        device: str = "cpu",
        precision: str = "fp32",
    ) -> "TextToImage":
        """Open a checkpoint, or the newest one of a run. `averaged` takes the EMA weights.

        Raises `CheckpointError` when the text encoder at hand is not the one that the model was trained with, and
        `ConfigError` for a device that is not there and a precision that is none.
        """
        require_device(device)
        dtype = dtype_of(precision)
        _quiet_libraries()
        folder, info = open_checkpoint(checkpoint, for_resuming=False)
        if info.kind != "diffusion":
            raise CheckpointError(f"{folder} is of kind {info.kind!r}; name a checkpoint of kind 'diffusion'")
        unet = load_denoiser(folder / ("unet_ema" if averaged else "unet"))
        unet.register_to_config(_name_or_path="")  # so that a copy does not depend on where it was copied from
        if unet.config.class_embed_type is not None:
            raise CheckpointError(f"{folder} is of an older byline, which pooled text by itself; train it again")
        text_encoder = TextEncoder(_text_config(folder, info))
        require_width(text_width_of(unet), text_encoder, str(folder))
        if text_encoder.digest != info.provenance["text_encoder"]:
            raise CheckpointError(
                f"text encoder {text_encoder.config.name} has digest {text_encoder.digest[:12]}, {folder} was "
                f"trained with {info.provenance['text_encoder'][:12]}; install that version"
            )
        is_of_latents = "autoencoder" in info.provenance
        autoencoder = fold_statistics(load_autoencoder(str(folder / "vae"))) if is_of_latents else PixelSpace()
        return cls(
            info=info,
            unet=unet.eval().requires_grad_(False).to(device, dtype),
            autoencoder=autoencoder.to(device, dtype),
            text_encoder=text_encoder.to(device, dtype),
            scheduler_config=dict(DDIMScheduler.load_config(folder / "scheduler")),
        )

    def pipeline(self, sampler: str = "dpm++") -> "StableDiffusionPipeline":
        """Return diffusers' pipeline of these models, on the U-Net's device: it draws what `sample` does."""
        pipeline = build_pipeline(self.unet, self.autoencoder, self.text_encoder, self.scheduler_config, sampler)
        return pipeline.to(self.unet.device)

    def sample(
        self, prompts: list[str], config: SamplingConfig, advance: Callable[[int], None] = lambda _: None
    ) -> Tensor:
        """Return what `draw` gives. Raises `ConfigError` for guidance of a model that never went without a caption."""
        if config.guidance_scale > 1 and not self.info.config.get("caption_drop_prob", 1):
            raise ConfigError(
                f"guidance_scale = {config.guidance_scale:g} needs a model that was trained without captions too, and "
                "this one has caption_drop_prob = 0; use --guidance-scale 1"
            )
        return draw(self.pipeline(config.sampler), self.scheduler_config, prompts, config, advance)


def _text_config(folder: Path, info: CheckpointInfo) -> TextEncoderConfig:
    """Return which text encoder a checkpoint is drawn from with: the one that it holds, or the one that it names."""
    config = TextEncoderConfig(**info.config["text_encoder"])
    if not (folder / "text_encoder").is_dir():
        return config
    return config.model_copy(update={"name": str(folder), "subfolder": "text_encoder", "revision": ""})


def _quiet_libraries() -> None:
    """Keep them from warning of image processors and of types that nobody asked for."""
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()


def dtype_of(precision: str) -> torch.dtype:
    """Return the type of weights. Raises `ConfigError` for a name that is none of `DTYPES`."""
    if precision not in DTYPES:
        raise ConfigError(f"no precision is called {precision!r}; they are {', '.join(DTYPES)}")
    return DTYPES[precision]


def default_device(number: int = 0) -> str:
    """Return a GPU, the one with this number where there are so many, or the CPU where there is none."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return f"cuda:{number % count}" if count > 1 and number else "cuda" if count else "cpu"


def require_device(device: str) -> None:
    """Raise `ConfigError` for a device that torch does not know or does not find."""
    try:
        torch.empty((), device=device)
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ConfigError(f"no device {device!r} here ({reason}); use cpu, or cuda where there is a GPU") from error
