"""What a run would need and cost, told from its config alone: no weights are made, no GPU is needed."""

# Shapes: B batch, C latent channels, H and W latent height and width, L tokens, D width of a token.

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from byline.catalog.configs.places import shipped
from byline.catalog.errors import ConfigError
from byline.diffusion.autoencoder import build_autoencoder
from byline.diffusion.configs import Precision
from byline.diffusion.networks import build_denoiser
from byline.diffusion.noise import Noising
from byline.diffusion.routing import num_kept
from byline.training.autoencoder_task import ReconstructionLoss
from byline.training.config import AutoencoderRun, TrainConfig
from byline.training.deepspeed_files import read_deepspeed, zero_stage
from byline.training.diffusion_task import DenoisingLoss
from byline.training.engine import passes_per_step
from byline.training.hardware import Hardware
from byline.training.kernels import checkpoint_activations
from byline.training.memory import FLOAT32, STAGES, Memory, memory_of
from byline.training.model_shapes import latent_shape, text_width
from byline.training.optimizers import build_optimizer
from byline.training.perceptual import empty_perceptual_loss
from byline.training.ranks import Ranks
from byline.training.text_encoder_config import TextEncoderRun
from byline.training.text_encoder_task import new_network
from byline.training.tracing import Trace, trace_pass

FLOAT16, TOKEN = 2, 4


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Time and money of computing so many images."""

    images: int
    flops_per_image: float
    images_per_s: float
    """The rate of all GPUs together."""
    mfu: float
    """Part of the dense peak that is assumed (model FLOPs utilization)."""
    hours: float
    gpu_hours: float
    usd: float


def cost_of(*, images: int, flops_per_image: float, hardware: Hardware, gpus: int, precision: Precision) -> Cost:
    """Return what it costs to train on `images`, of a network of which nothing but its work is known.

    GPUs are counted as if none waited for another.
    """
    rate = gpus * hardware.mfu * hardware.tflops(precision) * 1e12 / flops_per_image
    hours = images / rate / 3600
    return Cost(
        images=images,
        flops_per_image=flops_per_image,
        images_per_s=rate,
        mfu=hardware.mfu,
        hours=hours,
        gpu_hours=hours * gpus,
        usd=hours * gpus * hardware.usd_per_hour,
    )


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Everything that `byline train --dry-run` says."""

    kind: str
    hardware: Hardware
    gpus: int
    precision: Precision
    num_parameters: int
    images_per_pass: int
    """Images of a pass on each GPU."""
    passes: int
    """A step on each GPU."""
    cost: Cost
    stage: int
    """The ZeRO stage that the config asks for."""
    checkpoints_activations: bool
    """Whether the config asks for it; `memory` and `cost` are so."""
    memory: tuple[Memory, ...]
    """What each GPU needs by ZeRO stage, from 0; Muon has no other."""
    memory_checkpointed: tuple[Memory, ...]
    """The same, with activation checkpointing."""
    save_bytes: int
    """The size of a checkpoint: weights, average, optimizer; frozen models are not counted."""
    feed_bytes_per_image: int
    """The most that an image is: latents and as many tokens as a caption may have; or pixels."""

    @property
    def fits(self) -> bool:
        """Whether the config as it is fits the memory of the hardware."""
        (used,) = (memory for memory in self.memory if memory.stage == self.stage)
        return used.total <= self.hardware.memory_gb * 1e9


def parts_of(config: TrainConfig) -> Iterator[TrainConfig]:
    """Yield what each phase of a run asks for, as a run of its own."""
    for start in (0, *(phase.from_images for phase in config.phases)):
        yield config.at(start).model_copy(update={"images": config.end_of_phase(start) - start, "phases": ()})


def estimate(config: TrainConfig, hardware: Hardware, *, gpus: int) -> Estimate:
    """Trace one pass of the network that the config describes and reckon with it.

    Raises `ConfigError`, one line, for sizes that do not fit each other.
    """
    config.require_one_pass(gpus)
    settings = read_deepspeed(config.machine.deepspeed)
    build_optimizer(nn.Linear(1, 1), config.optimizer, zero_stage=zero_stage(settings))  # refuses what it cannot split
    passes = passes_per_step(config, Ranks(rank=0, size=gpus, device=torch.device("cpu")))
    num_images = config.batch_size // gpus // passes
    plain, checkpointed = (_trace(config, num_images, hardware, spares=spares) for spares in (False, True))
    used = checkpointed if config.machine.activation_checkpointing else plain
    memory, memory_checkpointed = (
        _by_stage(trace, config, settings, gpus=gpus, passes=passes) for trace in (used, checkpointed)
    )
    return Estimate(
        kind=config.kind,
        hardware=hardware,
        gpus=gpus,
        precision=config.precision,
        num_parameters=used.num_parameters,
        images_per_pass=num_images,
        passes=passes,
        cost=cost_of(
            images=config.images,
            flops_per_image=used.flops / num_images,
            hardware=hardware,
            gpus=gpus,
            precision=config.precision,
        ),
        stage=zero_stage(settings),
        checkpoints_activations=config.machine.activation_checkpointing,
        memory=memory,
        memory_checkpointed=memory_checkpointed,
        save_bytes=FLOAT32 * (2 * used.num_parameters + _state_numbers(config, used)),
        feed_bytes_per_image=_feed_bytes(config),
    )


def _by_stage(
    trace: Trace, config: TrainConfig, settings: dict[str, Any], *, gpus: int, passes: int
) -> tuple[Memory, ...]:
    """Return what each ZeRO stage needs: by the config's own file, for other stages by the one of byline."""
    own, memories = zero_stage(settings), []
    for stage in STAGES if config.optimizer.name == "adamw" else (0,):
        stage_settings = (
            settings if stage in (own, 0) else read_deepspeed(shipped(f"zero{stage}", "deepspeed", ".json"))
        )
        memories.append(
            memory_of(
                trace,
                stage_settings.get("zero_optimization", {}),
                stage=stage,
                num_ranks=gpus,
                num_passes=passes,
                state_numbers=_state_numbers(config, trace),
            )
        )
    return tuple(memories)


def _state_numbers(config: TrainConfig, trace: Trace) -> int:
    """Return how many numbers the optimizer keeps: AdamW two moments, Muon one of matrices."""
    return 2 * trace.num_parameters - (trace.num_in_matrices if config.optimizer.name == "muon" else 0)


def _trace(config: TrainConfig, num_images: int, hardware: Hardware, *, spares: bool) -> Trace:
    def build() -> nn.Module:
        network = build_network(config)
        if spares:
            checkpoint_activations(network)
        return network

    try:
        return trace_pass(
            build, lambda: empty_inputs(config, num_images), num_images=num_images, as_on_cuda=not hardware.is_cpu
        )
    except (RuntimeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"the network of this config cannot be built: {str(error).splitlines()[0]}") from error


def build_network(config: TrainConfig) -> nn.Module:
    """Return the network that a run trains, with its loss, new and without frozen models."""
    if isinstance(config, AutoencoderRun):
        model = config.loss.used_model
        perceptual = None if model is None else empty_perceptual_loss(model)
        vae = build_autoencoder(config.autoencoder, side_px=config.resolution_px)
        return ReconstructionLoss(vae, config, perceptual)
    if isinstance(config, TextEncoderRun):
        return new_network(config, config.text.vocab_size)
    channels, side = latent_shape(config.autoencoder, config.resolution_px)
    config.require_fits(config.resolution_px // side)
    width = text_width(config.text_encoder)
    unet = build_denoiser(config.network, side=side, latent_channels=channels, text_width=width)
    return DenoisingLoss(
        unet,
        Noising(config.noise),
        config.precision,
        routing=config.routing,
        dispersive=config.dispersive_loss,
    )


def empty_inputs(config: TrainConfig, num_images: int) -> tuple[Tensor, ...]:
    """Return tensors as what the network is called with, captions being as long as they may be."""
    if isinstance(config, AutoencoderRun):
        side = config.resolution_px // 2 ** (len(config.autoencoder.block_out_channels) - 1)
        noise_BCHW = torch.empty(num_images, config.autoencoder.latent_channels, side, side)
        bytes_BCHW = torch.empty(num_images, 3, config.resolution_px, config.resolution_px, dtype=torch.uint8)
        return bytes_BCHW, noise_BCHW
    if isinstance(config, TextEncoderRun):
        bytes_BCHW = torch.empty(num_images, 3, config.resolution_px, config.resolution_px, dtype=torch.uint8)
        return bytes_BCHW, torch.zeros(num_images, config.text.max_tokens, dtype=torch.long)
    channels, side = latent_shape(config.autoencoder, config.resolution_px)
    x0_BCHW = torch.empty(num_images, channels, side, side)
    num_tokens = config.text_encoder.max_tokens
    text_BLD = torch.empty(num_images, num_tokens, text_width(config.text_encoder))
    inputs = x0_BCHW, torch.empty_like(x0_BCHW), torch.zeros(num_images, dtype=torch.long), text_BLD
    if config.routing_share == 0:
        return inputs
    kept = num_kept((side // config.network.shrinks) ** 2, config.routing_share)
    return *inputs, torch.arange(kept).repeat(num_images, 1)


def _feed_bytes(config: TrainConfig) -> int:
    if isinstance(config, AutoencoderRun):
        return 3 * config.resolution_px**2
    if isinstance(config, TextEncoderRun):
        return 3 * config.resolution_px**2 + TOKEN * config.text.max_tokens
    channels, side = latent_shape(config.autoencoder, config.resolution_px)
    tokens = config.text_encoder.max_tokens * text_width(config.text_encoder)
    parts = 2 if config.sample_latents else 1  # mean and spread
    number = 1 if config.autoencoder is None else FLOAT16  # pixels are bytes
    return number * parts * channels * side**2 + FLOAT16 * tokens
